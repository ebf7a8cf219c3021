//! `/providers/{id}/{*path}`: the key swap, what crosses and what does not.

use axum::body::Body;
use axum::response::Response;

use crate::support::{CANARY, ChannelBody, StandIn, TestRelay, free_address, json_response};

#[tokio::test]
async fn each_provider_gets_the_key_in_its_own_form() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    for (path, header, value) in [
        (
            "/providers/openai/v1/models",
            "authorization",
            format!("Bearer {CANARY}"),
        ),
        (
            "/providers/anthropic/v1/models",
            "x-api-key",
            CANARY.to_owned(),
        ),
        (
            "/providers/google/v1beta/models",
            "x-goog-api-key",
            CANARY.to_owned(),
        ),
        (
            "/providers/google/v1/files",
            "x-goog-api-key",
            CANARY.to_owned(),
        ),
        (
            "/providers/openrouter/api/v1/models",
            "authorization",
            format!("Bearer {CANARY}"),
        ),
        (
            "/providers/meta/compat/v1/models",
            "authorization",
            format!("Bearer {CANARY}"),
        ),
        (
            "/providers/groq/openai/v1/models",
            "authorization",
            format!("Bearer {CANARY}"),
        ),
        (
            "/providers/xai/v1/models",
            "authorization",
            format!("Bearer {CANARY}"),
        ),
        (
            "/providers/deepseek/models",
            "authorization",
            format!("Bearer {CANARY}"),
        ),
        (
            "/providers/mistral/v1/models",
            "authorization",
            format!("Bearer {CANARY}"),
        ),
    ] {
        let reply = relay.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.header("x-byok-paid-by"), Some("user"));
        let id = path.split('/').nth(2).unwrap();
        assert_eq!(reply.header("x-byok-provider"), Some(id));
        let seen = provider.seen().pop().unwrap();
        assert_eq!(seen.headers[header], value.as_str(), "{path}");
        assert_eq!(
            seen.uri.path(),
            path.strip_prefix(&format!("/providers/{id}")).unwrap()
        );
        assert!(!seen.headers.contains_key("x-byok-key"));
        let holders = seen
            .headers
            .values()
            .filter(|value| value.to_str().unwrap_or_default().contains(CANARY))
            .count();
        assert_eq!(holders, 1, "the key travels in one header only");
    }
}

