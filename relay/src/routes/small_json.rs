//! The bodies the relay reads for itself: one small JSON object without a key in it.

use axum::body::Body;
use http::{HeaderMap, header};
use keyferry_protocol::ErrorCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::body::{WholeBody, is_json};
use crate::edge::Context;
use crate::error::ApiError;

/// Reads a body of at most `limit` bytes. `expected` says what it should have been; nothing of
/// what it was is repeated.
///
/// # Errors
/// `unsupported_media_type`, `bad_json`, `key_in_body`, `bad_field`; the body's own faults.
pub(super) async fn read<T: DeserializeOwned>(
    context: &Context,
    headers: &HeaderMap,
    body: Body,
    limit: u64,
    expected: &'static str,
) -> Result<T, ApiError> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(is_json) {
        return Err(ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "this route takes application/json",
        ));
    }
    let idle = context.live.config.timeouts.body_idle;
    let whole = WholeBody::receive(body, limit, idle).await?;
    let value: Value = serde_json::from_slice(whole.bytes())
        .map_err(|_| ApiError::new(ErrorCode::BadJson, "the body is not valid JSON"))?;
    if value.get("key").or_else(|| value.get("apiKey")).is_some() {
        return Err(ApiError::new(
            ErrorCode::KeyInBody,
            "the key goes into X-BYOK-Key, never into the body",
        ));
    }
    // The parser's own message could quote the body.
    serde_json::from_value(value).map_err(|_| ApiError::new(ErrorCode::BadField, expected))
}
