//! "Connect OpenRouter": sign-in by OAuth with PKCE (RFC 7636) instead of copying a key.
//!
//! ```text
//! frame ─ popup ─► openrouter.ai/auth ─► /connect/openrouter?code ─ message ─► frame
//! frame ─ POST /v1/connect/openrouter {code, codeVerifier, publicKey} ─► OpenRouter ─► key
//!       ◄─ the key, encrypted to publicKey
//! ```
//!
//! The frame may connect to nothing but the relay, so the relay trades the code. Code, verifier
//! and key are in no log, and the answer shows the key to the frame only, not to proxies between.
//! No app token is asked for: the frame has none, and what it brings is proof of its own sign-in.

mod callback;
mod seal;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use keyferry_protocol::{ErrorCode, Provider, base64url};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

pub(super) use callback::show as callback;

use super::{check_query, meta, small_json};
use crate::callers;
use crate::edge::{Context, Ctx, Outcome};
use crate::error::ApiError;
use crate::limits::Who;
use crate::providers::Providers;
use crate::secret::Secret;
use crate::state::Relay;
use crate::upstream::UpstreamError;

/// The provider that signs people in.
const PROVIDER: &str = "openrouter";

/// Where it trades a code for a key (openrouter.ai/docs, "OAuth PKCE").
const EXCHANGE: &str = "/api/v1/auth/keys";

/// Where people say yes.
const AUTHORIZE: &str = "/auth";

/// The request is one small object.
const MAX_REQUEST: u64 = 4096;

/// What is said of another one.
const EXPECTED: &str =
    "expected {\"code\": string, \"codeVerifier\": string, \"publicKey\": a P-256 point}";

/// Codes are some dozens of characters.
const MAX_CODE: usize = 1024;

/// RFC 7636 §4.1.
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// The answer is a key and the account's id.
const MAX_ANSWER: usize = 16 * 1024;

/// Keys are 73 characters today.
const MAX_KEY: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ask {
    code: Secret,
    code_verifier: Secret,
    public_key: String,
}

/// What OpenRouter answers, as far as it matters here.
#[derive(Deserialize)]
struct Minted {
    key: Secret,
}

/// The address people sign in at, as the well-known document names it.
pub(super) fn authorize_url(providers: &Providers) -> Option<String> {
    let provider = providers.get(PROVIDER).ok()?;
    let uri = providers.uri(provider, PathAndQuery::from_static(AUTHORIZE))?;
    Some(uri.to_string())
}

/// Trades a code for a key, and answers with the key encrypted to the asker.
pub(super) async fn handle(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let live = &context.live;
    let (parts, body) = request.into_parts();
    check_query(&parts.uri)?;
    let ask: Ask = small_json::read(&context, &parts.headers, body, MAX_REQUEST, EXPECTED).await?;
    let recipient = ask
        .recipient()
        .ok_or_else(|| ApiError::new(ErrorCode::BadField, EXPECTED))?;
    let provider = live.providers.get(PROVIDER)?;

    let address = callers::address_of(&context, &parts.headers);
    let who = Who {
        subject: None,
        plan: None,
        key: None,
        address,
    };
    relay.limits().admit_address(&live.policy, address).await?;
    relay.limits().admit_key_test(&live.policy, &who).await?;

    let begun = Instant::now();
    let traded = tokio::time::timeout(
        live.config.timeouts.key_test,
        trade(&relay, &context, provider, &ask),
    )
    .await
    .unwrap_or_else(|_| Err(timed_out()));
    let key = match traded {
        Ok(key) => key,
        Err(error) => {
            if error.code() == ErrorCode::SignInRefused {
                relay.limits().address_failed(&live.policy, address).await?;
            }
            return Err(error.provider(&provider.id));
        }
    };
    let sealed = seal::seal(&recipient, &key)
        .ok_or_else(|| ApiError::new(ErrorCode::BadField, "publicKey is not a point of P-256"))?;
    context.conclude(Outcome {
        provider: Some(provider.id.clone()),
        provider_time: Some(begun.elapsed()),
        ..Outcome::default()
    });
    Ok(meta::document(
        StatusCode::OK,
        &json!({
            "publicKey": base64url::encode(&sealed.public_key),
            "ciphertext": base64url::encode(&sealed.ciphertext),
        }),
    ))
}

impl Ask {
    /// The point to encrypt to, when the whole request has the form it should have.
    fn recipient(&self) -> Option<seal::Point> {
        // Exposed to check their form.
        let (code, verifier) = (self.code.expose(), self.code_verifier.expose());
        let is_unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        let well_formed = (1..=MAX_CODE).contains(&code.len())
            && code.iter().all(u8::is_ascii_graphic)
            && VERIFIER.contains(&verifier.len())
            && verifier.iter().all(is_unreserved);
        well_formed.then(|| base64url::decode_array(&self.public_key))?
    }
}

async fn trade(
    relay: &Relay,
    context: &Context,
    provider: &Provider,
    ask: &Ask,
) -> Result<Secret, ApiError> {
    let uri = context
        .live
        .providers
        .uri(provider, PathAndQuery::from_static(EXCHANGE))
        .ok_or_else(|| ApiError::new(ErrorCode::Internal, "the provider has no usable address"))?;
    // Exposed to be sent, once, to the provider that made the code.
    let (code, verifier) = (ask.code.expose_str(), ask.code_verifier.expose_str());
    let document = json!({
        "code": code,
        "code_verifier": verifier,
        "code_challenge_method": "S256",
    });
    let mut request = http::Request::new(Body::from(document.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    for name in [header::CONTENT_TYPE, header::ACCEPT] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("application/json"));
    }
    let response = relay.upstream().send(request).await.map_err(unreached)?;
    let (head, body) = response.into_parts();
    if head.status.is_client_error() && head.status != StatusCode::TOO_MANY_REQUESTS {
        return Err(ApiError::new(
            ErrorCode::SignInRefused,
            "OpenRouter did not accept this sign-in; start it again",
        ));
    }
    if !head.status.is_success() {
        return Err(unusable());
    }
    let text = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|_| unusable())?;
    let text = Zeroizing::new(text.to_bytes().to_vec());
    let minted: Minted = serde_json::from_slice(&text).map_err(|_| unusable())?;
    // Exposed to check its form.
    let key = minted.key.expose();
    let well_formed = (1..=MAX_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if well_formed {
        Ok(minted.key)
    } else {
        Err(unusable())
    }
}

fn unreached(error: UpstreamError) -> ApiError {
    match error {
        UpstreamError::Connect => ApiError::new(
            ErrorCode::ProviderUnreachable,
            "no connection to OpenRouter could be made",
        ),
        UpstreamError::Closed => unusable(),
        UpstreamError::Timeout => timed_out(),
    }
}

fn timed_out() -> ApiError {
    ApiError::new(
        ErrorCode::ProviderTimeout,
        "OpenRouter did not answer in time",
    )
}

/// Nothing of the answer is repeated: it may hold the key.
fn unusable() -> ApiError {
    ApiError::new(
        ErrorCode::ProviderBadResponse,
        "OpenRouter's answer to the sign-in is not usable",
    )
}
