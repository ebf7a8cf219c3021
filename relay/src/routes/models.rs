//! `GET /v1/models`: one provider's own list, or what the catalogue knows of all of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use keyferry_protocol::catalogue::Unified;
use keyferry_protocol::{Payer, PicoUsd, Provider};
use serde_json::{Value, json};

use super::{meta, unified};
use crate::callers;
use crate::edge::{Ctx, Outcome};
use crate::error::ApiError;
use crate::keys::{self, SealedFor};
use crate::proxy::{self, Call, Metered};
use crate::state::{Live, Relay};
use crate::usage::{Costing, Metering};
use crate::wishes::Wishes;

/// With `X-BYOK-Provider`: that provider's list, with the caller's key. Without: the catalogue's.
pub(super) async fn handle(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let live = &context.live;
    let (parts, _) = request.into_parts();
    let query = parts.uri.query();
    super::check_query(&parts.uri)?;
    let wishes = Wishes::read(&parts.headers)?;
    let identity = callers::identify(&relay, &context, &parts.headers).await?;
    let Some(id) = wishes.provider() else {
        return Ok(meta::document(
            StatusCode::OK,
            &json!({ "object": "list", "data": known(live) }),
        ));
    };
    let provider = live.providers.get(id)?;
    if !provider.serves(Unified::Models) {
        return Err(unified::lacks(provider, Unified::Models));
    }
    let sealed_for = SealedFor::new(&parts, &wishes.provider, wishes.fallback);
    let key =
        keys::user_key_for_call(&context, &sealed_for)?.ok_or_else(|| keys::missing(provider))?;
    let target = unified::target(&provider.unified_path(Unified::Models), query)?;
    let metering = Metering {
        relay: &relay,
        context: &context,
        identity: &identity,
        headers: &parts.headers,
        key: Some(&key),
    };
    let costing = Costing {
        provider,
        method: &parts.method,
        path: target.path(),
        models: Some(&[]),
        body: None,
        is_json: false,
    };
    let meter = metering.begin(Payer::User, &costing).await?;
    let call = Call {
        provider,
        method: parts.method,
        target,
        headers: &parts.headers,
    };
    let sent = proxy::send(&relay, live, &call, key.secret(), Body::empty(), None).await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => {
            error.settle(meter);
            return Err(error.into_api(provider));
        }
    };
    let outcome = Outcome {
        payer: Some(Payer::User),
        ..Outcome::default()
    };
    let metered = Metered {
        meter,
        asked: false,
    };
    Ok(proxy::relay_answer(
        &context, provider, answer, metered, outcome,
    ))
}

/// Every model with a known price, under the name that routes to its provider here.
fn known(live: &Live) -> Vec<Value> {
    let catalogue = live.providers.catalogue();
    let entry = |provider: &Provider, model: &str| {
        let mut entry = json!({
            "id": format!("{}/{model}", provider.id),
            "object": "model",
            "created": 0,
            "owned_by": provider.id,
        });
        let price = live.prices.find(catalogue, &provider.id, model);
        let price = price.and_then(|price| price.input.zip(price.output));
        if let (Some(fields), Some((input, output))) = (entry.as_object_mut(), price) {
            let pricing = json!({ "prompt": dollars(input), "completion": dollars(output) });
            fields.insert("pricing".to_owned(), pricing);
        }
        entry
    };
    live.providers
        .catalogue()
        .iter()
        .flat_map(|provider| {
            live.prices
                .models(&provider.id)
                .map(move |model| entry(provider, model))
        })
        .collect()
}

/// US dollars per token as exact decimal text, the form in which OpenRouter's list has them.
fn dollars(price: PicoUsd) -> String {
    const PICO: u64 = 1_000_000_000_000;
    format!("{}.{:012}", price.0 / PICO, price.0 % PICO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_text() {
        assert_eq!(dollars(PicoUsd(150_000)), "0.000000150000");
        assert_eq!(dollars(PicoUsd(1_000_000_000_001)), "1.000000000001");
    }
}
