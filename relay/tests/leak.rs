//! No part of a key leaves the relay but in the provider's auth header: not in logs at any level, not in metrics,
//! not in answers, whatever provider or client do, and however the key travelled.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::log::Log;
use crate::support::seal::{FIRST, Vault, secrets};
use crate::support::secrecy::line_with;
use crate::support::{CANARY, Seen, StandIn, TestRelay, free_address, raw_provider, read_head};

/// The line of `text` that shows a part of `key`.
fn leaked<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    line_with(text, key.strip_prefix("sk-proj-").unwrap_or(key))
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

/// Calls a relay with the canary, plain or sealed, and keeps whatever comes back.
struct Client<'a> {
    relay: &'a TestRelay,
    vault: Option<Vault>,
    answers: Vec<(String, String)>,
}

/// An answer's status, the relay's code for it, and as much of the body as came.
struct Answer {
    status: u16,
    code: String,
    body: String,
}

impl<'a> Client<'a> {
    async fn open(relay: &'a TestRelay, sealed: bool) -> Self {
        let vault = match sealed {
            true => Some(Vault::open(relay, 1).await),
            false => None,
        };
        Self {
            relay,
            vault,
            answers: Vec::new(),
        }
    }

    /// The value of `X-BYOK-Key` for a request.
    fn key(&mut self, method: &str, path: &str, provider: &str) -> String {
        match &mut self.vault {
            Some(vault) => vault.seal(method, path, provider),
            None => CANARY.to_owned(),
        }
    }

    /// Sends with the key, unless `headers` say otherwise about it.
    async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let given = |name: &str| headers.iter().find(|header| header.0 == name);
        let mut request = self.relay.request(method, path);
        if given("x-byok-key").or(given("x-byok-lease")).is_none() {
            let provider = given("x-byok-provider").map_or("", |header| header.1);
            request = request.header("x-byok-key", self.key(method, path, provider));
        }
        if given("content-type").is_none() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (head, mut stream) = self.relay.send(request).await.into_parts();
        let mut received = Vec::new();
        while let Some(Ok(frame)) = stream.frame().await {
            received.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        }
        let body = String::from_utf8_lossy(&received).into_owned();
        let shown = format!("{} {:?}\n{body}", head.status, head.headers);
        self.answers
            .push((format!("{method} {path} {headers:?}"), shown));
        let code = head.headers.get("x-byok-error");
        Answer {
            status: head.status.as_u16(),
            code: code.map_or(String::new(), |code| code.to_str().unwrap().to_owned()),
            body,
        }
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body).await
    }

    /// Searches all answers, the metrics and the log for the canary and for `secret`.
    fn assert_clean(&self, secret: &str) {
        let mut texts = self.answers.clone();
        let metrics = self.relay.relay.metrics().render().unwrap();
        assert!(metrics.contains("keyferry_"), "{metrics}");
        texts.push(("metrics".to_owned(), metrics));
        let logged = Log::capture().own();
        assert!(logged.contains("keyferry_relay::access"), "{logged}");
        texts.push(("log".to_owned(), Log::capture().text()));
        for (what, text) in texts {
            // Nor in any escaping a browser would undo.
            let undone = unescape(&text.replace("%41", "A").replace("%2D", "-"));
            for form in [&text, &undone] {
                assert_eq!(leaked(form, CANARY), None, "{what}");
                assert_eq!(leaked(form, secret), None, "{what}");
            }
        }
    }
}

