//! The body of a native request: streamed through, unless something in it has to be known first.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::header;

use crate::body::{WholeBody, is_json};
use crate::error::ApiError;
use crate::proxy::{Arrival, Inbound};
use crate::tiers::{Gate, Named, RequestFacts, model_in_path, named};

/// JSON bodies up to this many bytes are read before they are sent on, to count the call under its
/// model and to ask for its usage: a provider answers nothing before it has them whole anyway.
/// Larger ones stream through unread when nothing guards the call.
const SMALL_BODY: u64 = 256 * 1024;

/// What must be known of a request before it is made.
pub(super) struct Guard<'a> {
    /// The models of the caller's plan.
    pub(super) gate: Option<Gate<'a>>,
    /// Its cost.
    pub(super) cost: bool,
    /// Longest body that is read for it.
    pub(super) buffered_limit: u64,
    /// Longest body that streams through.
    pub(super) max_body: u64,
    /// Longest silence of the client.
    pub(super) idle: Duration,
}

/// A body ready to be sent.
pub(super) struct NativeBody {
    /// The whole of it, when it was read.
    pub(super) whole: Option<WholeBody>,
    stream: Option<Inbound>,
    /// How much of it is here, and why sending it failed if that is the client's fault.
    pub(super) arrival: Arrival,
    /// The models it may run; empty when it runs none; `None` when that is not known.
    pub(super) models: Option<Vec<String>>,
    /// It is JSON.
    pub(super) is_json: bool,
}

impl NativeBody {
    /// Reads as much as `guard` needs.
    ///
    /// # Errors
    /// `model_not_in_plan`; the body's own faults.
    pub(super) async fn read(
        guard: Guard<'_>,
        request: &RequestFacts<'_>,
        body: Body,
    ) -> Result<Self, ApiError> {
        let is_json = request
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(is_json);
        let announced = http_body::Body::size_hint(&body).exact();
        let needed = guard.gate.is_some() || guard.cost;
        let small_limit = SMALL_BODY.min(guard.buffered_limit);
        let small = is_json && announced.is_some_and(|length| length <= small_limit);
        let reads = request.needs_body() && (needed || small);
        if !reads {
            let (inbound, arrival) = Inbound::new(body, guard.max_body, guard.idle)?;
            let models = if request.needs_body() {
                model_in_path(request.path).map(|model| vec![model])
            } else {
                Some(Vec::new())
            };
            return Ok(Self {
                whole: None,
                stream: Some(inbound),
                arrival,
                models,
                is_json,
            });
        }
        let whole = WholeBody::receive(body, guard.buffered_limit, guard.idle).await?;
        let found = match named(request, &whole) {
            Ok(found) => found,
            Err(error) if needed => return Err(error),
            // Nothing hangs on it; the provider will say what is wrong.
            Err(_) => Named::Unknown,
        };
        if let Some(gate) = guard.gate {
            gate.admit(&found)?;
        }
        let models = match found {
            Named::Nothing => Some(Vec::new()),
            Named::Models(models) => Some(models),
            Named::Unknown => None,
        };
        Ok(Self {
            whole: Some(whole),
            stream: None,
            arrival: Arrival::whole(),
            models,
            is_json,
        })
    }

    /// What is sent: `changed` in place of what was read, or what arrives.
    pub(super) fn into_body(self, changed: Option<Bytes>) -> Body {
        let whole = self.whole.map(|whole| whole.bytes().clone());
        match (changed.or(whole), self.stream) {
            (Some(whole), _) => Body::from(whole),
            (None, Some(stream)) => Body::new(stream),
            (None, None) => Body::empty(),
        }
    }
}
