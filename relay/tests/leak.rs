//! No part of a key leaves the relay but in the provider's auth header: not in logs at any level,
//! not in answers, whatever provider or client do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers fail as tests do"
)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::Response;
use keyferry_relay::telemetry::{dependency_cap, env_filter};
use support::{CANARY, Reply, Seen, StandIn, TestRelay};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The first run of 8 secret characters of `key` found in `text`.
fn leaked(text: &str, key: &str) -> Option<String> {
    let secret = key.strip_prefix("sk-proj-").unwrap_or(key);
    secret
        .as_bytes()
        .windows(8)
        .map(|window| String::from_utf8_lossy(window).into_owned())
        .find(|window| text.contains(window.as_str()))
}

/// JSON's `\uXXXX` undone.
fn unescape(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let code = part
            .get(..4)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code.and_then(char::from_u32) {
            Some(character) => {
                out.push(character);
                out.push_str(&part[4..]);
            }
            None => out.push_str(part),
        }
    }
    out
}

/// A provider that repeats the key wherever it can.
fn parrot(seen: &Seen) -> Response {
    let key = seen
        .headers
        .values()
        .filter_map(|value| value.to_str().ok())
        .find(|value| value.contains("CANARY"))
        .map(|value| value.trim_start_matches("Bearer ").to_owned())
        .unwrap_or_default();
    let escaped: String = key
        .chars()
        .map(|c| format!("\\u{:04x}", c as u32))
        .collect();
    let encoded = key.replace('A', "%41").replace('-', "%2D");
    let builder = Response::builder()
        .header("x-request-id", format!("req-{key}"))
        .header(
            "x-goog-upload-url",
            format!("https://provider.example/?key={key}"),
        );
    let path = seen.uri.path();
    if path.ends_with("/chat/completions") {
        let stream = format!(
            "data: {{\"a\":1}}\n\nevent: error\ndata: {{\"error\":\"bad key {key} {escaped}\"}}\n\n"
        );
        return builder
            .header("content-type", "text/event-stream")
            .body(Body::from(stream))
            .unwrap();
    }
    if path.ends_with("/embeddings") {
        return builder
            .status(302)
            .header("location", format!("/?{key}"))
            .body(Body::empty())
            .unwrap();
    }
    builder
        .status(401)
        .header("content-type", "application/json")
        .body(Body::from(format!(
            "{{\"error\":\"{key}\",\"b\":\"{escaped}\",\"c\":\"{encoded}\"}}"
        )))
        .unwrap()
}

#[tokio::test]
async fn no_part_of_a_key_leaves() {
    let log = Log::default();
    let writer = log.clone();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || writer.clone())
        .with_filter(dependency_cap())
        .with_filter(env_filter(Some("trace")));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();

    let provider = StandIn::start(parrot).await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let mut replies: Vec<(String, Reply)> = Vec::new();
    for path in [
        "/providers/openai/v1/models",
        "/providers/openai/v1/chat/completions",
        "/providers/openai/v1/embeddings",
        "/providers/anthropic/v1/models",
        "/providers/google/v1beta/models",
        "/providers/nobody/v1/models",
        "/providers/openai/v1/%2e%2e/x",
        "/v1/models",
        "/nothing",
    ] {
        replies.push((path.to_owned(), relay.get(path).await));
    }
    for (path, body) in [
        (
            "/v1/chat/completions",
            r#"{"model":"gpt-4o","stream":true}"#.to_owned(),
        ),
        (
            "/v1/completions",
            r#"{"model":"gpt-3.5-turbo-instruct"}"#.to_owned(),
        ),
        ("/v1/chat/completions", format!(r#"{{"model":"{CANARY}"}}"#)),
        (
            "/v1/chat/completions",
            format!(r#"{{"model":"gpt-4o","api_key":"{CANARY}"}}"#),
        ),
        (
            "/v1/keys/test",
            r#"{"provider":"openai","deep":true}"#.to_owned(),
        ),
        ("/v1/keys/test", format!(r#"{{"provider":"{CANARY}"}}"#)),
        ("/providers/openai/v1/chat/completions", "{}".to_owned()),
    ] {
        replies.push((path.to_owned(), relay.post(path, &body).await));
    }
    // Keys where none belong.
    for (name, value) in [
        ("x-byok-provider", CANARY),
        ("x-byok-fallback", CANARY),
        ("origin", CANARY),
        ("cookie", CANARY),
        ("x-byok-lease", CANARY),
    ] {
        let request = relay
            .request("GET", &format!("/providers/openai/v1/models?key={CANARY}"))
            .header("x-byok-key", CANARY)
            .header(name, value)
            .body(Body::empty())
            .unwrap();
        replies.push((name.to_owned(), relay.reply(request).await));
    }
    let request = relay
        .request("GET", &format!("/{CANARY}"))
        .body(Body::empty())
        .unwrap();
    replies.push(("path".to_owned(), relay.reply(request).await));

    // A lease: its handle, right or wrong, wherever one could be put, and the key behind it.
    let made = relay.post("/v1/leases", r#"{"provider":"openai"}"#).await;
    let handle = made.json()["handle"].as_str().unwrap().to_owned();
    let (id, handle_secret) = handle.split_once('.').unwrap();
    let (id, wrong) = (&id[4..], handle.replace('.', ".A"));
    for (method, path, presented) in [
        ("GET", "/providers/openai/v1/models".to_owned(), &handle),
        ("GET", "/providers/groq/openai/v1/models".to_owned(), &handle),
        ("GET", "/providers/openai/v1/models".to_owned(), &wrong),
        ("GET", format!("/providers/openai/v1/models?lease={handle}"), &wrong),
        ("GET", format!("/providers/openai/{handle}"), &handle),
        ("GET", format!("/v1/leases/{handle}"), &handle),
        ("GET", format!("/v1/leases/{id}"), &handle),
        ("DELETE", format!("/v1/leases/{id}"), &wrong),
        ("DELETE", format!("/v1/leases/{id}"), &handle),
    ] {
        let request = relay
            .request(method, &path)
            .header("x-byok-lease", presented)
            .header("x-byok-provider", if path.contains("groq") { "groq" } else { "openai" })
            .body(Body::empty())
            .unwrap();
        replies.push((format!("lease {path}"), relay.reply(request).await));
    }
    let shown = format!("{made:?}");
    assert_eq!(leaked(&shown, CANARY), None, "{shown}");

    for (what, reply) in &replies {
        let shown = format!("{:?}\n{}", reply.headers, reply.text());
        assert_eq!(leaked(&shown, CANARY), None, "{what}: {shown}");
        assert_eq!(leaked(&shown, handle_secret), None, "{what}: {shown}");
        // Nor in any escaping a browser would undo.
        let undone = unescape(&shown.replace("%41", "A").replace("%2D", "-"));
        assert_eq!(leaked(&undone, CANARY), None, "{what}: {shown}");
    }
    assert!(provider.count() > 5, "the provider was asked");
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("keyferry_relay::access"), "{logged}");
    assert_eq!(leaked(&logged, CANARY), None, "{logged}");
    assert_eq!(leaked(&logged, handle_secret), None, "{logged}");
    assert!(logged.contains("/v1/leases/{id}"), "{logged}");
}
