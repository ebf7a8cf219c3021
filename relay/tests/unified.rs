//! The OpenAI-shaped routes: where a model leads, and what arrives there.

use axum::body::Body;

use crate::support::{CANARY, StandIn, TestRelay};

/// A key whose form tells no provider.
const NEUTRAL: &str = "neutral-0123456789-abcdefghij";

/// A form with `model` before or after `file`.
fn form(model_first: bool, model: &str) -> (String, Vec<u8>) {
    let part = format!("--XX\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n");
    let file = "--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\ncontent-type: audio/mpeg\r\n\r\n\u{1}\u{2}--X\r\n".to_owned();
    let parts = if model_first {
        part + &file
    } else {
        file + &part
    };
    (
        "multipart/form-data; boundary=XX".to_owned(),
        (parts + "--XX--\r\n").into_bytes(),
    )
}

#[tokio::test]
async fn models_lead_to_their_providers() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    for (route, model, id, path, sent) in [
        (
            "/v1/chat/completions",
            "gpt-4o",
            "openai",
            "/v1/chat/completions",
            "gpt-4o",
        ),
        (
            "/v1/chat/completions",
            "openai/gpt-4o",
            "openai",
            "/v1/chat/completions",
            "gpt-4o",
        ),
        (
            "/v1/chat/completions",
            "anthropic/claude-sonnet-4-5",
            "anthropic",
            "/v1/chat/completions",
            "claude-sonnet-4-5",
        ),
        (
            "/v1/chat/completions",
            "gemini-2.5-flash",
            "google",
            "/v1beta/openai/chat/completions",
            "gemini-2.5-flash",
        ),
        (
            "/v1/embeddings",
            "text-embedding-3-small",
            "openai",
            "/v1/embeddings",
            "text-embedding-3-small",
        ),
        (
            "/v1/responses",
            "o3-mini",
            "openai",
            "/v1/responses",
            "o3-mini",
        ),
        (
            "/v1/chat/completions",
            "some/unknown-model",
            "openrouter",
            "/api/v1/chat/completions",
            "some/unknown-model",
        ),
    ] {
        let request = relay
            .request("POST", route)
            .header("x-byok-key", NEUTRAL)
            .header("content-type", "application/json")
            .body(Body::from(format!(
                r#"{{ "stream" :false, "model":"{model}","x":1.50}}"#
            )))
            .unwrap();
        let reply = relay.reply(request).await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        assert_eq!(reply.header("x-byok-provider"), Some(id), "{model}");
        assert_eq!(reply.header("x-byok-paid-by"), Some("user"));
        let seen = provider.seen().pop().unwrap();
        assert_eq!(seen.uri.path(), path, "{model}");
        assert_eq!(
            seen.body,
            format!(r#"{{ "stream" :false, "model":"{sent}","x":1.50}}"#).as_bytes(),
            "only the model's bytes change"
        );
    }
}

#[tokio::test]
async fn an_openrouter_key_serves_every_model() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let key = format!("sk-or-v1-{}", "0123456789abcdef".repeat(4));
    for (header, model) in [
        (true, "gpt-4o"),
        (false, "gpt-4o"),
        (false, "openai/gpt-4o"),
    ] {
        let mut request = relay
            .request("POST", "/v1/chat/completions")
            .header("x-byok-key", &key)
            .header("content-type", "application/json");
        if header {
            request = request.header("x-byok-provider", "openrouter");
        }
        let body = format!(r#"{{"model":"{model}"}}"#);
        let reply = relay.reply(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(
            reply.header("x-byok-provider"),
            Some("openrouter"),
            "{}",
            reply.text()
        );
        let seen = provider.seen().pop().unwrap();
        assert_eq!(seen.body, br#"{"model":"openai/gpt-4o"}"#.as_slice());
        assert_eq!(seen.headers["authorization"], format!("Bearer {key}"));
    }
}

#[tokio::test]
async fn a_key_is_not_shown_to_another_company() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let key = format!("sk-ant-api03-{}", "A".repeat(95));
    let request = |provider: Option<&str>| {
        let mut request = relay
            .request("POST", "/v1/chat/completions")
            .header("x-byok-key", &key)
            .header("content-type", "application/json");
        if let Some(provider) = provider {
            request = request.header("x-byok-provider", provider);
        }
        request.body(Body::from(r#"{"model":"gpt-4o"}"#)).unwrap()
    };
    let reply = relay.reply(request(None)).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "provider_mismatch")
    );
    assert!(!reply.text().contains("AAAAAAAA"));
    assert_eq!(provider.count(), 0);
    // Said explicitly, it is the caller's choice.
    assert_eq!(relay.reply(request(Some("openai"))).await.status, 200);
}

#[tokio::test]
async fn transcriptions_find_the_model_anywhere_in_the_form() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    for model_first in [true, false] {
        for (model, sent) in [
            ("whisper-1", "whisper-1"),
            ("openai/whisper-1", "whisper-1"),
        ] {
            let (kind, body) = form(model_first, model);
            let request = relay
                .request("POST", "/v1/audio/transcriptions")
                .header("x-byok-key", CANARY)
                .header("content-type", kind)
                .body(Body::from(body))
                .unwrap();
            let reply = relay.reply(request).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let seen = provider.seen().pop().unwrap();
            assert_eq!(seen.uri.path(), "/v1/audio/transcriptions");
            assert_eq!(seen.body, form(model_first, sent).1);
        }
    }
}

