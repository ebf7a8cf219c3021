//! Plans and app tokens on unified routes.

use axum::body::Body;

use crate::support::tokens::{secret_config, token_with_plan};
use crate::support::{CANARY, Reply, StandIn, TestRelay};

fn config() -> String {
    format!(
        "{}[tiers]\n\"gpt-4o\" = 2\n\"whisper-1\" = 2\n[plans.free]\ntiers = [0]\n[plans.team]\nserver_requests_per_hour = 5\n",
        secret_config()
    )
}

async fn post(relay: &TestRelay, plan: Option<&str>, path: &str, kind: &str, body: &str) -> Reply {
    let mut request = relay
        .request("POST", path)
        .header("x-byok-key", CANARY)
        .header("content-type", kind);
    if let Some(plan) = plan {
        request = request.header("authorization", format!("Bearer {}", token_with_plan(plan)));
    }
    relay
        .reply(request.body(Body::from(body.to_owned())).unwrap())
        .await
}

const JSON: &str = "application/json";

#[tokio::test]
async fn a_plan_holds_on_every_unified_route() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &config()).await;
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nMODEL\r\n--x--\r\n";
    for (path, kind, refused, admitted) in [
        (
            "/v1/chat/completions",
            JSON,
            r#"{"model":"gpt-4o","messages":[]}"#,
            r#"{"model":"gpt-4o-mini","messages":[]}"#,
        ),
        (
            "/v1/chat/completions",
            JSON,
            r#"{"model":"openai/gpt-4o-2024-08-06","messages":[]}"#,
            r#"{"model":"openai/gpt-4o-mini","messages":[]}"#,
        ),
        (
            "/v1/completions",
            JSON,
            r#"{"model":"gpt-4o","prompt":"x"}"#,
            r#"{"model":"gpt-3.5-turbo-instruct","prompt":"x"}"#,
        ),
        (
            "/v1/embeddings",
            JSON,
            r#"{"model":"gpt-4o","input":"x"}"#,
            r#"{"model":"text-embedding-3-small","input":"x"}"#,
        ),
        (
            "/v1/responses",
            JSON,
            r#"{"model":"gpt-4.1","input":"x","tools":[{"type":"t","model":"gpt-4o"}]}"#,
            r#"{"model":"gpt-4.1","input":"x"}"#,
        ),
        (
            "/v1/audio/transcriptions",
            "Multipart/Form-Data; boundary=x",
            &form.replace("MODEL", "whisper-1"),
            &form.replace("MODEL", "gpt-4o-mini-transcribe"),
        ),
    ] {
        let before = provider.count();
        let reply = post(&relay, Some("free"), path, kind, refused).await;
        assert_eq!(
            reply.code(),
            "model_not_in_plan",
            "{path}: {}",
            reply.text()
        );
        assert_eq!(provider.count(), before, "{path}");
        for (plan, body) in [("free", admitted), ("team", refused)] {
            let reply = post(&relay, Some(plan), path, kind, body).await;
            assert_eq!(reply.status, 200, "{plan} {path}: {}", reply.text());
        }
        assert_eq!(provider.count(), before + 2, "{path}");
    }
}

#[tokio::test]
async fn every_route_of_a_caller_asks_for_the_token() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &config()).await;
    for path in [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/keys/test",
    ] {
        let reply = post(
            &relay,
            None,
            path,
            JSON,
            r#"{"model":"gpt-4.1","provider":"openai"}"#,
        )
        .await;
        assert_eq!(reply.code(), "auth_required", "{path}");
    }
    for path in [
        "/v1/models",
        "/v1/usage",
        "/v1/limits",
        "/providers/openai/v1/models",
    ] {
        assert_eq!(relay.get(path).await.code(), "auth_required", "{path}");
    }
    for path in [
        "/healthz",
        "/readyz",
        "/.well-known/keyferry",
        "/openapi.json",
    ] {
        assert_eq!(relay.get(path).await.status, 200, "{path}");
    }
    assert_eq!(provider.count(), 0);
}
