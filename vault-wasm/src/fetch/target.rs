//! From the URL an app asked for to the URL that is sent: only the relay, whatever was asked.
//!
//! URLs are compared by their parsed origin. The parser is stricter than the URL standard: it takes
//! what a browser's own serialiser puts out and refuses anything two parsers could read differently.
//! The URL that is sent is put together from the relay's own base, never from the input's origin.

use keyferry_protocol::{
    Catalogue, ErrorCode,
    catalogue::{Unified, is_provider_id},
    path, text,
};

use crate::error::{Arg, Error};

/// An absolute http(s) URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts<'a> {
    origin: String,
    /// Begins with `/`.
    path: &'a str,
    query: Option<&'a str>,
}

fn parse(url: &str) -> Option<Parts<'_>> {
    if url
        .bytes()
        .any(|byte| byte <= b' ' || byte >= 0x7f || byte == b'\\')
    {
        return None;
    }
    let (scheme, rest) = text::split_once(url, "://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => "80",
        "https" => "443",
        _ => return None,
    };
    let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(authority_len)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };

    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let valid = !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            if !valid {
                return None;
            }
            let host = authority.get(..address.len() + 2)?;
            match port {
                "" => (host, None),
                port => (host, Some(port.strip_prefix(':')?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let host_is_plain = host.starts_with('[')
        || (!host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')));
    if !host_is_plain {
        return None;
    }
    let mut origin = scheme;
    origin.push_str("://");
    origin.push_str(&host.to_ascii_lowercase());
    if let Some(port) = port {
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u16 = port.parse().ok()?;
        if port != default_port {
            origin.push(':');
            origin.push_str(&text::decimal(u64::from(number)));
        }
    }
    Some(Parts {
        origin,
        path: if path.is_empty() { "/" } else { path },
        query,
    })
}

/// The relay a vault is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    origin: String,
    /// Empty, or begins with `/` and does not end with it.
    path: String,
}

impl Relay {
    /// Reads a base URL: an origin, optionally with a path.
    ///
    /// # Errors
    /// [`Error::BadArgument`] for anything else.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let bad = Error::BadArgument(Arg::Relay);
        let parts = parse(url).ok_or(bad.clone())?;
        let base = parts.path.trim_end_matches('/');
        if parts.query.is_some()
            || url.contains('#')
            || (!base.is_empty() && path::check(base).is_err())
        {
            return Err(bad);
        }
        Ok(Self {
            origin: parts.origin,
            path: base.to_owned(),
        })
    }

    /// The normalised base URL, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> String {
        [self.origin.as_str(), &self.path].concat()
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What stands before every path; empty for most relays.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The absolute URL of one of the relay's own paths.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        [self.origin.as_str(), &self.path, path].concat()
    }
}

/// Which of the relay's routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/providers/{id}/…`
    Passthrough {
        /// The id.
        provider: String,
    },
    /// `/v1/…`, shaped like OpenAI's
    Unified(Unified),
    /// Anything else of the relay's; no key is sent there.
    Other,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which route.
    pub route: Route,
    /// Path and query below the relay's base.
    pub path_and_query: String,
}

/// Why a URL is not sent anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetError {
    /// Neither the relay's nor a known provider's.
    Foreign,
    /// The relay would refuse it.
    Refused(ErrorCode),
}

/// Finds out where a request for `url` goes.
///
/// # Errors
/// `TargetError`.
pub fn resolve(url: &str, relay: &Relay, catalogue: &Catalogue) -> Result<Target, TargetError> {
    let parts = parse(url).ok_or(TargetError::Foreign)?;
    let (provider, relay_path) = if parts.origin == relay.origin {
        let below = parts
            .path
            .strip_prefix(relay.path.as_str())
            .ok_or(TargetError::Foreign)?;
        if !below.starts_with('/') {
            return Err(TargetError::Foreign);
        }
        (None, below)
    } else {
        let provider = catalogue
            .by_origin(&parts.origin)
            .ok_or(TargetError::Foreign)?;
        (Some(provider.id.clone().into_owned()), parts.path)
    };
    path::check(relay_path).map_err(|_| TargetError::Refused(ErrorCode::BadPath))?;

    let mut path_and_query = String::new();
    let route = match provider {
        Some(provider) => {
            path_and_query.push_str("/providers/");
            path_and_query.push_str(&provider);
            Route::Passthrough { provider }
        }
        None => route_of(relay_path)?,
    };
    path_and_query.push_str(relay_path);
    if let Some(query) = parts.query {
        let query = match route {
            Route::Other => query.into(),
            _ => path::query_without_keys(query),
        };
        if !query.is_empty() {
            path_and_query.push('?');
            path_and_query.push_str(&query);
        }
    }
    Ok(Target {
        route,
        path_and_query,
    })
}

