//! Keys where none belong: in a body, which goes on to the provider and into its logs.

use keyferry_protocol::ErrorCode;

use crate::error::ApiError;
use crate::secret::Secret;

/// Top-level fields in which SDKs and hand-written clients put keys.
pub(super) const KEY_FIELDS: [&str; 5] = [
    "api_key",
    "apiKey",
    "x-byok-key",
    "byok_key",
    "authorization",
];

/// Shorter keys would be found by chance.
const SHORTEST: usize = 16;

/// True when the request's own key stands in its body.
pub(super) fn holds_key(body: &[u8], key: &Secret) -> bool {
    // Exposed to look for it.
    let key = key.expose();
    key.len() >= SHORTEST && holds(body, key)
}

/// Bodies up to this many bytes are searched without preparation.
const SMALL: usize = 4 * 1024;

/// As [`memchr::memmem`] finds it, without its preparation for what is short: that costs more than
/// looking for one byte and comparing where it stands, as often as that may be in a small body.
fn holds(body: &[u8], key: &[u8]) -> bool {
    if body.len() > SMALL {
        return memchr::memmem::find(body, key).is_some();
    }
    // The last byte: keys begin alike, and with letters that texts are full of.
    let Some((last, rest)) = key.split_last() else {
        return true;
    };
    memchr::memchr_iter(*last, body).any(|at| {
        let before = body.get(..at).unwrap_or_default();
        before.ends_with(rest)
    })
}

/// The refusal of a body with a key in it.
pub(super) fn key_in_body() -> ApiError {
    ApiError::new(
        ErrorCode::KeyInBody,
        "the body holds a key; bodies are passed on to the provider, so send it in X-BYOK-Key",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        let key = Secret::new(b"sk-0123456789abcdef".to_vec());
        for padding in ["", "x", "f", "sk-0123456789abcde", &"f ".repeat(SMALL)] {
            for (before, after) in [(padding, ""), ("", padding), (padding, padding)] {
                let body = [before, "sk-0123456789abcdef", after].concat();
                assert!(holds_key(body.as_bytes(), &key));
            }
            let body = [padding, "sk-0123456789abcdeF", padding].concat();
            assert!(!holds_key(body.as_bytes(), &key));
        }
        let short = Secret::new(b"sk-0123".to_vec());
        assert!(!holds_key(b"sk-0123", &short));
    }
}
