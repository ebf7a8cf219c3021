//! Checks of raw request paths and queries, before anything is routed by them.
//!
//! A path is refused when two parsers could read it differently: what the relay allowed would
//! then not be what the provider serves. Accepted paths are sent on byte for byte.

use std::borrow::Cow;

/// Longest accepted path in bytes.
pub const MAX_PATH: usize = 4096;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// Does not begin with `/` (absolute-form targets, `@host` and their like).
    NotAbsolute,
    /// Longer than [`MAX_PATH`].
    TooLong,
    /// A byte that must not occur raw: control, space, non-ASCII, quotes, `<>`, `#`, `?`.
    ForbiddenByte,
    /// `\`, raw or encoded.
    Backslash,
    /// `//`: an empty segment.
    EmptySegment,
    /// `.` or `..`, raw, encoded or before a `;` parameter.
    DotSegment,
    /// `%2F`.
    EncodedSlash,
    /// `%25`: a second decoding would yield another path.
    EncodedPercent,
    /// An encoded control byte, NUL among them.
    EncodedControl,
    /// `%` without two hexadecimal digits, or bytes that are not UTF-8.
    BadEscape,
}

impl PathError {
    /// What is wrong, for the `detail` of an error.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path must begin with '/'",
            Self::TooLong => "path is too long",
            Self::ForbiddenByte => "path holds a byte that must be percent-encoded",
            Self::Backslash => "path holds a backslash",
            Self::EmptySegment => "path holds an empty segment",
            Self::DotSegment => "path holds a dot segment",
            Self::EncodedSlash => "path holds an encoded slash",
            Self::EncodedPercent => "path holds an encoded percent sign",
            Self::EncodedControl => "path holds an encoded control character",
            Self::BadEscape => "path holds a malformed percent-encoding",
        }
    }
}

impl core::fmt::Display for PathError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for PathError {}

/// Checks a raw path (no query). A trailing `/` is accepted, other empty segments are not.
///
/// # Errors
/// The first rule broken, see [`PathError`].
pub fn check(path: &str) -> Result<(), PathError> {
    if path.len() > MAX_PATH {
        return Err(PathError::TooLong);
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err(PathError::NotAbsolute);
    };
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathError::EmptySegment);
        }
        check_segment(segment)?;
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), PathError> {
    let mut bytes = segment.bytes();
    let mut escaped = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                escaped = true;
                let (high, low) = (bytes.next(), bytes.next());
                let decoded = match (high.and_then(hex), low.and_then(hex)) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(PathError::BadEscape),
                };
                match decoded {
                    b'/' => return Err(PathError::EncodedSlash),
                    b'\\' => return Err(PathError::Backslash),
                    b'%' => return Err(PathError::EncodedPercent),
                    0..=0x1f | 0x7f => return Err(PathError::EncodedControl),
                    _ => {}
                }
            }
            b'\\' => return Err(PathError::Backslash),
            0..=0x20
            | 0x7f..
            | b'"'
            | b'<'
            | b'>'
            | b'#'
            | b'?'
            | b'`'
            | b'{'
            | b'}'
            | b'^'
            | b'|' => return Err(PathError::ForbiddenByte),
            _ => {}
        }
    }
    let decoded = if escaped {
        decode(segment).ok_or(PathError::BadEscape)?
    } else {
        Cow::Borrowed(segment)
    };
    match decoded.as_bytes() {
        // Some servers cut `;parameters` off a segment before they resolve dots.
        b"." | b".." | [b'.', b';', ..] | [b'.', b'.', b';', ..] => Err(PathError::DotSegment),
        _ => Ok(()),
    }
}

/// Percent-decodes; `None` when malformed or not UTF-8. `+` stays `+`.
#[must_use]
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = bytes.next().and_then(hex)?;
            let low = bytes.next().and_then(hex)?;
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

pub(crate) const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Query parameters by which some provider takes a credential.
const KEY_PARAMETERS: [&str; 10] = [
    "key",
    "$key",
    "api_key",
    "api-key",
    "apikey",
    "x-api-key",
    "x-goog-api-key",
    "access_token",
    "oauth_token",
    "x-byok-key",
];

fn names_a_key(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    // A name that cannot be decoded is treated as raw: it then equals none of ours.
    let name = decode(name).unwrap_or(Cow::Borrowed(name));
    KEY_PARAMETERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name.trim()))
}

/// Whether a raw query (without `?`) holds a parameter that carries a credential.
#[must_use]
pub fn query_has_key(query: &str) -> bool {
    query.split(['&', ';']).any(names_a_key)
}

/// The query without the parameters that carry a credential, other bytes as they were.
#[must_use]
pub fn query_without_keys(query: &str) -> Cow<'_, str> {
    if !query_has_key(query) {
        return Cow::Borrowed(query);
    }
    let mut out = String::with_capacity(query.len());
    for pair in query.split(['&', ';']).filter(|pair| !names_a_key(pair)) {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(pair);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "/v1/chat/completions",
            "/v1beta/models/gemini-2.5-pro:generateContent",
            "/v1/models/ft%3Agpt-4o",
            "/v1/files/a..b/content",
            "/v1/models/@cf",
            "/v1/models/",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        use PathError::*;
        let long = format!("/{}", "a".repeat(MAX_PATH));
        for (path, error) in [
            ("", NotAbsolute),
            ("@evil.example/v1", NotAbsolute),
            (".evil.example/v1", NotAbsolute),
            ("http://evil.example/", NotAbsolute),
            (&long, TooLong),
            ("/v1/models?x", ForbiddenByte),
            ("/v1/models#x", ForbiddenByte),
            ("/v1/ models", ForbiddenByte),
            ("/v1/\u{ff0e}\u{ff0e}/x", ForbiddenByte),
            ("/v1\r\nhost: x", ForbiddenByte),
            ("/v1\\..\\x", Backslash),
            ("/v1/%5c..", Backslash),
            ("//evil.example/v1", EmptySegment),
            ("/v1//models", EmptySegment),
            ("/v1/../organization", DotSegment),
            ("/v1/./models", DotSegment),
            ("/v1/..", DotSegment),
            ("/v1/%2e%2E/organization", DotSegment),
            ("/v1/.%2e/organization", DotSegment),
            ("/v1/..;/organization", DotSegment),
            ("/v1/..%3b/organization", DotSegment),
            ("/v1%2forganization", EncodedSlash),
            ("/v1/%252e%252e/x", EncodedPercent),
            ("/v1/x%00", EncodedControl),
            ("/v1/x%0d%0a", EncodedControl),
            ("/v1/x%7F", EncodedControl),
            ("/v1/x%", BadEscape),
            ("/v1/x%4", BadEscape),
            ("/v1/x%zz", BadEscape),
            // Overlong encoding of '.', as lenient decoders read it.
            ("/v1/%c0%ae%c0%ae/x", BadEscape),
        ] {
            assert_eq!(check(path), Err(error), "{path:?}");
        }
    }

    #[test]
    fn keys_in_queries_are_found_and_cut() {
        for query in [
            "key=AIza",
            "alt=sse&key=x",
            "KEY=x",
            "k%65y=x",
            "a=1;api_key=x",
            "key",
        ] {
            assert!(query_has_key(query), "{query}");
        }
        for query in ["", "alt=sse", "keys=1", "monkey=1", "a=key", "pageToken=x"] {
            assert!(!query_has_key(query), "{query}");
            assert_eq!(query_without_keys(query), query);
        }
        assert_eq!(query_without_keys("alt=sse&key=x&b=%20"), "alt=sse&b=%20");
        assert_eq!(query_without_keys("key=x"), "");
    }
}