fn route_of(path: &str) -> Result<Route, TargetError> {
    if let Some(rest) = path.strip_prefix("/providers/") {
        let id = rest.split('/').next().unwrap_or_default();
        if !is_provider_id(id) {
            return Err(TargetError::Refused(ErrorCode::UnknownProvider));
        }
        return Ok(Route::Passthrough {
            provider: id.to_owned(),
        });
    }
    Ok(match Unified::from_path(path) {
        Some(route) => Route::Unified(route),
        None => Route::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(url: &str) -> Result<Target, TargetError> {
        let relay = Relay::parse("https://relay.example/keyferry/").unwrap();
        resolve(url, &relay, &Catalogue::builtin())
    }

    #[test]
    fn relay_urls_are_normalised() {
        for (given, base) in [
            ("https://Relay.Example", "https://relay.example"),
            ("HTTPS://relay.example:443/", "https://relay.example"),
            ("http://localhost:8787", "http://localhost:8787"),
            ("http://[::1]:8787/", "http://[::1]:8787"),
            ("https://relay.example/a/b/", "https://relay.example/a/b"),
        ] {
            assert_eq!(Relay::parse(given).unwrap().base(), base);
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for bad in [
            "",
            "relay.example",
            "//relay.example",
            "ftp://relay.example",
            "https://",
            "https://user@relay.example",
            "https://relay.example\\@evil.example",
            "https://relay.example?x",
            "https://relay.example#x",
            "https://relay.example/../x",
            "https://relay.example:99999",
            "https://relay.example:",
            "https://relay.example:8x",
            "https://rel ay.example",
            "https://relay.example\n",
            "https://rélay.example",
            "https://[::1",
            "https://[]",
            "https://[::1]x",
            "javascript:alert(1)",
        ] {
            assert_eq!(
                Relay::parse(bad),
                Err(Error::BadArgument(Arg::Relay)),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn urls_under_the_relay_stay_and_lose_keys() {
        let target = resolved(
            "https://relay.example/keyferry/providers/google/v1beta/models?key=AIza&alt=sse#x",
        )
        .unwrap();
        assert_eq!(
            target.route,
            Route::Passthrough {
                provider: "google".into()
            }
        );
        assert_eq!(
            target.path_and_query,
            "/providers/google/v1beta/models?alt=sse"
        );
        let target = resolved("https://relay.example/keyferry/v1/chat/completions").unwrap();
        assert_eq!(target.route, Route::Unified(Unified::ChatCompletions));
        let target = resolved("https://relay.example/keyferry/healthz?x=1").unwrap();
        assert_eq!(
            (target.route, target.path_and_query.as_str()),
            (Route::Other, "/healthz?x=1")
        );
    }

    #[test]
    fn provider_origins_are_rewritten() {
        for (url, path) in [
            (
                "https://api.openai.com/v1/chat/completions",
                "/providers/openai/v1/chat/completions",
            ),
            (
                "https://API.openai.com:443/v1/models?x=1",
                "/providers/openai/v1/models?x=1",
            ),
            (
                "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent?key=x",
                "/providers/google/v1beta/models/g:generateContent",
            ),
        ] {
            assert_eq!(resolved(url).unwrap().path_and_query, path);
        }
    }

    #[test]
    fn everything_else_is_foreign() {
        for url in [
            "https://evil.example/v1",
            "https://api.openai.com.evil.example/v1",
            "https://api.openai.com@evil.example/v1",
            "https://evil.example/https://api.openai.com/v1",
            "http://api.openai.com/v1",
            "https://api.openai.com:8443/v1",
            "https://relay.example/other",
            "https://relay.example/keyferryx/v1/models",
            "http://relay.example/keyferry/v1/models",
            "https://relay.example:444/keyferry/v1/models",
            "/v1/models",
            "data:,",
            "blob:https://relay.example/keyferry/1",
            "https:/relay.example/keyferry/v1",
            "https:\\\\relay.example\\keyferry\\v1",
        ] {
            assert_eq!(resolved(url), Err(TargetError::Foreign), "{url}");
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for path in [
            "/v1/../admin",
            "/v1/%2e%2e/admin",
            "//evil.example",
            "/v1%2fmodels",
            "/providers/openai/a/..%2f",
        ] {
            let url = ["https://relay.example/keyferry", path].concat();
            assert_eq!(
                resolved(&url),
                Err(TargetError::Refused(ErrorCode::BadPath)),
                "{path}"
            );
        }
        assert_eq!(
            resolved("https://relay.example/keyferry/providers/Open_AI/v1"),
            Err(TargetError::Refused(ErrorCode::UnknownProvider))
        );
    }
}
