//! Who pays, end to end: user key × client choice × operator × route × what the provider does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::response::Response;

use crate::support::{
    Reply, Seen, StandIn, TestRelay, free_address, json_response, raw_provider, read_head,
};

const GOOD: &str = "sk-proj-goodgoodgoodgoodgoodgoodgoodgoodgoodgoodgood";
const BAD: &str = "sk-proj-badbadbadbadbadbadbadbadbadbadbadbadbadbadbad";
const SERVER: &str = "sk-proj-serverserverserverserverserverserverserver00";
const RESELLER: &str = "sk-or-v1-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const CHAT: &str = r#"{"model":"gpt-4o","messages":[]}"#;

fn bearer(seen: &Seen) -> &str {
    seen.headers["authorization"]
        .to_str()
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap()
}

/// A provider that knows every key but [`BAD`], and says no to it as OpenAI does.
fn openai(seen: &Seen) -> Response {
    let body = String::from_utf8_lossy(&seen.body);
    if let Some(status) = body.split("\"answer\":").nth(1) {
        let status: u16 = status[..3].parse().unwrap();
        return json_response(
            status,
            r#"{"error":{"message":"no","type":"x","code":"x"}}"#,
        );
    }
    if bearer(seen) == BAD {
        return json_response(
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-proj-***","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        );
    }
    json_response(200, r#"{"ok":true}"#)
}

fn with_server_key(more: &str) -> String {
    format!(
        "[payer]\nallow_unauthenticated = true\n[providers.openai]\nbase_url = \"BASE_URL\"\nserver_key = \"{SERVER}\"\n{more}"
    )
}

async fn ask(relay: &TestRelay, key: Option<&str>, choice: Option<&str>, body: &str) -> Reply {
    ask_at(relay, "/v1/chat/completions", key, choice, body).await
}

async fn ask_at(
    relay: &TestRelay,
    path: &str,
    key: Option<&str>,
    choice: Option<&str>,
    body: &str,
) -> Reply {
    let mut request = relay
        .request("POST", path)
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("x-byok-key", key);
    }
    if let Some(choice) = choice {
        request = request.header("x-byok-fallback", choice);
    }
    relay
        .reply(request.body(Body::from(body.to_owned())).unwrap())
        .await
}

/// Status, payer, reason, and the keys the provider saw.
fn summary(reply: &Reply, seen: &[Seen]) -> (u16, String, String, Vec<String>) {
    (
        reply.status,
        reply.header("x-byok-paid-by").unwrap_or("-").to_owned(),
        reply
            .header("x-byok-fallback-reason")
            .unwrap_or("-")
            .to_owned(),
        seen.iter().map(|seen| bearer(seen).to_owned()).collect(),
    )
}

fn row(
    status: u16,
    payer: &str,
    reason: &str,
    keys: &[&str],
) -> (u16, String, String, Vec<String>) {
    (
        status,
        payer.into(),
        reason.into(),
        keys.iter().map(|key| (*key).to_owned()).collect(),
    )
}

#[tokio::test]
async fn with_a_server_key() {
    for (key, choice, expected) in [
        (Some(GOOD), None, row(200, "user", "-", &[GOOD])),
        (Some(GOOD), Some("never"), row(200, "user", "-", &[GOOD])),
        (Some(GOOD), Some("allow"), row(200, "user", "-", &[GOOD])),
        (
            Some(GOOD),
            Some("allow-any"),
            row(200, "user", "-", &[GOOD]),
        ),
        (Some(BAD), None, row(401, "user", "-", &[BAD])),
        (Some(BAD), Some("never"), row(401, "user", "-", &[BAD])),
        (
            Some(BAD),
            Some("allow"),
            row(200, "server", "user_key_invalid", &[BAD, SERVER]),
        ),
        (
            Some(BAD),
            Some("allow-any"),
            row(200, "server", "user_key_invalid", &[BAD, SERVER]),
        ),
        (None, None, row(200, "server", "no_user_key", &[SERVER])),
        (None, Some("never"), row(401, "-", "-", &[])),
        (
            None,
            Some("allow"),
            row(200, "server", "no_user_key", &[SERVER]),
        ),
    ] {
        let provider = StandIn::start(openai).await;
        let relay = TestRelay::with_provider(provider.address, &with_server_key("")).await;
        let reply = ask(&relay, key, choice, CHAT).await;
        assert_eq!(
            summary(&reply, &provider.seen()),
            expected,
            "{key:?} {choice:?}"
        );
        if reply.status == 401 && key.is_none() {
            assert_eq!(reply.code(), "missing_key");
        }
    }
}

#[tokio::test]
async fn without_leave_of_the_operator() {
    let strangers =
        format!("[providers.openai]\nbase_url = \"BASE_URL\"\nserver_key = \"{SERVER}\"\n");
    for config in [
        "[payer]\nallow_unauthenticated = true\n".to_owned(),
        strangers,
    ] {
        let provider = StandIn::start(openai).await;
        let relay = TestRelay::with_provider(provider.address, &config).await;
        let reply = ask(&relay, None, Some("allow-any"), CHAT).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "missing_key"),
            "{config}"
        );
        let reply = ask(&relay, Some(BAD), Some("allow-any"), CHAT).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.header("x-byok-paid-by"), Some("user"));
        assert_eq!(provider.count(), 1);
    }
}

