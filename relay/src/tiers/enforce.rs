//! The plan held against a native request, whose body otherwise streams through unread.

use axum::body::Body;
use http_body_util::BodyExt as _;
use keyferry_protocol::ErrorCode;

use super::{Gate, RequestFacts, named};
use crate::error::ApiError;
use crate::proxy::{Fault, Inbound};

impl Gate<'_> {
    /// Reads as much of the request as it takes to know its models, and admits it or not. Returns
    /// the body to send on, byte for byte what arrived.
    ///
    /// # Errors
    /// `model_not_in_plan`; the body's own faults.
    pub(crate) async fn admit_native(
        &self,
        request: &RequestFacts<'_>,
        body: Inbound,
        fault: &Fault,
    ) -> Result<Body, ApiError> {
        if !request.needs_body() {
            return Ok(Body::new(body));
        }
        let whole = body.collect().await.map_err(|_| {
            fault.error().unwrap_or_else(|| {
                ApiError::new(ErrorCode::BadRequest, "the request body broke off")
            })
        })?;
        let whole = whole.to_bytes();
        self.admit(&named(request, &whole)?)?;
        Ok(Body::from(whole))
    }
}
