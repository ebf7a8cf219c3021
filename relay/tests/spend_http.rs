//! Money and use as clients meet them: caps, what an answer cost, what a broken one is charged.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use serde_json::{Value, json};

use crate::support::{
    CANARY, ChannelBody, Reply, Seen, StandIn, TestRelay, free_address, json_response,
    raw_provider, read_head,
};

/// Ten cents a request, whatever is in it.
const DIME: &str = "[prices.\"my-model\"]\nrequest_usd = 0.10\n";

fn body(model: &str) -> String {
    json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] }).to_string()
}

async fn usage(relay: &TestRelay) -> Value {
    let reply = relay.get("/v1/usage").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// The one line of use there is.
async fn only_line(relay: &TestRelay) -> Value {
    let report = usage(relay).await;
    let lines = report["usage"].as_array().unwrap();
    assert_eq!(lines.len(), 1, "{report}");
    lines[0].clone()
}

/// A stream of `chunks`, each sent by itself.
fn events(chunks: &[&str]) -> Response {
    let (sender, receiver) = tokio::sync::mpsc::channel(chunks.len().max(1));
    for chunk in chunks {
        sender.try_send(chunk.as_bytes().to_vec()).unwrap();
    }
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::new(ChannelBody(receiver)))
        .unwrap()
}

const DELTA: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// Streams as OpenAI does: with usage only when asked.
fn openai_stream(seen: &Seen) -> Response {
    let asked = serde_json::from_slice::<Value>(&seen.body)
        .is_ok_and(|body| body["stream_options"]["include_usage"] == true);
    if asked {
        events(&[DELTA, USAGE, DONE])
    } else {
        events(&[DELTA, DONE])
    }
}

async fn parallel(relay: &TestRelay, count: usize, path: &'static str, model: &str) -> Vec<Reply> {
    let requests = (0..count).map(|_| relay.post(path, model));
    futures_util::future::join_all(requests).await
}

#[tokio::test]
async fn exactly_fifty_of_a_hundred_dimes_fit_under_five_dollars() {
    let provider = StandIn::ok().await;
    let config = format!("{DIME}[limits]\ndaily_cap_usd = 5.0\n");
    for (path, model) in [
        ("/v1/chat/completions", "openai/my-model"),
        ("/providers/openai/v1/chat/completions", "my-model"),
    ] {
        let relay = TestRelay::with_provider(provider.address, &config).await;
        let before = provider.count();
        let replies = parallel(&relay, 100, path, &body(model)).await;
        let passed = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(passed, 50, "{path}");
        assert_eq!(
            provider.count() - before,
            50,
            "the others never reach the provider"
        );
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (402, "daily_cap_reached")
            );
            assert_eq!(reply.json()["limit"], "daily_cap");
            let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
            assert!(wait <= 86_400);
        }
        let line = only_line(&relay).await;
        assert_eq!(
            (&line["requests"], &line["costUsd"]),
            (&json!(50), &json!(5.0))
        );
        assert_eq!(line["estimatedUsd"], json!(0.0));
    }
}

