//! Plans on native routes, and the ways round them.

use axum::body::Body;

use crate::support::tokens::{secret_config, token_with_plan};
use crate::support::{CANARY, Reply, StandIn, TestRelay};

fn config() -> String {
    format!(
        "{}[tiers]\n\"gpt-4o\" = 2\n\"gemini-2.5-pro\" = 2\n\"claude-opus-4-1\" = 2\n\"whisper-1\" = 2\n[plans.free]\ntiers = [0, 1]\n[plans.pro]\ntiers = [0, 1, 2]\n",
        secret_config()
    )
}

struct Attempt {
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

async fn post(relay: &TestRelay, plan: &str, attempt: &Attempt) -> Reply {
    let mut request = relay
        .request("POST", attempt.path)
        .header("x-byok-key", CANARY)
        .header("authorization", format!("Bearer {}", token_with_plan(plan)));
    for (name, value) in attempt.headers {
        request = request.header(*name, *value);
    }
    relay
        .reply(request.body(Body::from(attempt.body)).unwrap())
        .await
}

const CHAT: &str = "/providers/openai/v1/chat/completions";

#[tokio::test]
async fn no_way_round_the_plan() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &config()).await;
    let attempts = [
        Attempt { path: CHAT, headers: JSON, body: br#"{"model":"gpt-4o"}"# },
        Attempt { path: CHAT, headers: JSON, body: br#"{"model":"GPT-4O-2024-08-06"}"# },
        Attempt { path: CHAT, headers: &[("content-type", "Application/JSON;CHARSET=utf-8")], body: br#"{"model":"gpt-4o"}"# },
        Attempt { path: CHAT, headers: &[("content-type", "text/plain")], body: br#"{"model":"gpt-4o"}"# },
        Attempt { path: CHAT, headers: &[], body: br#"{"model":"gpt-4o"}"# },
        Attempt { path: CHAT, headers: JSON, body: br#"{"model":"gpt-3.5-turbo","model":"gpt-4o"}"# },
        Attempt { path: CHAT, headers: JSON, body: br#"{"model":"gpt-3.5-turbo","\u006dodel":"gpt-4o"}"# },
        Attempt { path: CHAT, headers: JSON, body: br#"{"model":"gpt-3.5-turbo","MODEL":"gpt-4o"}"# },
        Attempt { path: CHAT, headers: JSON, body: br#"{"messages":[]}"# },
        Attempt { path: CHAT, headers: JSON, body: b"" },
        Attempt { path: CHAT, headers: &[("content-encoding", "gzip")], body: br#"{"model":"gpt-3.5-turbo"}"# },
        Attempt { path: CHAT, headers: &[("content-type", "application/json"), ("content-type", "multipart/form-data; boundary=x")], body: br#"{"model":"gpt-3.5-turbo"}"# },
        Attempt { path: CHAT, headers: JSON, body: b"\xff\xfe{\x00" },
        Attempt { path: CHAT, headers: JSON, body: br#"{"model":"ft:gpt-4o-2024-08-06:org::1"}"# },
        Attempt { path: "/providers/openai/v1/batches", headers: JSON, body: br#"{"input_file_id":"file-1","endpoint":"/v1/chat/completions"}"# },
        Attempt { path: "/providers/openai/v1/responses", headers: JSON, body: br#"{"model":"gpt-3.5-turbo","tools":[{"type":"image_generation","model":"gpt-4o"}]}"# },
        Attempt { path: "/providers/openrouter/api/v1/chat/completions", headers: JSON, body: br#"{"model":"openai/gpt-3.5-turbo","models":["openai/gpt-4o"]}"# },
        Attempt { path: "/providers/openrouter/api/v1/chat/completions", headers: JSON, body: br#"{"model":"openrouter/auto"}"# },
        Attempt { path: "/providers/openrouter/api/v1/chat/completions", headers: JSON, body: br#"{"model":"openai/gpt-3.5-turbo","preset":"mine"}"# },
        Attempt { path: "/providers/google/v1beta/models/gemini-2.5-pro:generateContent", headers: JSON, body: b"{}" },
        Attempt { path: "/providers/google/v1beta/models/gemini-2.5%2Dpro:generateContent", headers: JSON, body: b"{}" },
        Attempt { path: "/providers/google/v1beta/models/gemini-2.5-flash:generateContent", headers: JSON, body: br#"{"model":"models/gemini-2.5-pro"}"# },
        Attempt { path: "/providers/anthropic/v1/messages", headers: JSON, body: br#"{"model":"claude-opus-4-1-20250805"}"# },
        Attempt { path: "/providers/anthropic/v1/messages/batches", headers: JSON, body: br#"{"requests":[{"custom_id":"1","params":{"model":"claude-opus-4-1"}}]}"# },
        Attempt { path: "/providers/openai/v1/audio/transcriptions", headers: &[("content-type", "Multipart/Form-Data; Boundary=x")], body: b"--x\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--x--\r\n" },
        Attempt { path: "/providers/openai/v1/audio/transcriptions", headers: &[("content-type", "multipart/form-data; boundary=x")], body: b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ncheap\r\n--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x--\r\n" },
    ];
    for attempt in &attempts {
        let reply = post(&relay, "free", attempt).await;
        let body = String::from_utf8_lossy(attempt.body);
        assert!(
            (400..500).contains(&reply.status),
            "{} {body}: {}",
            attempt.path,
            reply.status
        );
        assert!(!reply.code().is_empty(), "{} {body}", attempt.path);
    }
    assert_eq!(provider.count(), 0, "nothing of it reached the provider");
}

#[tokio::test]
async fn what_the_plan_includes_passes_byte_for_byte() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &config()).await;
    for (plan, attempt) in [
        (
            "free",
            Attempt {
                path: CHAT,
                headers: JSON,
                body: b" {\"model\" : \"gpt-4o-mini\",\"x\":1.0e0}\n",
            },
        ),
        (
            "free",
            Attempt {
                path: "/providers/openai/v1/files",
                headers: &[("content-type", "multipart/form-data; boundary=x")],
                body: b"--x--\r\n",
            },
        ),
        (
            "free",
            Attempt {
                path: "/providers/google/v1beta/models/gemini-2.5-flash:generateContent",
                headers: JSON,
                body: b"{\"contents\":[]}",
            },
        ),
        (
            "pro",
            Attempt {
                path: CHAT,
                headers: JSON,
                body: br#"{"model":"gpt-4o"}"#,
            },
        ),
        (
            "pro",
            Attempt {
                path: CHAT,
                headers: JSON,
                body: br#"{"no model":"and all tiers"}"#,
            },
        ),
    ] {
        let reply = post(&relay, plan, &attempt).await;
        assert_eq!(
            reply.status,
            200,
            "{plan} {}: {}",
            attempt.path,
            reply.text()
        );
        let seen = provider.seen().pop().unwrap();
        assert_eq!(seen.body, attempt.body, "{}", attempt.path);
    }
}

#[tokio::test]
async fn reading_and_listing_need_no_model() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &config()).await;
    for plan in ["free", "unknown-plan"] {
        let request = relay
            .request("GET", "/providers/openai/v1/models")
            .header("x-byok-key", CANARY)
            .header("authorization", format!("Bearer {}", token_with_plan(plan)))
            .body(Body::empty())
            .unwrap();
        assert_eq!(relay.reply(request).await.status, 200);
    }
}

#[tokio::test]
async fn a_method_override_never_leaves_the_relay() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &config()).await;
    let request = relay
        .request("GET", "/providers/google/v1beta/models/gemini-2.5-pro")
        .header("x-byok-key", CANARY)
        .header(
            "authorization",
            format!("Bearer {}", token_with_plan("free")),
        )
        .header("x-http-method-override", "POST")
        .header("x-http-method", "POST")
        .header("x-method-override", "POST")
        .body(Body::empty())
        .unwrap();
    assert_eq!(relay.reply(request).await.status, 200);
    let seen = provider.only();
    assert_eq!(seen.method, "GET");
    assert!(
        !seen
            .headers
            .keys()
            .any(|name| name.as_str().contains("method"))
    );
}

#[tokio::test]
async fn refusals_use_the_documented_code() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &config()).await;
    let attempt = Attempt {
        path: CHAT,
        headers: JSON,
        body: br#"{"model":"gpt-4o"}"#,
    };
    let reply = post(&relay, "free", &attempt).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "model_not_in_plan")
    );
    assert!(
        !reply.text().contains("gpt-4o"),
        "nothing a client sent is repeated"
    );
    let without = post(&relay, "no-such-plan", &attempt).await;
    assert_eq!(without.code(), "model_not_in_plan");
}

#[tokio::test]
async fn a_body_too_large_to_read_is_refused_under_a_plan() {
    let provider = StandIn::ok().await;
    let text = format!("[server]\nmax_buffered_body_bytes = 64\n{}", config());
    let relay = TestRelay::with_provider(provider.address, &text).await;
    let body = br#"{"model":"gpt-3.5-turbo","padding":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;
    let attempt = Attempt {
        path: CHAT,
        headers: JSON,
        body,
    };
    assert_eq!(
        post(&relay, "free", &attempt).await.code(),
        "body_too_large"
    );
    assert_eq!(post(&relay, "pro", &attempt).await.status, 200);
}
