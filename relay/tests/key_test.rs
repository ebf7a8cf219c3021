//! `POST /v1/keys/test`: verdicts from the error shapes providers really send.

use axum::body::Body;
use axum::response::Response;

use crate::support::{
    CANARY, Reply, StandIn, TestRelay, free_address, json_response, raw_provider, read_head,
};

async fn test(relay: &TestRelay, provider: &str, deep: bool) -> Reply {
    relay
        .post(
            "/v1/keys/test",
            &format!(r#"{{"provider":"{provider}","deep":{deep}}}"#),
        )
        .await
}

/// Provider, status and body as documented or recorded, the key echoed where the provider does.
fn shapes() -> Vec<(&'static str, u16, String, &'static str)> {
    let echo = CANARY;
    vec![
        ("openai", 200, r#"{"object":"list","data":[{"id":"gpt-4o","object":"model"}]}"#.into(), "valid"),
        ("openai", 401, format!(r#"{{"error":{{"message":"Incorrect API key provided: {echo}. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}}}"#), "invalid"),
        ("openai", 429, r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#.into(), "no_credit"),
        ("openai", 429, r#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#.into(), "rate_limited"),
        ("openai", 403, r#"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: api.model.read.","type":"invalid_request_error","param":null,"code":null}}"#.into(), "wrong_scope"),
        ("openai", 503, r#"{"error":{"message":"overloaded"}}"#.into(), "unreachable"),
        ("anthropic", 401, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#.into(), "invalid"),
        ("anthropic", 403, r#"{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource."}}"#.into(), "wrong_scope"),
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#.into(), "no_credit"),
        ("google", 400, r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#.into(), "invalid"),
        ("google", 200, r#"{"models":[{"name":"models/gemini-2.5-pro"}]}"#.into(), "valid"),
        ("openrouter", 401, r#"{"error":{"message":"User not found.","code":401}}"#.into(), "invalid"),
        ("openrouter", 200, r#"{"data":{"label":"x","limit":10,"limit_remaining":0,"usage":10,"is_free_tier":false}}"#.into(), "no_credit"),
        ("openrouter", 200, r#"{"data":{"label":"x","limit":null,"limit_remaining":null,"usage":1.5,"is_free_tier":false}}"#.into(), "valid"),
        ("groq", 401, r#"{"error":{"message":"Invalid API Key","type":"invalid_request_error","code":"invalid_api_key"}}"#.into(), "invalid"),
        ("xai", 400, r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai."}"#.into(), "invalid"),
        ("xai", 200, r#"{"api_key_blocked":true,"api_key_disabled":false,"team_blocked":false}"#.into(), "invalid"),
        ("deepseek", 401, format!(r#"{{"error":{{"message":"Authentication Fails, Your api key: {echo} is invalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}}}"#), "invalid"),
        ("deepseek", 200, r#"{"is_available":false,"balance_infos":[{"currency":"USD","total_balance":"0.00"}]}"#.into(), "no_credit"),
        ("mistral", 401, r#"{"detail":"Unauthorized"}"#.into(), "invalid"),
        ("meta", 401, r#"{"title":"Unauthorized","status":401}"#.into(), "invalid"),
        ("mistral", 404, "<html>not found</html>".into(), "unreachable"),
    ]
}

#[tokio::test]
async fn verdicts_of_real_shapes() {
    for (id, status, body, verdict) in shapes() {
        let answer = body.clone();
        let provider = StandIn::start(move |_| json_response(status, &answer)).await;
        let relay = TestRelay::with_provider(provider.address, "").await;
        let reply = test(&relay, id, false).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["verdict"], verdict, "{id} {status} {body}");
        assert!(reply.json()["latencyMs"].is_u64());
        for window in CANARY.as_bytes()["sk-proj-".len()..].windows(8) {
            let window = std::str::from_utf8(window).unwrap();
            assert!(!reply.text().contains(window), "{id}: {}", reply.text());
        }
        assert_eq!(provider.count(), 1);
        assert_eq!(provider.only().method, "GET");
    }
}

#[tokio::test]
async fn models_and_credit_are_told() {
    let provider = StandIn::start(|seen| match seen.uri.path() {
        "/v1/models" => json_response(200, r#"{"data":[{"id":"gpt-4o"}]}"#),
        _ => json_response(
            200,
            r#"{"data":{"limit":10,"limit_remaining":4.25,"usage":5.75}}"#,
        ),
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let answer = test(&relay, "openai", false).await.json();
    assert_eq!(answer["models"], serde_json::json!(["gpt-4o"]));
    let answer = test(&relay, "openrouter", false).await.json();
    assert_eq!(answer["credit"]["remaining"], 4.25);
    assert_eq!(answer["credit"]["currency"], "USD");
}

#[tokio::test]
async fn a_deep_test_asks_for_one_token() {
    let provider = StandIn::start(|seen| match seen.method.as_str() {
        "GET" => json_response(200, r#"{"models":[]}"#),
        _ => json_response(
            403,
            r#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#,
        ),
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    assert_eq!(
        test(&relay, "google", false).await.json()["verdict"],
        "valid"
    );
    assert_eq!(
        test(&relay, "google", true).await.json()["verdict"],
        "wrong_scope"
    );
    let asked = provider.seen().pop().unwrap();
    assert_eq!(asked.uri.path(), "/v1beta/openai/chat/completions");
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body["max_tokens"], 1);
}

#[tokio::test]
async fn an_absent_or_silent_provider_is_no_verdict_on_the_key() {
    let gone = free_address();
    let relay = TestRelay::with_provider(gone, "").await;
    let reply = test(&relay, "openai", true).await;
    assert_eq!(
        (reply.status, &reply.json()["verdict"]),
        (200, &"unreachable".into())
    );

    let silent = raw_provider(|mut stream| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    })
    .await;
    let relay = TestRelay::with_provider(silent, "[timeouts]\nkey_test_ms = 200\n").await;
    assert_eq!(
        test(&relay, "openai", false).await.json()["verdict"],
        "unreachable"
    );
}

#[tokio::test]
async fn bad_requests() {
    let provider = StandIn::start(|_| -> Response { json_response(200, "{}") }).await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    for (body, code) in [
        ("", "bad_json"),
        ("[]", "bad_field"),
        ("{}", "bad_field"),
        (r#"{"provider":"nobody"}"#, "unknown_provider"),
        (r#"{"provider":"openai","key":"sk-x"}"#, "key_in_body"),
        (r#"{"provider":"openai","more":1}"#, "bad_field"),
    ] {
        assert_eq!(
            relay.post("/v1/keys/test", body).await.code(),
            code,
            "{body}"
        );
    }
    let request = relay
        .request("POST", "/v1/keys/test")
        .header("content-type", "application/json")
        .body(Body::from(r#"{"provider":"openai"}"#))
        .unwrap();
    assert_eq!(relay.reply(request).await.code(), "missing_key");
    assert_eq!(provider.count(), 0);
}
