//! The OpenAI-shaped routes: the provider is found from `model`, and asked at its own
//! OpenAI-compatible endpoint.
//!
//! ```text
//! headers ─► body ─► model ─► provider ─► plan of who pays ─► attempts ─► answer
//! ```

mod attempt;
mod request;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use keyferry_protocol::catalogue::Unified;
use keyferry_protocol::routing::{OPENROUTER, Target};
use keyferry_protocol::shape::{Fit, suggest};
use keyferry_protocol::{ErrorCode, Fallback, Provider};

use crate::callers;
use crate::edge::Ctx;
use crate::error::ApiError;
use crate::keys::{self, SealedFor, UserKey};
use crate::payer::{self, Facts};
use crate::secret::Secret;
use crate::state::{Live, Relay};
use crate::tiers::{RequestFacts, named};
use crate::wishes::Wishes;

use attempt::Exchange;
use request::Payload;
pub(in crate::routes) use request::{json_model, target};

/// Handles the five `POST` routes.
pub(super) async fn handle(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let live = &context.live;
    let (parts, body) = request.into_parts();
    let route = Unified::from_path(parts.uri.path())
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is nothing under this path"))?;
    let query = parts.uri.query();
    super::check_query(&parts.uri)?;
    let wishes = Wishes::read(&parts.headers)?;
    let identity = callers::identify(&relay, &context, &parts.headers).await?;
    let sealed_for = SealedFor::new(&parts, &wishes.provider, wishes.fallback);
    let key = keys::user_key_for_call(&context, &sealed_for)?;
    let key = key.as_ref();
    let lease = key.and_then(UserKey::lease);
    let secret = key.map(UserKey::secret);
    let payload = Payload::read(live, route, &parts.headers, body, secret).await?;

    let target = find_target(live, payload.model(), &wishes, key)?;
    if !target.provider.serves(route) {
        return Err(lacks(target.provider, route));
    }
    let gate = live.tiers.gate(identity.plan());
    if gate.is_some() || lease.is_some_and(|lease| lease.terms.is_guarded()) {
        let path = target.provider.unified_path(route);
        let facts = RequestFacts {
            provider: target.provider,
            method: &parts.method,
            path: &path,
            headers: &parts.headers,
        };
        let named = named(&facts, payload.whole())?;
        if let Some(gate) = gate {
            gate.admit(&named)?;
        }
        if let Some(lease) = lease {
            // The body may name more models than the one it is routed by.
            lease
                .terms
                .admit_models(live.providers.catalogue(), target.provider, &named)?;
        }
    }
    let resold = resale(live, route, &payload, &target);
    let provider_key = live.can_pay(target.provider, &target.model);
    let openrouter_key = resold
        .as_ref()
        .is_some_and(|resold| live.can_pay(resold.provider, &resold.model));
    let stores_by_default = route == Unified::Responses;
    // The body is read another time for this: not where no key of the server's could pay.
    let stateless = (provider_key || openrouter_key)
        && (!payload.is_json() || payer::is_stateless(payload.bytes(), stores_by_default));
    let plan = payer::plan(&Facts {
        user_key: key.is_some(),
        // A handle may be in many hands: it spends its maker's money, never the operator's.
        choice: if lease.is_some() {
            Some(Fallback::Never)
        } else {
            wishes.fallback
        },
        may_spend: identity.is_authenticated() || live.config.payer.allow_unauthenticated,
        unified: true,
        stateless,
        provider_key,
        openrouter_key,
    });
    let exchange = Exchange {
        relay: &relay,
        context: &context,
        identity: &identity,
        route,
        method: parts.method,
        headers: &parts.headers,
        query,
        payload: &payload,
        direct: target,
        resold,
        user_key: key,
    };
    exchange.run(plan).await
}

/// The provider that serves the model, and the model's name there.
pub(in crate::routes) fn find_target<'l>(
    live: &'l Live,
    model: &'l str,
    wishes: &'l Wishes,
    key: Option<&UserKey<'_>>,
) -> Result<Target<'l, 'l>, ApiError> {
    let catalogue = live.providers.catalogue();
    let refuse = |error: keyferry_protocol::routing::RouteError| {
        let detail = match error.code() {
            ErrorCode::UnknownProvider => "the catalogue has no such provider",
            _ => "X-BYOK-Provider and the model's prefix name different providers",
        };
        ApiError::new(error.code(), detail)
    };
    if let Some(wanted) = wishes.provider() {
        return catalogue.route(model, Some(wanted)).map_err(refuse);
    }
    let target = catalogue.route(model, None).map_err(refuse)?;
    if let Some(lease) = key.and_then(UserKey::lease) {
        if *lease.terms.provider == *OPENROUTER {
            let openrouter = live.providers.get(OPENROUTER)?;
            return catalogue.route_to(openrouter, model).map_err(refuse);
        }
        lease.terms.admit_provider(target.provider)?;
        return Ok(target);
    }
    match key.and_then(|key| owner(live, key.secret())) {
        // One OpenRouter key serves every model.
        Some(owner) if *owner.id == *OPENROUTER => {
            catalogue.route_to(owner, model).map_err(refuse)
        }
        // A key must not be shown to a company that did not issue it.
        Some(owner) if owner.id != target.provider.id => Err(ApiError::new(
            ErrorCode::ProviderMismatch,
            format!(
                "the model is served by {}, but the key looks like one of {}; say X-BYOK-Provider if it is not",
                target.provider.name, owner.name
            ),
        )
        .provider(&target.provider.id)),
        _ => Ok(target),
    }
}

/// The provider whose key this is beyond doubt, by its form.
fn owner<'l>(live: &'l Live, key: &Secret) -> Option<&'l Provider> {
    // Exposed to compare its beginning with the catalogue's.
    match suggest(live.providers.catalogue(), key.expose_str()?).as_slice() {
        [(provider, Fit::Exact)] => Some(provider),
        _ => None,
    }
}

/// The same model by way of OpenRouter, where that is another way and serves the route.
fn resale<'l>(
    live: &'l Live,
    route: Unified,
    payload: &'l Payload,
    direct: &Target<'_, '_>,
) -> Option<Target<'l, 'l>> {
    let catalogue = live.providers.catalogue();
    let openrouter = catalogue.get(OPENROUTER)?;
    if direct.provider.id == openrouter.id || !openrouter.serves(route) {
        return None;
    }
    catalogue.route_to(openrouter, payload.model()).ok()
}

pub(super) fn lacks(provider: &Provider, route: Unified) -> ApiError {
    let has: Vec<String> = provider
        .unified
        .iter()
        .map(|route| format!("/v1{}", route.path()))
        .collect();
    ApiError::new(
        ErrorCode::EndpointUnsupported,
        format!(
            "{} has no {} that is OpenAI-compatible; it has {}",
            provider.name,
            route.path().trim_start_matches('/'),
            has.join(", ")
        ),
    )
    .provider(&provider.id)
}
