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
    key.len() >= SHORTEST && memchr::memmem::find(body, key).is_some()
}

/// The refusal of a body with a key in it.
pub(super) fn key_in_body() -> ApiError {
    ApiError::new(
        ErrorCode::KeyInBody,
        "the body holds a key; bodies are passed on to the provider, so send it in X-BYOK-Key",
    )
}
