//! `POST /v1/leases`, and `GET` and `DELETE /v1/leases/{id}`. No answer holds a key.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use keyferry_protocol::routing::is_model_name;
use keyferry_protocol::{ErrorCode, Payer, Provider};
use serde::Deserialize;
use serde_json::json;

use super::{check_query, meta, small_json};
use crate::callers;
use crate::edge::{Context, Ctx};
use crate::error::ApiError;
use crate::keys::{self, SealedFor};
use crate::leases::{self, Lease, Terms, name_at_provider};
use crate::limits::Usd;
use crate::state::{Live, Relay};
use crate::store::MAX_LEASE_TTL;
use crate::wishes::Wishes;

/// 32 models with long names, and room.
const MAX_REQUEST: u64 = 16 * 1024;

/// More than an app picks by hand; a lease for more is one for any.
const MAX_MODELS: usize = 32;

/// What is said of another request.
const EXPECTED: &str = "expected {\"provider\": string, \"ttlSeconds\"?: 1 to 300, \"maxUsd\"?: more than 0, \"models\"?: 1 to 32 names}";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ask {
    provider: String,
    ttl_seconds: Option<u64>,
    max_usd: Option<Usd>,
    models: Option<Vec<String>>,
}

/// Leases the key in `X-BYOK-Key`.
pub(super) async fn create(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let live = &context.live;
    let (parts, body) = request.into_parts();
    check_query(&parts.uri)?;
    let wishes = Wishes::read(&parts.headers)?;
    let identity = callers::identify(&relay, &context, &parts.headers).await?;
    if context.lease.get().is_some() {
        // It could be prolonged without end otherwise.
        return Err(leases::scope("a lease cannot be made from a lease"));
    }
    let ask: Ask = small_json::read(&context, &parts.headers, body, MAX_REQUEST, EXPECTED).await?;
    let provider = live.providers.get(&ask.provider)?;
    wishes.agree_with_body(provider)?;
    let ttl = ttl(&ask)?;
    let max_micros = ask.max_usd.map(Usd::micros);
    if max_micros == Some(0) {
        return Err(ApiError::new(ErrorCode::BadField, EXPECTED));
    }
    let models = models(live, provider, ask.models)?;
    let sealed_for = SealedFor::new(&parts, &wishes.provider, wishes.fallback);
    let key = keys::user_key(&relay, &context, &sealed_for)
        .await?
        .ok_or_else(|| keys::missing(provider))?;

    let address = callers::address_of(&context, &parts.headers);
    let who = callers::who(&identity, Some(key.secret()), address);
    relay.limits().admit_lease(&live.policy, &who).await?;
    let caller = relay.limits().caller(&who, Payer::User);
    let store = relay.store();
    let terms = Terms {
        max_micros,
        models,
        ..Terms::new(&who, &caller, provider, leases::expiry(store, ttl))
    };
    let handle = leases::create(store, &live.leases, &terms, key.secret(), ttl).await?;
    let answer = json!({
        "id": handle.id().to_string(),
        "handle": handle.text().as_str(),
        "provider": provider.id,
        "expiresAt": terms.expires_at,
    });
    Ok(meta::document(StatusCode::CREATED, &answer))
}

/// What the lease of `X-BYOK-Lease` is good for.
pub(super) async fn show(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let lease = proven(&relay, &context, &parts).await?;
    let terms = &lease.terms;
    let mut answer = json!({
        "id": lease.id.to_string(),
        "provider": terms.provider,
        "expiresAt": terms.expires_at,
    });
    if let Some(fields) = answer.as_object_mut() {
        if let Some(micros) = terms.max_micros {
            fields.insert("maxUsd".to_owned(), json!(dollars(micros)));
        }
        if let Some(models) = &terms.models {
            fields.insert("models".to_owned(), json!(models));
        }
    }
    Ok(meta::document(StatusCode::OK, &answer))
}

/// Ends the lease of `X-BYOK-Lease`.
pub(super) async fn clear(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    proven(&relay, &context, &parts).await?;
    let handle = context.credentials.lease().ok_or_else(leases::not_found)?;
    leases::clear(relay.store(), handle).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The lease of `X-BYOK-Lease`, when it is the one the path names.
async fn proven<'c>(
    relay: &Relay,
    context: &'c Context,
    parts: &Parts,
) -> Result<&'c Lease, ApiError> {
    check_query(&parts.uri)?;
    callers::identify(relay, context, &parts.headers).await?;
    let named = parts.uri.path().rsplit('/').next();
    context
        .lease
        .get()
        .filter(|lease| named == Some(lease.id.to_string().as_str()))
        .ok_or_else(leases::not_found)
}

fn ttl(ask: &Ask) -> Result<Duration, ApiError> {
    let seconds = ask.ttl_seconds.unwrap_or(MAX_LEASE_TTL.as_secs());
    if (1..=MAX_LEASE_TTL.as_secs()).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(ApiError::new(ErrorCode::BadField, EXPECTED))
    }
}

/// The models by their names at the provider.
fn models(
    live: &Live,
    provider: &Provider,
    asked: Option<Vec<String>>,
) -> Result<Option<Vec<String>>, ApiError> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    let plausible =
        (1..=MAX_MODELS).contains(&asked.len()) && asked.iter().all(|model| is_model_name(model));
    if !plausible {
        return Err(ApiError::new(ErrorCode::BadField, EXPECTED));
    }
    let catalogue = live.providers.catalogue();
    asked
        .iter()
        .map(|model| name_at_provider(catalogue, provider, model))
        .collect::<Option<Vec<String>>>()
        .map(Some)
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::ProviderMismatch,
                "a model's prefix names another provider than the lease is for",
            )
            .provider(&provider.id)
        })
}

/// As the number that was asked for: a double holds every amount of micro-dollars up to nine
/// billion dollars.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}
