//! What the edge hands to a handler, and what a handler hands back to it.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, Request};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use keyferry_protocol::catalogue::Text;
use keyferry_protocol::{ErrorCode, FallbackReason, Payer, Usage, header as names};
use tokio::sync::OnceCell;

use super::{Credentials, Site};
use crate::error::ApiError;
use crate::leases::Lease;
use crate::observe::Record;
use crate::request_id::RequestId;
use crate::server::Liveness;
use crate::state::Live;

const PAID_BY: HeaderName = HeaderName::from_static(names::PAID_BY);
const FALLBACK_REASON: HeaderName = HeaderName::from_static(names::FALLBACK_REASON);
const PROVIDER: HeaderName = HeaderName::from_static(names::PROVIDER);

/// The connection's other end, put into a request by the server that accepted it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether it is still there.
    pub liveness: Liveness,
}

/// What is known of a request before its route runs.
#[derive(Debug)]
pub struct Context {
    /// Joins the answer with the logs.
    pub request_id: RequestId,
    /// Taken from the headers; wiped when the request ends.
    pub credentials: Credentials,
    /// What `X-BYOK-Lease` stands for, once it was opened; wiped when the request ends.
    pub(crate) lease: OnceCell<Lease>,
    /// Which of the relay's origins was asked.
    pub site: Site,
    /// The connection's other end; absent when a test drives the router without a connection.
    pub peer: Option<Peer>,
    /// The settings this request runs under, whatever is reloaded meanwhile.
    pub live: Arc<Live>,
    outcome: OnceLock<Outcome>,
}

impl Context {
    pub(super) fn new(
        record: &Record,
        credentials: Credentials,
        site: Site,
        request: &Request,
        live: Arc<Live>,
    ) -> Self {
        Self {
            request_id: record.request_id().clone(),
            credentials,
            lease: OnceCell::new(),
            site,
            peer: request.extensions().get::<Peer>().cloned(),
            live,
            outcome: OnceLock::new(),
        }
    }

    /// Leaves the outcome of a call to the edge. There is one, or none.
    pub(crate) fn conclude(&self, outcome: Outcome) {
        let _ = self.outcome.set(outcome);
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }
}

/// Extracts the [`Context`].
#[derive(Clone, Debug)]
pub struct Ctx(pub Arc<Context>);

impl<S: Sync> FromRequestParts<S> for Ctx {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.extensions)
    }
}

impl Ctx {
    /// What the edge layer left with a request.
    pub(crate) fn of(extensions: &Extensions) -> Result<Self, ApiError> {
        extensions
            .get::<Arc<Context>>()
            .map(|context| Self(Arc::clone(context)))
            .ok_or_else(|| ApiError::new(ErrorCode::Internal, "the edge layer is missing"))
    }
}

/// What a handler learnt that belongs into headers, logs and metrics. It leaves it with
/// `Context::conclude`.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Id of the provider that was asked.
    pub provider: Option<Text>,
    /// Who paid.
    pub payer: Option<Payer>,
    /// Why the server's key paid.
    pub fallback: Option<FallbackReason>,
    /// From sending the request to the provider's response head.
    pub provider_time: Option<Duration>,
    /// What will be known when the provider's answer has ended, if one is on its way.
    pub ending: Option<Arc<Ending>>,
}

/// How a provider's answer ended: set while its body passes.
#[derive(Debug, Default)]
pub struct Ending {
    /// The provider ended it early, and the client was told by other means than a broken body.
    pub interrupted: AtomicBool,
    /// What the call used.
    pub used: OnceLock<Usage>,
}

impl Outcome {
    pub(super) fn write_headers(&self, headers: &mut HeaderMap) {
        let mut put = |name: HeaderName, value: Option<&'static str>| {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
        };
        put(PAID_BY, self.payer.map(Payer::as_str));
        put(FALLBACK_REASON, self.fallback.map(FallbackReason::as_str));
        let provider = match &self.provider {
            Some(Text::Borrowed(id)) => Some(HeaderValue::from_static(id)),
            Some(Text::Owned(id)) => HeaderValue::from_str(id).ok(),
            None => None,
        };
        if let Some(provider) = provider {
            headers.insert(PROVIDER, provider);
        }
    }
}
