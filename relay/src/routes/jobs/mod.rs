//! `POST /v1/jobs`, and `GET` and `DELETE /v1/jobs/{id}`.

mod admission;
mod events;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use keyferry_protocol::{ErrorCode, Payer, json, multipart};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body_key::{holds_key, key_in_body};
use super::{check_query, meta};
use crate::auth::Identity;
use crate::body::{WholeBody, is_json};
use crate::callers;
use crate::edge::{Context, Ctx};
use crate::error::ApiError;
use crate::jobs::{self, JobHandle, Jobs, Order, Pays, Uploaded, View, Work};
use crate::keys::{self, SealedFor, UserKey};
use crate::leases::{self, Terms};
use crate::secret::Secret;
use crate::state::{Live, Relay};
use crate::store::{MAX_LEASE_TTL, StoreError};
use crate::wishes::Wishes;
use admission::Admission;
pub(super) use events::handle as events;

/// What is said of another request.
const EXPECTED: &str =
    "expected {\"kind\": \"chat\", \"request\": {…}}, the request being a chat completion's";

/// Room for the object around a chat request.
const AROUND: u64 = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask<'a> {
    kind: &'a str,
    #[serde(borrow)]
    request: &'a RawValue,
}

/// Takes a job, to be paid with the key or lease it comes with.
pub(super) async fn create(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let live = &context.live;
    let (parts, body) = request.into_parts();
    check_query(&parts.uri)?;
    let jobs = enabled(&relay)?;
    let wishes = Wishes::read(&parts.headers)?;
    let identity = callers::identify(&relay, &context, &parts.headers).await?;
    let sealed_for = SealedFor::new(&parts, &wishes.provider, wishes.fallback);
    let key = keys::user_key(&relay, &context, &sealed_for)
        .await?
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::MissingKey,
                "a job is paid with the user's key; send it in X-BYOK-Key, or a lease in X-BYOK-Lease",
            )
        })?;
    let address = callers::address_of(&context, &parts.headers);
    let who = callers::who(&identity, Some(key.secret()), address);
    if key.lease().is_none() {
        relay.limits().admit_lease(&live.policy, &who).await?;
    }
    let handle = jobs::new_handle()?;
    let work = read(jobs, live, &parts, body, &handle, &identity, &key).await?;
    let admission = Admission {
        live,
        wishes: &wishes,
        key: &key,
        identity: &identity,
    };
    let (provider, models) = admission.admit(&work)?;
    let (pays, caller) = match key.lease() {
        Some(lease) => {
            let pays = Pays::Lease {
                handle: context.credentials.lease().ok_or_else(leases::not_found)?,
                expires_at: lease.terms.expires_at,
            };
            (pays, lease.terms.counted_as(identity.plan()))
        }
        None => {
            let caller = relay.limits().caller(&who, Payer::User);
            let expires_at = leases::expiry(relay.store(), MAX_LEASE_TTL);
            let terms = Terms {
                models,
                ..Terms::new(&who, &caller, provider, expires_at)
            };
            let pays = Pays::Key {
                secret: key.secret(),
                terms,
                ttl: MAX_LEASE_TTL,
            };
            (pays, caller)
        }
    };
    let order = Order {
        handle,
        subject: identity.caller_id(),
        caller: caller.id(),
        provider: &provider.id,
        pays,
        work,
    };
    let receipt = order.place(&relay, live).await?;
    Ok(meta::document(StatusCode::ACCEPTED, &receipt))
}

/// How the job of `X-BYOK-Job` stands.
pub(super) async fn show(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let asked = Asked::read(&relay, &context, &parts, 0).await?;
    let view = asked.view(&relay, &context.live).await?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], view.to_json()).into_response())
}