#[tokio::test]
async fn bad_requests_are_typed_and_never_sent() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let json = "application/json";
    let key_in_text = format!(r#"{{"model":"gpt-4o","messages":["{NEUTRAL}"]}}"#);
    let (_, no_model) = (
        "",
        b"--XX\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nb\r\n--XX--\r\n",
    );
    let cases: Vec<(&str, &str, &[u8], u16, &str)> = vec![
        ("/v1/chat/completions", json, b"", 400, "bad_json"),
        ("/v1/chat/completions", json, b"{", 400, "bad_json"),
        ("/v1/chat/completions", json, b"[]", 400, "bad_json"),
        ("/v1/chat/completions", json, b"{}", 400, "missing_model"),
        (
            "/v1/chat/completions",
            json,
            br#"{"model":1}"#,
            400,
            "bad_field",
        ),
        (
            "/v1/chat/completions",
            json,
            br#"{"model":""}"#,
            400,
            "bad_field",
        ),
        (
            "/v1/chat/completions",
            json,
            br#"{"model":"a","model":"b"}"#,
            400,
            "duplicate_field",
        ),
        (
            "/v1/chat/completions",
            json,
            br#"{"model":"a","MODEL":"b"}"#,
            400,
            "duplicate_field",
        ),
        (
            "/v1/chat/completions",
            json,
            br#"{"model":"gpt-4o","api_key":"x"}"#,
            400,
            "key_in_body",
        ),
        (
            "/v1/chat/completions",
            json,
            key_in_text.as_bytes(),
            400,
            "key_in_body",
        ),
        (
            "/v1/chat/completions",
            "text/plain",
            br#"{"model":"gpt-4o"}"#,
            415,
            "unsupported_media_type",
        ),
        (
            "/v1/chat/completions",
            "",
            br#"{"model":"gpt-4o"}"#,
            415,
            "unsupported_media_type",
        ),
        (
            "/v1/audio/transcriptions",
            json,
            br#"{"model":"whisper-1"}"#,
            415,
            "unsupported_media_type",
        ),
        (
            "/v1/audio/transcriptions",
            "multipart/form-data; boundary=XX",
            no_model,
            400,
            "missing_model",
        ),
        (
            "/v1/audio/transcriptions",
            "multipart/form-data; boundary=XX",
            b"--XX\r\n",
            400,
            "bad_form",
        ),
        (
            "/v1/completions",
            json,
            br#"{"model":"claude-sonnet-4-5"}"#,
            400,
            "endpoint_unsupported",
        ),
        (
            "/v1/embeddings",
            json,
            br#"{"model":"anthropic/claude-sonnet-4-5"}"#,
            400,
            "endpoint_unsupported",
        ),
        (
            "/v1/chat/completions?api_key=1",
            json,
            br#"{"model":"gpt-4o"}"#,
            400,
            "key_in_query",
        ),
        (
            "/v1/nothing",
            json,
            br#"{"model":"gpt-4o"}"#,
            404,
            "not_found",
        ),
    ];
    for (path, kind, body, status, code) in cases {
        let mut request = relay.request("POST", path).header("x-byok-key", NEUTRAL);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let reply = relay
            .reply(request.body(Body::from(body.to_vec())).unwrap())
            .await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{path} {shown}"
        );
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn a_missing_endpoint_names_what_there_is() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let request = relay
        .request("POST", "/v1/embeddings")
        .header("x-byok-key", NEUTRAL)
        .header("content-type", "application/json")
        .body(Body::from(r#"{"model":"anthropic/claude-sonnet-4-5"}"#))
        .unwrap();
    let reply = relay.reply(request).await;
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("/v1/chat/completions"), "{detail}");
    assert!(detail.contains("/v1/models"), "{detail}");
    assert_eq!(reply.json()["provider"], "anthropic");
}

#[tokio::test]
async fn relay_headers_are_judged() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    for (name, value, code) in [
        ("x-byok-provider", "nobody", "unknown_provider"),
        ("x-byok-provider", "groq", "provider_mismatch"),
        ("x-byok-fallback", "always", "bad_header"),
        ("x-byok-fallback", "Allow", "bad_header"),
    ] {
        let request = relay
            .request("POST", "/v1/chat/completions")
            .header("x-byok-key", CANARY)
            .header("content-type", "application/json")
            .header(name, value)
            .body(Body::from(r#"{"model":"anthropic/claude-sonnet-4-5"}"#))
            .unwrap();
        assert_eq!(relay.reply(request).await.code(), code, "{name}: {value}");
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn the_model_list_is_the_catalogues_or_one_providers() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let request = relay
        .request("GET", "/v1/models")
        .body(Body::empty())
        .unwrap();
    let list = relay.reply(request).await.json();
    let models = list["data"].as_array().unwrap();
    assert_eq!(list["object"], "list");
    for id in ["openai", "anthropic", "google"] {
        assert!(models.iter().any(|model| model["owned_by"] == id), "{id}");
    }
    assert!(models.iter().any(|model| model["id"] == "openai/gpt-4o"));
    assert_eq!(provider.count(), 0);

    let request = relay
        .request("GET", "/v1/models")
        .header("x-byok-key", CANARY)
        .header("x-byok-provider", "google")
        .body(Body::empty())
        .unwrap();
    assert_eq!(relay.reply(request).await.status, 200);
    let seen = provider.only();
    assert_eq!(seen.uri.path(), "/v1beta/openai/models");
    assert_eq!(seen.headers["authorization"], format!("Bearer {CANARY}"));
}
