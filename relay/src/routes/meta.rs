//! What the relay says of itself: liveness, readiness, the well-known document.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::edge::Ctx;
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
        document(
            StatusCode::OK,
            &json!({ "status": "ready", "degraded": [] }),
        )
    }
}

/// `GET /.well-known/keyferry`: what a vault or an app must know before it uses this relay.
pub(super) async fn well_known(Ctx(context): Ctx) -> Response {
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
        "features": ["passthrough"],
    });
    if let (Some(fields), Some(origin)) = (body.as_object_mut(), live.hosts.vault()) {
        fields.insert("vaultOrigin".to_owned(), json!(origin.as_str()));
    }
    document(StatusCode::OK, &body)
}

/// Milliseconds since 1970 in UTC, as `Date.now()` gives them.
fn now_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn document(status: StatusCode, body: &Value) -> Response {
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