/// Every route, rightly and wrongly called.
async fn every_route(client: &mut Client<'_>) {
    for path in [
        "/providers/openai/v1/models",
        "/providers/openai/v1/chat/completions",
        "/providers/openai/v1/embeddings",
        "/providers/anthropic/v1/models",
        "/providers/google/v1beta/models",
        "/providers/nobody/v1/models",
        "/providers/openai/v1/%2e%2e/x",
        "/v1/models",
        "/v1/usage",
        "/v1/limits",
        "/.well-known/keyferry",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/nothing",
    ] {
        client.get(path).await;
    }
    let of_openai = [("x-byok-provider", "openai")];
    client.send("GET", "/v1/models", &of_openai, "").await;
    for (path, body) in [
        (
            "/v1/chat/completions",
            r#"{"model":"gpt-4o","stream":true}"#,
        ),
        ("/v1/completions", r#"{"model":"gpt-3.5-turbo-instruct"}"#),
        (
            "/v1/embeddings",
            r#"{"model":"text-embedding-3-small","input":"a"}"#,
        ),
        ("/v1/responses", r#"{"model":"gpt-4o","input":"a"}"#),
        ("/v1/keys/test", r#"{"provider":"openai"}"#),
        ("/v1/keys/test", r#"{"provider":"openai","deep":true}"#),
        (
            "/providers/openai/v1/chat/completions",
            r#"{"model":"gpt-4o"}"#,
        ),
        ("/providers/openai/v1/organization/admin_api_keys", "{}"),
    ] {
        client.post(path, body).await;
    }
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    let form =
        "--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x--\r\n";
    let path = "/v1/audio/transcriptions";
    client.send("POST", path, &multipart, form).await;
}

/// The key where none belongs.
async fn misplaced(client: &mut Client<'_>) {
    let long = CANARY.repeat(100);
    let list = format!("{CANARY}, {CANARY}");
    let kid = format!("kf1.{CANARY}.AAAA.0.AAAA.AAAA");
    let boundary = format!("multipart/form-data; boundary={CANARY}");
    let bearer = format!("Bearer {CANARY}");
    for (name, value) in [
        ("x-byok-provider", CANARY),
        ("x-byok-fallback", CANARY),
        ("x-byok-key", &long),
        ("x-byok-key", &list),
        ("x-byok-key", &kid),
        ("x-byok-lease", CANARY),
        ("origin", CANARY),
        ("cookie", CANARY),
        ("upgrade", CANARY),
        ("sec-fetch-dest", CANARY),
        ("authorization", &bearer),
        ("content-type", &boundary),
    ] {
        for path in ["/providers/openai/v1/models", "/v1/models"] {
            client.send("GET", path, &[(name, value)], "").await;
        }
        let path = "/v1/audio/transcriptions";
        client.send("POST", path, &[(name, value)], "{}").await;
    }
    let both = [("x-byok-key", CANARY), ("x-byok-lease", CANARY)];
    client.send("GET", "/v1/models", &both, "").await;
    for path in [
        format!("/{CANARY}"),
        format!("/v1/leases/{CANARY}"),
        format!("/providers/{CANARY}/v1/models"),
        format!("/providers/openai/v1/models/{CANARY}"),
        format!("/providers/openai/v1/models?key={CANARY}"),
        format!("/v1/models?key={CANARY}"),
    ] {
        for method in ["GET", "POST", "DELETE", "TRACE", CANARY] {
            client.send(method, &path, &[], "").await;
        }
    }
    for body in [
        CANARY.to_owned(),
        format!(r#"{{"model":"{CANARY}"}}"#),
        format!(r#"{{"model":"gpt-4o","api_key":"{CANARY}"}}"#),
        format!(r#"{{"model":"gpt-4o","{CANARY}":1,"{CANARY}":2}}"#),
        format!(r#"{{"provider":"{CANARY}"}}"#),
        format!(r#"{{"provider":"openai","{CANARY}":1}}"#),
        format!(r#"{{"provider":"openai","deep":"{CANARY}","ttlSeconds":"{CANARY}"}}"#),
    ] {
        for path in ["/v1/chat/completions", "/v1/keys/test", "/v1/leases"] {
            client.post(path, &body).await;
        }
    }
}

/// A lease: its handle, right or wrong, wherever one could be put, and the key behind it. Returns
/// the handle's secret.
async fn leases(client: &mut Client<'_>) -> String {
    let made = client.post("/v1/leases", r#"{"provider":"openai"}"#).await;
    assert_eq!(made.status, 201, "{}", made.body);
    // The one answer that holds the handle.
    let (what, shown) = client.answers.pop().unwrap();
    assert_eq!(leaked(&shown, CANARY), None, "{what}: {shown}");
    let document: serde_json::Value = serde_json::from_str(&made.body).unwrap();
    let handle = document["handle"].as_str().unwrap();
    let (id, secret) = handle.split_once('.').unwrap();
    let (id, wrong) = (&id[4..], handle.replace('.', ".A"));
    let chat = r#"{"model":"gpt-4o","messages":[]}"#;
    for (method, path, provider, presented, body) in [
        (
            "GET",
            "/providers/openai/v1/models".to_owned(),
            "openai",
            handle,
            "",
        ),
        (
            "GET",
            "/providers/groq/openai/v1/models".to_owned(),
            "groq",
            handle,
            "",
        ),
        (
            "GET",
            "/providers/openai/v1/models".to_owned(),
            "openai",
            &wrong,
            "",
        ),
        (
            "GET",
            format!("/providers/openai/v1/models?lease={handle}"),
            "openai",
            &wrong,
            "",
        ),
        (
            "GET",
            format!("/providers/openai/{handle}"),
            "openai",
            handle,
            "",
        ),
        ("GET", "/v1/models".to_owned(), "openai", handle, ""),
        (
            "POST",
            "/v1/chat/completions".to_owned(),
            "openai",
            handle,
            chat,
        ),
        (
            "POST",
            "/v1/keys/test".to_owned(),
            "openai",
            handle,
            r#"{"provider":"openai"}"#,
        ),
        (
            "POST",
            "/v1/leases".to_owned(),
            "openai",
            handle,
            r#"{"provider":"openai"}"#,
        ),
        ("GET", format!("/v1/leases/{handle}"), "openai", handle, ""),
        ("GET", format!("/v1/leases/{id}"), "openai", handle, ""),
        ("DELETE", format!("/v1/leases/{id}"), "openai", &wrong, ""),
        ("DELETE", format!("/v1/leases/{id}"), "openai", handle, ""),
    ] {
        let headers = [("x-byok-lease", presented), ("x-byok-provider", provider)];
        client.send(method, &path, &headers, body).await;
    }
    secret.to_owned()
}

#[tokio::test]
async fn no_part_of_a_key_leaves_by_any_route() {
    Log::capture();
    let config = format!(
        "{}[limits]\nfailures_per_hour = 1000\n",
        secrets(FIRST, &[], "")
    );
    let mut asked = Vec::new();
    for sealed in [false, true] {
        let provider = StandIn::start(parrot).await;
        let relay = TestRelay::with_provider(provider.address, &config).await;
        let mut client = Client::open(&relay, sealed).await;
        every_route(&mut client).await;
        asked.push(provider.count());
        let secret = leases(&mut client).await;
        assert!(provider.count() > asked[asked.len() - 1]);
        misplaced(&mut client).await;
        client.assert_clean(&secret);
    }
    assert!(asked[0] >= 10, "{asked:?}");
    assert_eq!(
        asked[0], asked[1],
        "a sealed key goes where a plain one does"
    );
    assert!(Log::capture().own().contains("/v1/leases/{id}"));
}

#[tokio::test]
async fn refused_seals_tell_nothing() {
    Log::capture();
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &secrets(FIRST, &[], "")).await;
    let mut client = Client::open(&relay, true).await;
    let path = "/providers/openai/v1/models";
    let sealed = client.key("GET", path, "");
    let late = sealed.replacen("kf1.", "kf1.x", 1);
    for (value, code) in [(&sealed, ""), (&sealed, "replayed"), (&late, "unknown_kid")] {
        let answer = client.send("GET", path, &[("x-byok-key", value)], "").await;
        assert_eq!(answer.code, code, "{}", answer.body);
    }
    let elsewhere = client.key("GET", "/v1/models", "");
    let answer = client
        .send("GET", path, &[("x-byok-key", &elsewhere)], "")
        .await;
    assert_eq!(answer.code, "bad_seal");
    client.assert_clean(CANARY);
}

/// A provider that fails in the way the query's `after` names, with the key on its lips.
async fn failing(mut stream: TcpStream) {
    let head = read_head(&mut stream).await;
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("authorization: Bearer "))
        .unwrap();
    let most = &key[..40];
    let answer = match head.split(['=', ' ']).nth(2).unwrap() {
        "moved" => format!(
            "HTTP/1.1 307 Moved\r\nlocation: /{key}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        ),
        "nonsense" => format!("{key}\r\n\r\n"),
        "bad-header" => format!("HTTP/1.1 200 OK\r\n{key}\r\n\r\n"),
        "half-error" => format!("HTTP/1.1 401 No\r\ncontent-length: 999\r\n\r\n{most}"),
        "half-event" => format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: error\ndata: {most}"
        ),
        _ => String::new(),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
    // Longer than the relay waits for anything.
    tokio::time::sleep(Duration::from_secs(3)).await;
}

#[tokio::test]
async fn no_part_of_a_key_leaves_when_a_provider_fails() {
    Log::capture();
    let config = format!(
        "{}[timeouts]\nfirst_byte_ms = 300\nidle_ms = 300\nkey_test_ms = 300\n",
        secrets(FIRST, &[], "")
    );
    let provider = raw_provider(failing).await;
    for sealed in [false, true] {
        let relay = TestRelay::with_provider(provider, &config).await;
        let mut client = Client::open(&relay, sealed).await;
        for (fault, status, code) in [
            ("silence", 504, "provider_timeout"),
            ("moved", 502, "provider_bad_response"),
            ("nonsense", 502, "provider_bad_response"),
            ("bad-header", 502, "provider_bad_response"),
            ("half-error", 401, ""),
            ("half-event", 200, ""),
        ] {
            let path = format!("/providers/openai/v1/models?after={fault}");
            let answer = client.get(&path).await;
            let got = (answer.status, answer.code.as_str());
            assert_eq!(got, (status, code), "{fault}: {}", answer.body);
            // What came before the key was passed on: it was searched for in something.
            assert_eq!(answer.body.contains("event: error"), fault == "half-event");
        }
        for (path, body) in [
            (
                "/v1/chat/completions",
                r#"{"model":"gpt-4o","stream":true}"#,
            ),
            ("/v1/keys/test", r#"{"provider":"openai","deep":true}"#),
        ] {
            client.post(path, body).await;
        }
        client.assert_clean(CANARY);
    }
}

#[tokio::test]
async fn no_part_of_a_key_leaves_when_no_provider_is_there() {
    Log::capture();
    let gone = free_address();
    for sealed in [false, true] {
        let relay = TestRelay::with_provider(gone, &secrets(FIRST, &[], "")).await;
        let mut client = Client::open(&relay, sealed).await;
        let answer = client.get("/providers/openai/v1/models").await;
        assert_eq!(answer.status, 502, "{}", answer.body);
        client
            .post("/v1/chat/completions", r#"{"model":"gpt-4o"}"#)
            .await;
        client
            .post("/v1/keys/test", r#"{"provider":"openai"}"#)
            .await;
        client.assert_clean(CANARY);
    }
}
