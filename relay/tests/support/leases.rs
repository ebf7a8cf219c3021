//! Leases as clients make and present them, on a store of either kind.

use axum::body::Body;
use serde_json::{Value, json};

use crate::support::redis::RedisServer;
use crate::support::seal::FIRST;
use crate::support::{CANARY, Reply, StandIn, TestRelay};

/// Ten cents a request, whatever is in it.
pub(crate) const DIME: &str = "[prices.\"my-model\"]\nrequest_usd = 0.10\n";

/// `[secrets]` with this ring.
pub(crate) fn secrets(current: &str, accept: &[&str]) -> String {
    let accept: Vec<String> = accept.iter().map(|entry| format!("\"{entry}\"")).collect();
    format!(
        "[secrets]\ncurrent = \"{current}\"\naccept = [{}]\n",
        accept.join(", ")
    )
}

/// `[store]` in this Redis.
pub(crate) fn store(redis: &RedisServer) -> String {
    format!("[store]\nurl = \"{}\"\n", redis.url())
}

/// A relay whose state is in `redis`, with [`FIRST`] as its secret.
pub(crate) async fn shared(provider: &StandIn, redis: &RedisServer, more: &str) -> TestRelay {
    start(
        provider,
        &format!("{}{}{more}", store(redis), secrets(FIRST, &[])),
    )
    .await
}

pub(crate) async fn start(provider: &StandIn, config: &str) -> TestRelay {
    let relay = TestRelay::with_provider(provider.address, config).await;
    relay.relay.limits().warm_up().await;
    relay
}

/// One relay on each kind of store. Redis lives as long as the second value.
pub(crate) async fn on_both_stores(
    provider: &StandIn,
    more: &str,
) -> (Vec<TestRelay>, RedisServer) {
    let redis = RedisServer::start(&[]);
    let relays = vec![
        start(provider, more).await,
        shared(provider, &redis, more).await,
    ];
    (relays, redis)
}

/// One call, with these headers.
pub(crate) async fn call(
    relay: &TestRelay,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Reply {
    let mut request = relay.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    relay.reply(request.body(body).unwrap()).await
}

/// Asks for a lease of the canary.
pub(crate) async fn ask(relay: &TestRelay, headers: &[(&str, &str)], body: &Value) -> Reply {
    let headers = [&[("x-byok-key", CANARY)], headers].concat();
    call(relay, "POST", "/v1/leases", &headers, Some(body)).await
}

/// A lease's id and handle.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) handle: String,
    pub(crate) expires_at: u64,
}

impl Made {
    pub(crate) fn read(reply: &Reply) -> Self {
        assert_eq!(reply.status, 201, "{}", reply.text());
        let lease = reply.json();
        Self {
            id: lease["id"].as_str().unwrap().to_owned(),
            handle: lease["handle"].as_str().unwrap().to_owned(),
            expires_at: lease["expiresAt"].as_u64().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/leases/{}", self.id)
    }
}

/// A lease of the canary at OpenAI, with `more` among its terms.
pub(crate) async fn lease(relay: &TestRelay, more: &Value) -> Made {
    let mut body = json!({ "provider": "openai" });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    Made::read(&ask(relay, &[], &body).await)
}

/// A unified chat with nothing but the handle.
pub(crate) async fn chat(relay: &TestRelay, handle: &str, model: &str) -> Reply {
    chat_with(relay, handle, model, &[]).await
}

pub(crate) async fn chat_with(
    relay: &TestRelay,
    handle: &str,
    model: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let headers = [&[("x-byok-lease", handle)], headers].concat();
    let body = json!({ "model": model, "messages": [] });
    call(relay, "POST", "/v1/chat/completions", &headers, Some(&body)).await
}

/// A native chat with nothing but the handle.
pub(crate) async fn native(relay: &TestRelay, handle: &str, model: &str) -> Reply {
    let body = json!({ "model": model, "messages": [] });
    call(
        relay,
        "POST",
        "/providers/openai/v1/chat/completions",
        &[("x-byok-lease", handle)],
        Some(&body),
    )
    .await
}

/// `GET /v1/leases/{id}`.
pub(crate) async fn peek(relay: &TestRelay, lease: &Made) -> Reply {
    call(
        relay,
        "GET",
        &lease.path(),
        &[("x-byok-lease", &lease.handle)],
        None,
    )
    .await
}
