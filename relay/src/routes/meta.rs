//! What the relay says of itself: liveness, readiness, the well-known document.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use keyferry_protocol::base64url;
use serde_json::{Value, json};

use super::connect;
use crate::edge::Ctx;
use crate::openapi;
use crate::state::Relay;

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    document(StatusCode::OK, &json!({ "status": "ok" }))
}

/// `GET /readyz`: whether a load balancer should send requests here.
pub(super) async fn readyz(State(relay): State<Arc<Relay>>) -> Response {
    if relay.is_draining() {
        document(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "draining" }),
        )
    } else {
        // Still ready: users' own keys go on being relayed.
        let degraded: &[&str] = if relay.limits().is_degraded() {
            &["redis"]
        } else {
            &[]
        };
        document(
            StatusCode::OK,
            &json!({ "status": "ready", "degraded": degraded }),
        )
    }
}

/// `GET /.well-known/keyferry`: what a vault or an app must know before it uses this relay.
pub(super) async fn well_known(State(relay): State<Arc<Relay>>, Ctx(context): Ctx) -> Response {
    let live = &context.live;
    let providers: Vec<Value> = live
        .providers
        .catalogue()
        .iter()
        .map(|row| {
            json!({
                "id": row.id,
                "name": row.name,
                "origin": row.origin,
                "serverKey": live.providers.server_key(&row.id).is_some(),
                "unified": row.unified.iter().map(|route| route.path()).collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": now_millis(),
        "providers": providers,
        "features": features(&relay),
    });
    if let (Some(fields), Some(published)) = (body.as_object_mut(), live.opener.published()) {
        fields.insert(
            "sealing".to_owned(),
            json!({
                "keySet": base64url::encode(&published.bytes),
                "signature": base64url::encode(&published.signature),
                "identity": base64url::encode(&published.identity),
                "required": live.config.secrets.require_sealed,
            }),
        );
    }
    if let (Some(fields), Some(url)) = (
        body.as_object_mut(),
        connect::authorize_url(&live.providers),
    ) {
        fields.insert("connect".to_owned(), json!({ "openrouter": url }));
    }
    if let (Some(fields), Some(origin)) = (body.as_object_mut(), live.hosts.vault()) {
        fields.insert("vaultOrigin".to_owned(), json!(origin.as_str()));
    }
    document(StatusCode::OK, &body)
}

/// What this relay does, as far as that differs between relays.
fn features(relay: &Relay) -> Vec<&'static str> {
    let mut features = vec!["passthrough", "unified", "key-test", "leases"];
    if relay.jobs().is_enabled() {
        features.push("jobs");
    }
    if relay.jobs().takes_audio() {
        features.push("transcription-jobs");
    }
    features
}

/// `GET /openapi.json`: the relay's own description, with the providers it has now.
pub(super) async fn openapi(Ctx(context): Ctx) -> Response {
    document(
        StatusCode::OK,
        &openapi::document(context.live.providers.catalogue()),
    )
}

/// Milliseconds since 1970 in UTC, as `Date.now()` gives them.
fn now_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn document(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        body.to_string(),
    )
        .into_response()
}
