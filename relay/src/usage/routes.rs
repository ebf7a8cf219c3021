//! `GET /v1/usage` and `GET /v1/limits`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use keyferry_protocol::{ErrorCode, Fallback, Payer, header as names};
use serde::Serialize;

use super::report::{days_of, limits_report, usage_report};
use crate::auth::Identity;
use crate::callers::{self, address_of, identify};
use crate::edge::{Context, Ctx};
use crate::error::ApiError;
use crate::keys::{SealedFor, UserKey, user_key};
use crate::leases::scope;
use crate::limits::Who;
use crate::state::Relay;
use crate::store::clock::day_of;
use crate::store::{CallerState, Store as _};

/// What the caller has used: its own calls, whoever paid.
pub(crate) async fn usage(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let days = days_of(parts.uri.query())
        .map_err(|message| ApiError::new(ErrorCode::BadField, message))?;
    let asking = Asking::new(&relay, &context, &parts).await?;
    if asking.subject().is_none() && asking.key.is_none() {
        // An address is shared by many: what it used is nobody's to see.
        return Err(ApiError::new(
            ErrorCode::MissingKey,
            "use is shown to whoever presents the key it was made with; send it in X-BYOK-Key",
        ));
    }
    let limits = relay.limits();
    let caller = limits.caller(&asking.who(), Payer::User);
    let today = day_of(limits.store().now());
    let uses = limits.store().usage(caller.id(), today, days).await?;
    Ok(document(&usage_report(uses, today, days)))
}

/// What is left to the caller.
pub(crate) async fn limits(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let asking = Asking::new(&relay, &context, &parts).await?;
    let who = asking.who();
    let limits = relay.limits();
    // One caller when a subject is proven, else the key for one payer and the address for the other.
    let mut callers = vec![
        limits.caller(&who, Payer::User).id(),
        limits.caller(&who, Payer::Server).id(),
    ];
    callers.dedup();
    let mut states: Vec<CallerState> = Vec::with_capacity(callers.len());
    for caller in callers {
        states.push(limits.state(caller).await?);
    }
    let report = limits_report(
        &context.live.policy,
        who.plan,
        &states,
        limits.is_degraded(),
    );
    Ok(document(&report))
}

/// Who asks, as these two routes see it.
struct Asking<'a> {
    identity: Identity,
    key: Option<UserKey<'a>>,
    address: IpAddr,
}

impl<'a> Asking<'a> {
    async fn new(relay: &Relay, context: &'a Context, parts: &Parts) -> Result<Self, ApiError> {
        let identity = identify(relay, context, &parts.headers).await?;
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let fallback = header(names::FALLBACK).and_then(Fallback::parse);
        let sealed_for =
            SealedFor::new(parts, header(names::PROVIDER).unwrap_or_default(), fallback);
        let key = user_key(relay, context, &sealed_for).await?;
        if key.as_ref().is_some_and(|key| key.lease().is_some()) {
            return Err(scope(
                "a lease is for calls to its provider; use is shown to its maker",
            ));
        }
        Ok(Self {
            identity,
            key,
            address: address_of(context, &parts.headers),
        })
    }

    fn subject(&self) -> Option<&str> {
        self.identity.caller_id()
    }

    fn who(&self) -> Who<'_> {
        let key = self.key.as_ref().map(UserKey::secret);
        callers::who(&self.identity, key, self.address)
    }
}

fn document(body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, text).into_response()
}
