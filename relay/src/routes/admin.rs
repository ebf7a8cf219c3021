//! What operators' tools ask, on a listener of its own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use keyferry_protocol::ErrorCode;

use crate::error::ApiError;
use crate::metrics;
use crate::state::Relay;

/// `GET /metrics`
pub(super) async fn metrics(State(relay): State<Arc<Relay>>) -> Response {
    match relay.metrics().render() {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                HeaderValue::from_static(metrics::CONTENT_TYPE),
            )],
            text,
        )
            .into_response(),
        Err(_) => {
            ApiError::new(ErrorCode::Internal, "the metrics cannot be written").into_response()
        }
    }
}

/// Refuses what a browser sends: this listener answers to any `Host`, so a page that rebinds its
/// name to it must not be able to read it.
pub(super) async fn no_browsers(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN) {
        return ApiError::new(ErrorCode::OriginDenied, "this listener is not for browsers")
            .into_response();
    }
    next.run(request).await
}