/// Ends the job of `X-BYOK-Job`, or forgets its result.
pub(super) async fn cancel(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let asked = Asked::read(&relay, &context, &parts, 0).await?;
    relay
        .jobs()
        .cancel(&context.live, &asked.handle, asked.subject())
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Jobs, when they are taken and shared state can be reached.
fn enabled(relay: &Relay) -> Result<&Arc<Jobs>, ApiError> {
    let jobs = relay.jobs();
    if !jobs.is_enabled() {
        return Err(ApiError::new(
            ErrorCode::EndpointUnsupported,
            "this relay takes no jobs",
        ));
    }
    if jobs.is_shared() && relay.limits().is_degraded() {
        return Err(StoreError::not_done("connection").into());
    }
    Ok(jobs)
}

/// A job that is asked about, proven by its handle.
pub(super) struct Asked {
    pub(super) handle: JobHandle,
    identity: Identity,
}

impl Asked {
    /// The job whose id stands `behind` segments before the path's end, and in `X-BYOK-Job`.
    ///
    /// # Errors
    /// `job_not_found`; those of identifying the caller.
    pub(super) async fn read(
        relay: &Relay,
        context: &Context,
        parts: &Parts,
        behind: usize,
    ) -> Result<Self, ApiError> {
        check_query(&parts.uri)?;
        let identity = callers::identify(relay, context, &parts.headers).await?;
        enabled(relay)?;
        let named = parts.uri.path().rsplit('/').nth(behind);
        let handle = context
            .credentials
            .job()
            .and_then(JobHandle::parse)
            .filter(|handle| named == Some(handle.id().to_string().as_str()))
            .ok_or_else(jobs::not_found)?;
        Ok(Self { handle, identity })
    }

    fn subject(&self) -> Option<&str> {
        self.identity.caller_id()
    }

    /// The job as it stands.
    ///
    /// # Errors
    /// `job_not_found`, `store_unavailable`.
    pub(super) async fn view(&self, relay: &Relay, live: &Live) -> Result<View, ApiError> {
        relay.jobs().read(live, &self.handle, self.subject()).await
    }
}

/// Reads the work, of either form.
async fn read(
    jobs: &Arc<Jobs>,
    live: &Live,
    parts: &Parts,
    body: Body,
    handle: &JobHandle,
    identity: &Identity,
    key: &UserKey<'_>,
) -> Result<Work, ApiError> {
    let mut types = parts.headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = types
        .next()
        .and_then(|value| value.to_str().ok())
        .filter(|_| types.next().is_none())
        .unwrap_or_default();
    if is_json(content_type) {
        return chat(live, body, key.secret()).await.map(Work::Chat);
    }
    let boundary = multipart::boundary(content_type).ok_or_else(|| {
        ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "this route takes application/json for a chat, multipart/form-data for a transcription",
        )
    })?;
    if !jobs.takes_audio() {
        return Err(ApiError::new(
            ErrorCode::EndpointUnsupported,
            "this relay has no store for audio that its workers share; the operator sets jobs.audio",
        ));
    }
    let uploaded =
        Uploaded::read(jobs, live, handle, identity.caller_id(), &boundary, body).await?;
    if uploaded
        .texts()
        .any(|text| holds_key(text.as_bytes(), key.secret()))
    {
        return Err(key_in_body());
    }
    Ok(Work::Transcription(uploaded))
}

/// The chat request in a JSON body, as it was written.
async fn chat(live: &Live, body: Body, key: &Secret) -> Result<String, ApiError> {
    let limit = live.config.jobs.max_request_bytes + AROUND;
    let whole = WholeBody::receive(body, limit, live.config.timeouts.body_idle).await?;
    let bytes = whole.bytes();
    if holds_key(bytes, key) {
        return Err(key_in_body());
    }
    // The strict reader first: it tells duplicates and bad JSON apart.
    let [kind, request] = json::top_level(bytes, ["kind", "request"])?;
    let ask = serde_json::from_slice::<Ask<'_>>(bytes)
        .ok()
        .filter(|ask| ask.kind == "chat" && kind.is_some() && request.is_some())
        .ok_or_else(|| ApiError::new(ErrorCode::BadField, EXPECTED))?;
    Ok(ask.request.get().to_owned())
}
