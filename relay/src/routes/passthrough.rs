//! `/providers/{id}/{*path}`: a provider's own API, its own full path, with the key swapped in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::uri::PathAndQuery;
use keyferry_protocol::{ErrorCode, Payer, Provider, header as names, path};

use crate::edge::{Ctx, Outcome};
use crate::error::ApiError;
use crate::keys;
use crate::proxy::{self, Call, Inbound};
use crate::state::Relay;
use crate::tiers::RequestFacts;

/// Handles any method.
pub(super) async fn handle(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let live = &context.live;
    let (parts, body) = request.into_parts();
    let (id, rest) = split(parts.uri.path())?;
    let provider = live.providers.get(id)?;
    path::check(rest).map_err(|error| ApiError::new(ErrorCode::BadPath, error.message()))?;
    provider
        .admit(parts.method.as_str(), rest)
        .map_err(|code| refused(code, provider))?;
    let query = parts.uri.query();
    if query.is_some_and(path::query_has_key) {
        return Err(ApiError::new(
            ErrorCode::KeyInQuery,
            "the query holds a key; queries end up in logs, so send it in X-BYOK-Key",
        ));
    }
    check_provider_header(&parts.headers, provider)?;
    let identity = live.auth.identify(&context.credentials).await?;

    // Never the server's key: what a native endpoint costs cannot be told beforehand.
    let key = keys::user_key(&context, provider)?.ok_or_else(|| keys::missing(provider))?;
    let target = match query {
        Some(query) => PathAndQuery::try_from(format!("{rest}?{query}")),
        None => PathAndQuery::try_from(rest),
    }
    .map_err(|_| ApiError::new(ErrorCode::BadPath, "path or query cannot be sent on"))?;
    let gate = live.tiers.gate(identity.plan());
    let server = &live.config.server;
    let limit = if gate.is_some() { server.max_buffered_body_bytes } else { server.max_body_bytes };
    let (body, fault) = Inbound::new(body, limit, live.config.timeouts.body_idle)?;
    let body = match gate {
        None => Body::new(body),
        Some(gate) => {
            let (method, headers) = (&parts.method, &parts.headers);
            let request = RequestFacts { provider, method, path: rest, headers };
            gate.admit_native(&request, body, &fault).await?
        }
    };
    let call = Call {
        provider,
        method: parts.method,
        target,
        headers: &parts.headers,
    };
    let answer = proxy::send(&relay, live, &call, key, body, context.peer.as_ref())
        .await
        .map_err(|error| fault.error().unwrap_or_else(|| error.into_api(provider)))?;
    let outcome = Outcome {
        payer: Some(Payer::User),
        ..Outcome::default()
    };
    Ok(proxy::relay_answer(live, provider, key, answer, outcome))
}

/// `/providers/openai/v1/models` → `openai`, `/v1/models`, both raw.
fn split(path: &str) -> Result<(&str, &str), ApiError> {
    let rest = path.strip_prefix("/providers/").unwrap_or_default();
    let slash = rest.find('/').ok_or_else(|| {
        ApiError::new(
            ErrorCode::NotFound,
            "a provider's path is missing after its id",
        )
    })?;
    Ok(rest.split_at(slash))
}

fn refused(code: ErrorCode, provider: &Provider) -> ApiError {
    let detail = match code {
        ErrorCode::EndpointDenied => {
            "this endpoint makes credentials or administers accounts, which is never relayed"
        }
        _ => "this method and path are not on the provider's list of relayed endpoints",
    };
    ApiError::new(code, detail).provider(&provider.id)
}

fn check_provider_header(headers: &http::HeaderMap, provider: &Provider) -> Result<(), ApiError> {
    if headers
        .get_all(names::PROVIDER)
        .iter()
        .all(|value| value == &*provider.id)
    {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::ProviderMismatch,
        "X-BYOK-Provider names another provider than the path",
    )
    .provider(&provider.id))
}