#[tokio::test]
async fn what_an_answer_reports_is_what_it_costs() {
    let provider = StandIn::start(|_| {
        json_response(
            200,
            r#"{"usage":{"prompt_tokens":1000,"completion_tokens":100,"prompt_tokens_details":{"cached_tokens":400}}}"#,
        )
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let reply = relay.post("/v1/chat/completions", &body("gpt-4o")).await;
    assert_eq!(
        reply.header("x-byok-price"),
        Some("input=2500000;output=10000000")
    );
    relay
        .post("/providers/openai/v1/chat/completions", &body("gpt-4o"))
        .await;
    let line = only_line(&relay).await;
    // 600 at 2.50, 400 at 1.25, 100 at 10.00 dollars a million, twice.
    let expected = json!({
        "provider": "openai", "model": "gpt-4o", "payer": "user", "requests": 2, "errors": 0,
        "inputTokens": 2000, "cachedTokens": 800, "outputTokens": 200, "audioSeconds": 0.0,
        "costUsd": 0.006, "estimatedUsd": 0.0, "estimatedRequests": 0, "unpricedRequests": 0,
        "otherPayerUsd": 0.006, "otherPayerUnpricedRequests": 0,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&line[field], value, "{field}");
    }
}

#[tokio::test]
async fn the_usage_chunk_is_asked_for_and_taken_out_again() {
    let provider = StandIn::start(openai_stream).await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let stream = r#"{"model":"gpt-4o","messages":[],"stream":true}"#;
    for path in [
        "/v1/chat/completions",
        "/providers/openai/v1/chat/completions",
    ] {
        let reply = relay.post(path, stream).await;
        assert_eq!(reply.text(), format!("{DELTA}{DONE}"), "{path}");
    }
    let asked =
        r#"{"model":"gpt-4o","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;
    let reply = relay.post("/v1/chat/completions", asked).await;
    assert_eq!(
        reply.text(),
        format!("{DELTA}{USAGE}{DONE}"),
        "whoever asks gets it"
    );
    let request = relay
        .request("POST", "/v1/chat/completions")
        .header("x-byok-key", CANARY)
        .header("x-byok-usage", "1")
        .header("content-type", "application/json")
        .body(Body::from(stream))
        .unwrap();
    let reply = relay.reply(request).await;
    assert_eq!(
        reply.text(),
        format!("{DELTA}{USAGE}{DONE}"),
        "the vault removes it itself"
    );
    let line = only_line(&relay).await;
    assert_eq!(
        (&line["inputTokens"], &line["outputTokens"]),
        (&json!(4000), &json!(400))
    );
    assert_eq!(line["estimatedRequests"], 0);
}

#[tokio::test]
async fn every_providers_own_report_is_read() {
    let provider = StandIn::start(|seen| match seen.uri.path() {
        "/v1/messages" => events(&[
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":100,\"cache_read_input_tokens\":40,\"output_tokens\":1}}}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":50}}\n\n",
        ]),
        "/api/v1/chat/completions" => json_response(
            200,
            r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":0.0123}}"#,
        ),
        "/v1/audio/transcriptions" => json_response(200, r#"{"text":"hi","duration":12.5}"#),
        _ => json_response(
            200,
            r#"{"usageMetadata":{"promptTokenCount":70,"candidatesTokenCount":30,"totalTokenCount":100}}"#,
        ),
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let claude = r#"{"model":"claude-sonnet-4-5","stream":true,"max_tokens":100,"messages":[]}"#;
    relay.post("/providers/anthropic/v1/messages", claude).await;
    relay
        .post(
            "/providers/google/v1beta/models/gemini-2.5-flash:generateContent",
            "{}",
        )
        .await;
    let free = r#"{"model":"qwen/qwen3:free","messages":[]}"#;
    relay
        .post("/providers/openrouter/api/v1/chat/completions", free)
        .await;
    let form = "--XX\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nabc\r\n--XX--\r\n";
    let request = relay
        .request("POST", "/v1/audio/transcriptions")
        .header("x-byok-key", CANARY)
        .header("content-type", "multipart/form-data; boundary=XX")
        .body(Body::from(form))
        .unwrap();
    assert_eq!(relay.reply(request).await.status, 200);

    let report = usage(&relay).await;
    let line = |provider: &str, model: &str| {
        let lines = report["usage"].as_array().unwrap();
        let found = lines
            .iter()
            .find(|line| line["provider"] == provider && line["model"] == model);
        found
            .unwrap_or_else(|| panic!("no {provider} {model} in {report}"))
            .clone()
    };
    let claude = line("anthropic", "claude-sonnet-4-5");
    assert_eq!(
        (&claude["inputTokens"], &claude["cachedTokens"]),
        (&json!(140), &json!(40))
    );
    // 100 at 3.00, 40 at 0.30, 50 at 15.00 dollars a million.
    assert_eq!(claude["costUsd"], json!(0.001_062));
    let gemini = line("google", "gemini-2.5-flash");
    assert_eq!(
        (&gemini["inputTokens"], &gemini["outputTokens"]),
        (&json!(70), &json!(30))
    );
    let reported = line("openrouter", "qwen/qwen3:free");
    assert_eq!(
        reported["costUsd"],
        json!(0.0123),
        "what the provider says counts"
    );
    assert_eq!(
        (
            &reported["unpricedRequests"],
            &reported["otherPayerUnpricedRequests"]
        ),
        (&json!(0), &json!(1))
    );
    let whisper = line("openai", "whisper-1");
    assert_eq!(whisper["audioSeconds"], json!(12.5));
    assert_eq!(
        whisper["costUsd"],
        json!(0.00125),
        "12.5 seconds at 0.006 dollars a minute"
    );
    for line in report["usage"].as_array().unwrap() {
        assert_eq!(line["estimatedRequests"], 0, "{line}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_charged_an_estimate() {
    let provider = raw_provider(|mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        read_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = format!("{:x}\r\n{DELTA}\r\n", DELTA.len());
        let _ = stream.write_all(format!("{head}{chunk}").as_bytes()).await;
    })
    .await;
    let relay = TestRelay::with_provider(provider, "").await;
    let reply = relay.post("/v1/chat/completions", &body("gpt-4o")).await;
    assert!(reply.text().contains("event: error"));
    let line = only_line(&relay).await;
    assert_eq!(line["estimatedRequests"], 1);
    assert_eq!(line["outputTokens"], 2, "five letters");
    assert!(line["costUsd"].as_f64().unwrap() > 0.0);
    assert_eq!(line["estimatedUsd"], line["costUsd"]);
}

#[tokio::test]
async fn a_stream_its_client_leaves_is_charged_an_estimate() {
    let provider = StandIn::start(|_| {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        sender.try_send(DELTA.as_bytes().to_vec()).unwrap();
        // Says nothing more, and never ends.
        tokio::spawn(async move {
            let _open = sender;
            std::future::pending::<()>().await;
        });
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::new(ChannelBody(receiver)))
            .unwrap()
    })
    .await;
    let config = "[limits]\ndaily_cap_usd = 5.0\n";
    let relay = TestRelay::with_provider(provider.address, config).await;
    let request = relay
        .request("POST", "/v1/chat/completions")
        .header("x-byok-key", CANARY)
        .header("content-type", "application/json")
        .body(Body::from(
            r#"{"model":"gpt-4o","messages":[],"stream":true,"max_tokens":100000}"#,
        ))
        .unwrap();
    let mut response = relay.send(request).await;
    http_body_util::BodyExt::frame(response.body_mut())
        .await
        .unwrap()
        .unwrap();
    let reserved = only_line(&relay).await["costUsd"].as_f64().unwrap();
    // 16,384 output tokens are the model's most, at 10 dollars a million.
    assert!((0.16..0.17).contains(&reserved), "{reserved}");
    drop(response);
    let mut settled = reserved;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        settled = only_line(&relay).await["costUsd"].as_f64().unwrap();
        if settled < reserved {
            break;
        }
    }
    assert!(settled > 0.0 && settled < 0.001, "{settled}");
    assert_eq!(only_line(&relay).await["estimatedRequests"], 1);
}

#[tokio::test]
async fn failures_cost_nothing_and_give_back_what_was_set_aside() {
    let provider = StandIn::start(|seen| {
        let status = if seen.body.windows(4).any(|part| part == b"good") {
            200
        } else {
            500
        };
        json_response(status, r#"{"error":"x"}"#)
    })
    .await;
    let config = format!("{DIME}[limits]\ndaily_cap_usd = 0.10\n");
    let relay = TestRelay::with_provider(provider.address, &config).await;
    let good = json!({ "model": "openai/my-model", "user": "good" }).to_string();
    for _ in 0..3 {
        let reply = relay
            .post("/v1/chat/completions", &body("openai/my-model"))
            .await;
        assert_eq!(reply.status, 500);
    }
    assert_eq!(relay.post("/v1/chat/completions", &good).await.status, 200);
    assert_eq!(relay.post("/v1/chat/completions", &good).await.status, 402);
    let line = only_line(&relay).await;
    assert_eq!(line["costUsd"], 0.1);
    // The failures came before the key was known to be good: they are forgotten.
    assert_eq!((&line["requests"], &line["errors"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn an_unreachable_provider_costs_nothing() {
    let config = format!("{DIME}[limits]\ndaily_cap_usd = 0.10\n");
    let gone = free_address();
    let relay = TestRelay::with_provider(gone, &config).await;
    for _ in 0..3 {
        let reply = relay
            .post("/v1/chat/completions", &body("openai/my-model"))
            .await;
        assert_eq!(reply.code(), "provider_unreachable", "never the cap");
    }
}

#[tokio::test]
async fn under_a_cap_nothing_is_free_because_its_price_is_unknown() {
    let provider = StandIn::ok().await;
    let config = "[limits]\ndaily_cap_usd = 5.0\n";
    let relay = TestRelay::with_provider(provider.address, config).await;
    for (path, model) in [
        ("/v1/chat/completions", "openai/no-such-model"),
        ("/providers/openai/v1/chat/completions", "no-such-model"),
    ] {
        let reply = relay.post(path, &body(model)).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (402, "daily_cap_reached"),
            "{path}"
        );
    }
    assert_eq!(provider.count(), 0);
    assert_eq!(
        relay.get("/providers/openai/v1/models").await.status,
        200,
        "a list runs no model"
    );

    let uncapped = TestRelay::with_provider(provider.address, "").await;
    let reply = uncapped
        .post("/v1/chat/completions", &body("openai/no-such-model"))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-byok-price"), None, "unknown is not zero");
    let line = only_line(&uncapped).await;
    assert_eq!(
        (&line["unpricedRequests"], &line["costUsd"]),
        (&json!(1), &json!(0.0))
    );
}

#[tokio::test]
async fn use_is_shown_to_its_own_key_only() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    relay.post("/v1/chat/completions", &body("gpt-4o")).await;
    assert_eq!(usage(&relay).await["usage"].as_array().unwrap().len(), 1);
    let ask = async |key: Option<&str>, query: &str| {
        let mut request = relay.request("GET", &format!("/v1/usage{query}"));
        if let Some(key) = key {
            request = request.header("x-byok-key", key);
        }
        relay.reply(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(ask(None, "").await.code(), "missing_key");
    let other = ask(Some("sk-proj-otherotherotherotherotherotherother"), "").await;
    assert_eq!(other.json()["usage"], json!([]));
    assert_eq!(ask(Some(CANARY), "?days=0").await.code(), "bad_field");
    assert_eq!(ask(Some(CANARY), "?days=35").await.status, 200);
}

#[tokio::test]
async fn the_servers_money_is_counted_apart() {
    let provider = StandIn::start(|_| {
        json_response(
            200,
            r#"{"usage":{"prompt_tokens":1000,"completion_tokens":0}}"#,
        )
    })
    .await;
    let config = "[payer]\nallow_unauthenticated = true\n[limits]\ndaily_cap_usd = 0.01\n\
                  [providers.openai]\nbase_url = \"BASE_URL\"\nserver_key = \"sk-proj-serverserverserverserver\"\n";
    let relay = TestRelay::with_provider(provider.address, config).await;
    let ask = async || {
        let request = relay
            .request("POST", "/v1/chat/completions")
            .header("content-type", "application/json")
            .body(Body::from(
                r#"{"model":"gpt-4o","messages":[],"max_tokens":10}"#,
            ))
            .unwrap();
        relay.reply(request).await
    };
    // A quarter of a cent each.
    for n in 0..4 {
        let reply = ask().await;
        assert_eq!(reply.status, 200, "{n}: {}", reply.text());
        assert_eq!(reply.header("x-byok-paid-by"), Some("server"));
    }
    assert_eq!(ask().await.code(), "daily_cap_reached");
}