#[tokio::test]
async fn credentials_of_the_client_never_cross() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let request = relay
        .request("GET", "/providers/openai/v1/models")
        .header("x-byok-key", CANARY)
        .header("authorization", "Bearer sdk-placeholder")
        .header("x-api-key", "other")
        .header("x-goog-api-key", "other")
        .header("api-key", "other")
        .header("cookie", "session=1")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-custom", "kept")
        .body(Body::empty())
        .unwrap();
    assert_eq!(relay.reply(request).await.status, 200);
    let seen = provider.only();
    assert_eq!(seen.headers["authorization"], format!("Bearer {CANARY}"));
    assert_eq!(seen.headers["x-custom"], "kept");
    for gone in [
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "cookie",
        "x-forwarded-for",
    ] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn body_query_and_status_cross_unchanged() {
    let provider = StandIn::start(|_| {
        Response::builder()
            .status(429)
            .header("content-type", "application/json; charset=utf-8")
            .header("retry-after", "7")
            .header("x-ratelimit-remaining-requests", "0")
            .header("set-cookie", "a=b")
            .header("openai-organization", "acme")
            .body(Body::from("{\"error\": 1}"))
            .unwrap()
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let body = "{\"model\":\"gpt-4o\",  \"n\":1e0 , \"x\":\"\\u00e9\"}";
    let reply = relay
        .post("/providers/openai/v1/chat/completions?a=1&b=%20c", body)
        .await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.text(), "{\"error\": 1}");
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(reply.header("retry-after"), Some("7"));
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(reply.header("set-cookie"), None);
    assert_eq!(reply.header("openai-organization"), None);
    assert_eq!(
        reply.header("x-byok-error"),
        None,
        "the provider's own error is not ours"
    );
    let seen = provider.only();
    assert_eq!(seen.body, body.as_bytes());
    assert_eq!(seen.uri.query(), Some("a=1&b=%20c"));
    assert_eq!(
        seen.headers["content-length"],
        body.len().to_string().as_str()
    );
}

#[tokio::test]
async fn empty_answers_stay_empty() {
    let provider =
        StandIn::start(|_| Response::builder().status(204).body(Body::empty()).unwrap()).await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let request = relay
        .request("DELETE", "/providers/openai/v1/files/file-1")
        .header("x-byok-key", CANARY)
        .body(Body::empty())
        .unwrap();
    let reply = relay.reply(request).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn bad_requests_never_reach_the_provider() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    for (path, status, code) in [
        ("/providers/nobody/v1/models", 404, "unknown_provider"),
        ("/providers/OpenAI/v1/models", 404, "unknown_provider"),
        ("/providers/openai", 404, "not_found"),
        ("/providers/openai/v1/../organization", 400, "bad_path"),
        ("/providers/openai/v1/%2e%2e/organization", 400, "bad_path"),
        ("/providers/openai/v1%2forganization", 400, "bad_path"),
        ("/providers/openai//evil.example/v1/models", 400, "bad_path"),
        ("/providers/openai/v1/models%00", 400, "bad_path"),
        (
            "/providers/openai/@evil.example/v1/models",
            400,
            "endpoint_unsupported",
        ),
        (
            "/providers/openai/v1/realtime/client_secrets",
            403,
            "endpoint_denied",
        ),
        (
            "/providers/openai/v1/organization/admin_api_keys",
            403,
            "endpoint_denied",
        ),
        ("/providers/openai/v1/models?api_key=x", 400, "key_in_query"),
        ("/providers/google/v1beta/models?key=x", 400, "key_in_query"),
        (
            "/providers/google/v1beta/models?k%65y=x",
            400,
            "key_in_query",
        ),
    ] {
        let method = if path.contains("client_secrets") {
            "POST"
        } else {
            "GET"
        };
        let request = relay
            .request(method, path)
            .header("x-byok-key", CANARY)
            .body(Body::empty())
            .unwrap();
        let reply = relay.reply(request).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{path}"
        );
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn key_headers_are_judged() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let path = "/providers/openai/v1/models";
    type Headers = &'static [(&'static str, &'static str)];
    let cases: [(Headers, u16, &str); 7] = [
        (&[], 401, "missing_key"),
        (&[("authorization", "Bearer sk-proj-x")], 401, "missing_key"),
        (&[("x-byok-key", "")], 400, "bad_key_header"),
        (
            &[("x-byok-key", "a1"), ("x-byok-key", "a2")],
            400,
            "duplicate_key_header",
        ),
        (
            &[("x-byok-key", "a1"), ("x-byok-lease", "kfl_1.2")],
            400,
            "duplicate_key_header",
        ),
        (
            &[("x-byok-key", "a1"), ("x-byok-provider", "groq")],
            400,
            "provider_mismatch",
        ),
        (&[("x-byok-key", "kf1.k1.a.b.c.d")], 400, "bad_seal"),
    ];
    for (headers, status, code) in cases {
        let mut request = relay.request("GET", path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = relay.reply(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{headers:?}"
        );
        if code == "missing_key" {
            assert_eq!(reply.json()["provider"], "openai");
        }
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn oversized_bodies_are_refused_announced_or_not() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(
        provider.address,
        "[server]\nmax_body_bytes = 1000\nmax_buffered_body_bytes = 1000\n",
    )
    .await;
    let path = "/providers/openai/v1/chat/completions";
    let reply = relay.post(path, &"x".repeat(1001)).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "body_too_large")
    );

    let (sender, receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(4);
    tokio::spawn(async move {
        for _ in 0..20 {
            if sender.send(vec![b'x'; 100]).await.is_err() {
                break;
            }
        }
    });
    let request = relay
        .request("POST", path)
        .header("x-byok-key", CANARY)
        .body(Body::new(ChannelBody(receiver)))
        .unwrap();
    let reply = relay.reply(request).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "body_too_large")
    );
    assert_eq!(provider.count(), 0, "the provider saw no whole request");

    assert_eq!(relay.post(path, &"x".repeat(1000)).await.status, 200);
}

#[tokio::test]
async fn redirects_are_not_followed_and_not_shown() {
    let elsewhere = StandIn::ok().await;
    let target = format!("http://{}/steal", elsewhere.address);
    let provider = StandIn::start(move |_| {
        Response::builder()
            .status(307)
            .header("location", &target)
            .body(Body::empty())
            .unwrap()
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let reply = relay.get("/providers/anthropic/v1/models").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_bad_response")
    );
    assert_eq!(reply.header("location"), None);
    assert_eq!(reply.header("x-byok-paid-by"), Some("user"));
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn an_absent_provider_is_a_typed_error() {
    let gone = free_address();
    let relay = TestRelay::with_provider(gone, "").await;
    let reply = relay.get("/providers/openai/v1/models").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_unreachable")
    );
    assert_eq!(reply.json()["provider"], "openai");
}

#[tokio::test]
async fn every_answer_has_an_id_and_timings() {
    let provider = StandIn::start(|_| json_response(200, "{}")).await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let first = relay.get("/providers/openai/v1/models").await;
    let second = relay.get("/providers/nobody/v1/models").await;
    assert!(
        first
            .header("server-timing")
            .unwrap()
            .contains("provider;dur=")
    );
    assert!(
        second
            .header("server-timing")
            .unwrap()
            .starts_with("relay;dur=")
    );
    assert_ne!(
        first.header("x-byok-request-id"),
        second.header("x-byok-request-id")
    );
    assert!(first.header("x-byok-request-id").is_some());
}

#[tokio::test]
async fn operator_defined_providers_work() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(
        provider.address,
        "[providers.my-llm]\nbase_url = \"BASE_URL\"\nauth = \"x-llm-key\"\nallow = [\"POST /v1/rerank\"]\n",
    )
    .await;
    assert_eq!(
        relay.post("/providers/my-llm/v1/rerank", "{}").await.status,
        200
    );
    assert_eq!(provider.only().headers["x-llm-key"], CANARY);
    let reply = relay.post("/providers/my-llm/v1/other", "{}").await;
    assert_eq!(reply.code(), "endpoint_unsupported");
}
