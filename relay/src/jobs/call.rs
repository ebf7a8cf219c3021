//! One provider call of a job: a request to the relay's own unified routes, within the process. So
//! everything that holds for a client's call holds for a job's: who pays, limits, prices, tiers,
//! counting, what is searched for the key, what is logged.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use keyferry_protocol::{ErrorCode, header as names};
use tower::ServiceExt as _;

use super::retry;
use crate::secret::Secret;
use crate::server::Application;
use crate::state::Live;

/// Largest answer that is kept: an hour's transcript with words and their times stays below.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A call to be made.
pub(super) struct Call<'a> {
    /// Unified route.
    pub(super) path: &'static str,
    pub(super) provider: &'a str,
    pub(super) lease: &'a Secret,
    pub(super) content_type: &'a str,
    pub(super) body: Body,
}

/// What came of it.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Of an error the relay made.
    pub(super) code: Option<ErrorCode>,
    pub(super) paid_by: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

/// The call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It cannot be written as a request.
    Unbuildable,
    /// The answer broke off.
    BrokenOff,
    /// The answer is larger than what is kept.
    TooLarge,
}

/// Makes the call. Dropping the future ends it at the provider, too.
pub(super) async fn make(
    app: impl Application,
    live: &Live,
    call: Call<'_>,
) -> Result<Answer, Failed> {
    let host = live.hosts.origins().next().ok_or(Failed::Unbuildable)?;
    // Exposed to be sent to the relay's own edge, which takes it out again.
    let lease = call.lease.header_value("").ok_or(Failed::Unbuildable)?;
    let request = Request::post(call.path)
        .header(header::HOST, host.authority())
        .header(header::CONTENT_TYPE, call.content_type)
        .header(names::LEASE, lease)
        .header(names::PROVIDER, call.provider)
        .body(call.body)
        .map_err(|_| Failed::Unbuildable)?;
    let response = match app.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (head, body) = response.into_parts();
    let text = |name: &str| {
        let value = head.headers.get(name).map(HeaderValue::to_str)?;
        value.ok().map(str::to_owned)
    };
    let body = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                Failed::TooLarge
            } else {
                Failed::BrokenOff
            }
        })?
        .to_bytes();
    Ok(Answer {
        status: head.status.as_u16(),
        code: text(names::ERROR).and_then(|code| ErrorCode::parse(&code)),
        paid_by: text(names::PAID_BY),
        provider: text(names::PROVIDER),
        retry_after: retry::retry_after(head.headers.get(header::RETRY_AFTER)),
        content_type: text(header::CONTENT_TYPE.as_str()).unwrap_or_default(),
        body,
    })
}
