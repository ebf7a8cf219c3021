//! Credentials leave the header map here, before anything else sees the request.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use keyferry_protocol::{ErrorCode, header as names};

use crate::error::ApiError;
use crate::secret::Secret;

/// Longest accepted key header in bytes: a sealed key is under 1 KiB, plain keys under 300.
const MAX_KEY: usize = 4096;

/// Longest accepted app token in bytes; issuers with many claims stay below.
const MAX_TOKEN: usize = 16 * 1024;

/// What a request proved to hold, taken out of its headers. Wiped when the request ends.
#[derive(Debug, Default)]
pub struct Credentials {
    key: Option<Secret>,
    lease: Option<Secret>,
    job: Option<Secret>,
    app_token: Option<Secret>,
}

impl Credentials {
    /// Takes `X-BYOK-Key`, `X-BYOK-Lease`, `X-BYOK-Job` and every provider's auth header out of `headers`.
    ///
    /// The headers are gone afterwards whatever the outcome, so a refusal can be traced safely.
    ///
    /// # Errors
    /// `duplicate_key_header` for two keys or a key and a lease, `bad_key_header` for an empty,
    /// oversized or unprintable one.
    pub fn take(headers: &mut HeaderMap) -> Result<Self, ApiError> {
        let [mut key, mut lease, mut job, mut authorization] = [const { Vec::new() }; 4];
        while let Some(name) = headers.keys().find(|name| is_credential(name)).cloned() {
            let values = take_all(headers, &name);
            match name.as_str() {
                names::KEY => key = values,
                names::LEASE => lease = values,
                names::JOB => job = values,
                "authorization" => authorization = values,
                // What the client would have sent a provider, which gets the key and nothing else.
                _ => drop(values),
            }
        }
        let [key, lease] = [single(key, "X-BYOK-Key")?, single(lease, "X-BYOK-Lease")?];
        let job = single(job, "X-BYOK-Job")?;
        if key.is_some() && lease.is_some() {
            return Err(ApiError::new(
                ErrorCode::DuplicateKeyHeader,
                "send X-BYOK-Key or X-BYOK-Lease, not both",
            ));
        }
        Ok(Self {
            key,
            lease,
            job,
            app_token: bearer(authorization),
        })
    }

    /// The value of `X-BYOK-Key`, plain or sealed.
    #[must_use]
    pub fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    /// The value of `X-BYOK-Lease`.
    #[must_use]
    pub fn lease(&self) -> Option<&Secret> {
        self.lease.as_ref()
    }

    /// The value of `X-BYOK-Job`.
    #[must_use]
    pub fn job(&self) -> Option<&Secret> {
        self.job.as_ref()
    }

    /// The token of `Authorization: Bearer …`, which is the app's, never a provider's.
    #[must_use]
    pub fn app_token(&self) -> Option<&Secret> {
        self.app_token.as_ref()
    }
}

fn is_credential(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, names::KEY | names::LEASE | names::JOB) || names::PROVIDER_AUTH.contains(&name)
}

/// Takes every value of `name`, copying each into memory that is wiped. The header map's own
/// buffer belongs to the HTTP parser and is only released.
fn take_all(headers: &mut HeaderMap, name: &HeaderName) -> Vec<Secret> {
    match headers.entry(name) {
        header::Entry::Vacant(_) => Vec::new(),
        header::Entry::Occupied(entry) => {
            let (_, values) = entry.remove_entry_mult();
            values
                .map(|value: HeaderValue| Secret::new(value.as_bytes().to_vec()))
                .collect()
        }
    }
}

fn single(mut values: Vec<Secret>, shown: &'static str) -> Result<Option<Secret>, ApiError> {
    let Some(value) = values.pop() else {
        return Ok(None);
    };
    if !values.is_empty() {
        return Err(ApiError::new(
            ErrorCode::DuplicateKeyHeader,
            format!("{shown} was sent more than once"),
        ));
    }
    // Exposed to look at its alphabet only.
    let bytes = value.expose();
    if bytes.contains(&b',') {
        // Proxies may fold repeated fields into one list (RFC 9110 §5.3); no key has a comma.
        return Err(ApiError::new(
            ErrorCode::DuplicateKeyHeader,
            format!("{shown} holds more than one value"),
        ));
    }
    let printable = bytes.iter().all(u8::is_ascii_graphic);
    if bytes.is_empty() || bytes.len() > MAX_KEY || !printable {
        return Err(ApiError::new(
            ErrorCode::BadKeyHeader,
            format!("{shown} is empty, too long or holds characters that no key has"),
        ));
    }
    Ok(Some(value))
}

/// The app token, when exactly one well-formed `Authorization: Bearer` was sent. SDKs always send
/// an `Authorization` of their own with a placeholder, so anything else is dropped in silence.
fn bearer(mut values: Vec<Secret>) -> Option<Secret> {
    let value = values.pop()?;
    if !values.is_empty() {
        return None;
    }
    // Exposed to cut the scheme off.
    let bytes = value.expose();
    let (scheme, token) = bytes.split_at_checked(7)?;
    let plausible = !token.is_empty()
        && token.len() <= MAX_TOKEN
        && token.iter().all(u8::is_ascii_graphic)
        && scheme.eq_ignore_ascii_case(b"bearer ");
    plausible.then(|| Secret::new(token.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn everything_is_taken() {
        let mut map = headers(&[
            ("x-byok-key", "sk-canary"),
            ("authorization", "Bearer token"),
            ("x-api-key", "a"),
            ("x-goog-api-key", "b"),
            ("api-key", "c"),
            ("content-type", "application/json"),
        ]);
        let credentials = Credentials::take(&mut map).unwrap();
        assert_eq!(credentials.key().unwrap().expose(), b"sk-canary");
        assert_eq!(credentials.app_token().unwrap().expose(), b"token");
        assert_eq!(map.len(), 1);
        assert!(!format!("{credentials:?}").contains("canary"));
    }

    #[test]
    fn refusals_still_empty_the_map() {
        for (pairs, code) in [
            (
                vec![("x-byok-key", "a1"), ("x-byok-key", "a1")],
                ErrorCode::DuplicateKeyHeader,
            ),
            (
                vec![("x-byok-key", "a1, a2")],
                ErrorCode::DuplicateKeyHeader,
            ),
            (
                vec![("x-byok-key", "a1"), ("x-byok-lease", "kfl_")],
                ErrorCode::DuplicateKeyHeader,
            ),
            (vec![("x-byok-key", "")], ErrorCode::BadKeyHeader),
            (vec![("x-byok-key", "a b")], ErrorCode::BadKeyHeader),
        ] {
            let mut map = headers(&pairs);
            assert_eq!(Credentials::take(&mut map).unwrap_err().code(), code);
            assert!(map.is_empty());
        }
    }

    #[test]
    fn too_long_is_refused() {
        let mut map = HeaderMap::new();
        map.insert(
            "x-byok-key",
            HeaderValue::from_bytes(&vec![b'a'; MAX_KEY + 1]).unwrap(),
        );
        assert_eq!(
            Credentials::take(&mut map).unwrap_err().code(),
            ErrorCode::BadKeyHeader
        );
    }

    #[test]
    fn other_authorization_schemes_are_no_app_token() {
        for value in ["Basic abc", "Bearer", "Bearer ", "Bearer a b", "bear"] {
            let mut map = headers(&[("authorization", value)]);
            assert!(
                Credentials::take(&mut map).unwrap().app_token().is_none(),
                "{value}"
            );
        }
    }
}
