//! `/providers/{id}/{*path}`: a provider's own API, its own full path, with the key swapped in.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::uri::PathAndQuery;
use keyferry_protocol::{ErrorCode, Payer, Provider, path};

use super::body_key::{holds_key, key_in_body};
use super::native_body::{Guard, NativeBody};
use crate::callers;
use crate::edge::{Context, Ctx, Outcome};
use crate::error::ApiError;
use crate::keys::{self, SealedFor};
use crate::proxy::{self, Call, Metered, Upload};
use crate::state::Relay;
use crate::tiers::RequestFacts;
use crate::usage::{self, Costing, Metering};
use crate::wishes::Wishes;

/// Handles any method.
pub(super) async fn answer(relay: Arc<Relay>, request: Request) -> Result<Response, Infallible> {
    let handled = match Ctx::of(request.extensions()) {
        Ok(Ctx(context)) => handle(&relay, &context, request).await,
        Err(error) => Err(error),
    };
    Ok(handled.unwrap_or_else(IntoResponse::into_response))
}

async fn handle(relay: &Relay, context: &Context, request: Request) -> Result<Response, ApiError> {
    let live = &context.live;
    let (parts, body) = request.into_parts();
    let (id, rest) = split(parts.uri.path())?;
    let provider = live.providers.get(id)?;
    path::check(rest).map_err(|error| ApiError::new(ErrorCode::BadPath, error.message()))?;
    provider
        .admit(parts.method.as_str(), rest)
        .map_err(|code| refused(code, provider))?;
    let query = parts.uri.query();
    super::check_query(&parts.uri)?;
    let wishes = Wishes::read(&parts.headers)?;
    if wishes
        .provider()
        .is_some_and(|wanted| wanted != provider.id)
    {
        return Err(mismatch(provider));
    }
    let identity = callers::identify(relay, context, &parts.headers).await?;

    // Never the server's key: what a native endpoint costs cannot be told beforehand.
    let sealed_for = SealedFor::new(&parts, &wishes.provider, wishes.fallback);
    let key =
        keys::user_key_for_call(context, &sealed_for)?.ok_or_else(|| keys::missing(provider))?;
    let target = match query {
        Some(query) => PathAndQuery::try_from(format!("{rest}?{query}")),
        None => PathAndQuery::try_from(rest),
    }
    .map_err(|_| ApiError::new(ErrorCode::BadPath, "path or query cannot be sent on"))?;
    let (method, headers) = (&parts.method, &parts.headers);
    let metering = Metering {
        relay,
        context,
        identity: &identity,
        headers,
        key: Some(&key),
    };
    let key = key.secret();
    let guard = Guard {
        gate: live.tiers.gate(identity.plan()),
        cost: metering.is_guarded(Payer::User),
        buffered_limit: live.config.server.buffered_limit(),
        max_body: live.config.server.max_body_bytes,
        idle: live.config.timeouts.body_idle,
    };
    let request = RequestFacts {
        provider,
        method,
        path: rest,
        headers,
    };
    let body = NativeBody::read(guard, &request, body).await?;
    if body
        .whole
        .as_ref()
        .is_some_and(|whole| holds_key(whole.bytes(), key))
    {
        return Err(key_in_body());
    }
    let models: Option<Vec<&str>> = body
        .models
        .as_ref()
        .map(|models| models.iter().map(String::as_str).collect());
    let costing = Costing {
        provider,
        method,
        path: rest,
        models: models.as_deref(),
        body: body.whole.as_ref(),
        is_json: body.is_json,
    };
    let meter = metering.begin(Payer::User, &costing).await?;
    let whole = body.whole.as_ref().filter(|_| body.is_json);
    let changed = whole.and_then(|whole| usage::asking_for_usage(provider, rest, whole));
    let asked = changed.is_some() && !usage::wants_usage(headers);
    let arrival = body.arrival.clone();
    let call = Call {
        provider,
        method: method.clone(),
        target,
        headers,
    };
    let body = body.into_body(changed);
    let upload = context.peer.as_ref().map(|client| Upload {
        client,
        arrival: &arrival,
    });
    let sent = proxy::send(relay, live, &call, key, body, upload).await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => {
            if let Some(fault) = arrival.error() {
                meter.failed();
                return Err(fault);
            }
            error.settle(meter);
            return Err(error.into_api(provider));
        }
    };
    let outcome = Outcome {
        payer: Some(Payer::User),
        ..Outcome::default()
    };
    let metered = Metered { meter, asked };
    Ok(proxy::relay_answer(
        context, provider, answer, metered, outcome,
    ))
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

fn mismatch(provider: &Provider) -> ApiError {
    ApiError::new(
        ErrorCode::ProviderMismatch,
        "X-BYOK-Provider names another provider than the path",
    )
    .provider(&provider.id)
}