#[tokio::test]
async fn only_where_the_cost_is_known_and_nothing_is_left_behind() {
    let provider = StandIn::start(openai).await;
    let relay = TestRelay::with_provider(provider.address, &with_server_key("")).await;
    for (path, body) in [
        ("/v1/chat/completions", r#"{"model":"gpt-4o","store":true}"#),
        (
            "/v1/chat/completions",
            r#"{"model":"gpt-4o","tools":[{"type":"web_search"}]}"#,
        ),
        ("/v1/chat/completions", r#"{"model":"gpt-made-up-9"}"#),
        ("/v1/responses", r#"{"model":"gpt-4o","input":"hi"}"#),
        (
            "/v1/responses",
            r#"{"model":"gpt-4o","store":false,"previous_response_id":"r"}"#,
        ),
        ("/providers/openai/v1/chat/completions", CHAT),
    ] {
        let reply = ask_at(&relay, path, None, Some("allow-any"), body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "missing_key"),
            "{path} {body}"
        );
    }
    assert_eq!(provider.count(), 0);
    let body = r#"{"model":"gpt-4o","input":"hi","store":false}"#;
    let reply = ask_at(&relay, "/v1/responses", None, None, body).await;
    assert_eq!(
        (reply.status, reply.header("x-byok-paid-by")),
        (200, Some("server"))
    );
}

#[tokio::test]
async fn never_on_a_fault_of_the_request_or_the_account() {
    for status in [400, 402, 403, 404, 429, 500, 503] {
        let provider = StandIn::start(openai).await;
        let relay = TestRelay::with_provider(provider.address, &with_server_key("")).await;
        // The stand-in reads its orders from the text.
        let body =
            format!(r#"{{"model":"gpt-4o","messages":[],"metadata":{{"answer":{status}}}}}"#);
        let reply = ask(&relay, Some(GOOD), Some("allow-any"), &body).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(reply.header("x-byok-paid-by"), Some("user"));
        assert_eq!(
            reply.text(),
            r#"{"error":{"message":"no","type":"x","code":"x"}}"#
        );
        assert_eq!(provider.count(), 1, "{status}");
    }
}

#[tokio::test]
async fn by_way_of_openrouter_only_on_allow_any() {
    let more =
        format!("[providers.openrouter]\nbase_url = \"BASE_URL\"\nserver_key = \"{RESELLER}\"\n");
    let config = format!("[payer]\nallow_unauthenticated = true\n{more}");
    for (key, choice, expected) in [
        (None, None, row(401, "-", "-", &[])),
        (None, Some("allow"), row(401, "-", "-", &[])),
        (
            None,
            Some("allow-any"),
            row(200, "server", "no_user_key", &[RESELLER]),
        ),
        (Some(BAD), Some("allow"), row(401, "user", "-", &[BAD])),
        (
            Some(BAD),
            Some("allow-any"),
            row(200, "server", "user_key_invalid", &[BAD, RESELLER]),
        ),
    ] {
        let provider = StandIn::start(openai).await;
        let relay = TestRelay::with_provider(provider.address, &config).await;
        let reply = ask(&relay, key, choice, CHAT).await;
        assert_eq!(
            summary(&reply, &provider.seen()),
            expected,
            "{key:?} {choice:?}"
        );
        if reply.status == 200 {
            assert_eq!(reply.header("x-byok-provider"), Some("openrouter"));
            let seen = provider.seen().pop().unwrap();
            assert_eq!(seen.uri.path(), "/api/v1/chat/completions");
            assert_eq!(
                seen.body,
                br#"{"model":"openai/gpt-4o","messages":[]}"#.as_slice()
            );
        }
    }
}

#[tokio::test]
async fn when_the_provider_is_down_before_any_byte() {
    let gone = free_address();
    let reseller = StandIn::start(openai).await;
    let config = format!(
        "[payer]\nallow_unauthenticated = true\n[providers.openai]\nbase_url = \"http://{gone}\"\n[providers.openrouter]\nbase_url = \"BASE_URL\"\nserver_key = \"{RESELLER}\"\n"
    );
    let relay = TestRelay::with_provider(reseller.address, &config).await;
    let reply = ask(&relay, Some(GOOD), Some("allow"), CHAT).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_unreachable")
    );
    assert_eq!(reply.header("x-byok-paid-by"), Some("user"));
    let reply = ask(&relay, Some(GOOD), Some("allow-any"), CHAT).await;
    assert_eq!(
        summary(&reply, &reseller.seen()),
        row(200, "server", "provider_unreachable", &[RESELLER])
    );
}

#[tokio::test]
async fn not_once_the_provider_had_the_request() {
    // Accepts, reads, and hangs up without a word: it may have done the work.
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let provider = raw_provider(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            read_head(&mut stream).await;
            seen.store(true, Ordering::Relaxed);
        }
    })
    .await;
    let relay = TestRelay::with_provider(provider, &with_server_key("")).await;
    let reply = ask(&relay, Some(GOOD), Some("allow-any"), CHAT).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_bad_response")
    );
    assert_eq!(reply.header("x-byok-paid-by"), Some("user"));
    assert!(asked.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_bad_key_without_another_way_is_told_as_the_provider_told_it() {
    let provider = StandIn::start(openai).await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let reply = ask(&relay, Some(BAD), Some("allow-any"), CHAT).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["error"]["code"], "invalid_api_key");
    assert_eq!(reply.header("x-byok-error"), None);
}
