//! Leases as clients meet them, where the kind of store makes no difference.

use serde_json::{Value, json};

use crate::support::leases::{DIME, Made, ask, call, chat, chat_with, lease, secrets, start};
use crate::support::seal::{FIRST, IDENTITY, Vault};
use crate::support::tokens::{secret_config, token_with_plan};
use crate::support::{CANARY, StandIn, json_response, refused};

#[tokio::test]
async fn an_openrouter_lease_serves_every_model() {
    let provider = StandIn::ok().await;
    let relay = start(&provider, "").await;
    let made = Made::read(&ask(&relay, &[], &json!({ "provider": "openrouter" })).await);
    let reply = chat(&relay, &made.handle, "gpt-4o").await;
    assert_eq!(reply.header("x-byok-provider"), Some("openrouter"));
    let sent: Value = serde_json::from_slice(&provider.only().body).unwrap();
    assert_eq!(sent["model"], "openai/gpt-4o");
}

#[tokio::test]
async fn a_lease_never_spends_the_operators_money() {
    let provider =
        StandIn::start(|_| json_response(401, r#"{"error":{"code":"invalid_api_key"}}"#)).await;
    let config = format!(
        "{DIME}[payer]\nallow_unauthenticated = true\n[providers.openai]\nbase_url = \"BASE_URL\"\nserver_key = \"sk-proj-serverserverserverserverserverserver\"\n"
    );
    let relay = start(&provider, &config).await;
    let lease = lease(&relay, &json!({})).await;
    let allow = [("x-byok-fallback", "allow")];
    let reply = chat_with(&relay, &lease.handle, "openai/my-model", &allow).await;
    assert_eq!(
        (reply.status, reply.header("x-byok-paid-by")),
        (401, Some("user"))
    );
    let seen = provider.only();
    assert_eq!(seen.headers["authorization"], format!("Bearer {CANARY}"));
}

#[tokio::test]
async fn a_plan_holds_for_whoever_presents_the_lease() {
    let provider = StandIn::ok().await;
    let config = format!(
        "{}[plans.free]\ntiers = [0]\n[tiers]\n\"gpt-4o\" = 2\n",
        secret_config()
    );
    let relay = start(&provider, &config).await;
    let token = format!("Bearer {}", token_with_plan("free"));
    let body = json!({ "provider": "openai" });
    let lease = Made::read(&ask(&relay, &[("authorization", &token)], &body).await);
    refused(
        &chat(&relay, &lease.handle, "gpt-4o").await,
        403,
        "model_not_in_plan",
    );
    assert_eq!(
        chat(&relay, &lease.handle, "gpt-3.5-turbo").await.status,
        200
    );
}

#[tokio::test]
async fn a_sealed_key_is_leased_once() {
    let provider = StandIn::ok().await;
    let config = format!(
        "{}identity = \"{IDENTITY}\"\nrequire_sealed = true\n",
        secrets(FIRST, &[])
    );
    let relay = start(&provider, &config).await;
    let mut vault = Vault::open(&relay, 3).await;
    let sealed = vault.seal("POST", "/v1/leases", "openai");
    let headers = [
        ("x-byok-key", sealed.as_str()),
        ("x-byok-provider", "openai"),
    ];
    let body = json!({ "provider": "openai" });
    let made = call(&relay, "POST", "/v1/leases", &headers, Some(&body)).await;
    let lease = Made::read(&made);
    refused(
        &call(&relay, "POST", "/v1/leases", &headers, Some(&body)).await,
        400,
        "replayed",
    );
    refused(&ask(&relay, &[], &body).await, 400, "sealed_required");
    assert_eq!(chat(&relay, &lease.handle, "gpt-4o").await.status, 200);
    assert_eq!(
        provider.only().headers["authorization"],
        format!("Bearer {CANARY}")
    );
}
