//! Jobs as clients make and follow them.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::support::{CANARY, Reply, Seen, StandIn, TestRelay, json_response};

/// Pauses short enough for a test.
pub(crate) const QUICK: &str = "[jobs]\nbackoff_ms = 50\n";

/// The beginning of a FLAC file; the stand-in does not listen to more.
pub(crate) const FLAC: &[u8] = b"fLaC\0\0\0\x22SONGcanaryXYZqrs8901tuvWXabcDEFghi23";

pub(crate) const SAID: &str = "TRANSCRIPTcanaryJKLmnop45QRStuv67WXYZabc";

/// What providers answer, by route.
pub(crate) fn answer(seen: &Seen) -> Response {
    if seen.uri.path().ends_with("/audio/transcriptions") {
        let body = json!({ "text": SAID, "usage": { "type": "duration", "seconds": 3 } });
        return json_response(200, &body.to_string());
    }
    json_response(200, CHAT_ANSWER)
}

pub(crate) const CHAT_ANSWER: &str = r#"{"id":"chatcmpl-1","choices":[{"message":{"role":"assistant","content":"ANSWER-canary"}}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10},"n":1.50}"#;

pub(crate) fn chat_request(model: &str) -> Value {
    let messages = json!([{ "role": "user", "content": "QUESTION-canary" }]);
    json!({ "kind": "chat", "request": { "model": model, "messages": messages } })
}

/// A job's id and handle.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) handle: String,
    pub(crate) expires_at: u64,
}

impl Job {
    pub(crate) fn read(reply: &Reply) -> Self {
        assert_eq!(reply.status, 202, "{}", reply.text());
        let made = reply.json();
        assert_eq!(made["status"], "queued");
        let job = Self {
            id: made["id"].as_str().unwrap().to_owned(),
            handle: made["handle"].as_str().unwrap().to_owned(),
            expires_at: made["expiresAt"].as_u64().unwrap(),
        };
        assert!(job.handle.starts_with(&format!("kfj_{}.", job.id)));
        assert!(made["createdAt"].as_u64().unwrap() < job.expires_at);
        job
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/jobs/{}", self.id)
    }
}

/// `POST /v1/jobs` of JSON, with these headers.
pub(crate) async fn order_with(relay: &TestRelay, headers: &[(&str, &str)], body: &Value) -> Reply {
    let mut request = relay
        .request("POST", "/v1/jobs")
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    relay
        .reply(request.body(Body::from(body.to_string())).unwrap())
        .await
}

pub(crate) async fn order(relay: &TestRelay, body: &Value) -> Reply {
    order_with(relay, &[("x-byok-key", CANARY)], body).await
}

/// A chat job of the canary.
pub(crate) async fn chat(relay: &TestRelay) -> Job {
    Job::read(&order(relay, &chat_request("gpt-4o")).await)
}

/// A form of these fields and this file, the file first.
pub(crate) fn form(fields: &[(&str, &str)], file: Option<&[u8]>) -> (String, Vec<u8>) {
    let boundary = "test-boundary";
    let mut body = Vec::new();
    if let Some(file) = file {
        body.extend_from_slice(
            format!("--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\ncontent-type: application/octet-stream\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    for (name, value) in fields {
        body.extend_from_slice(
            format!(
                "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .as_bytes(),
        );
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// `POST /v1/jobs` of a form.
pub(crate) async fn upload_with(
    relay: &TestRelay,
    headers: &[(&str, &str)],
    fields: &[(&str, &str)],
    file: Option<&[u8]>,
) -> Reply {
    let (content_type, body) = form(fields, file);
    let mut request = relay
        .request("POST", "/v1/jobs")
        .header("content-type", content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    relay.reply(request.body(Body::from(body)).unwrap()).await
}

pub(crate) async fn upload(
    relay: &TestRelay,
    fields: &[(&str, &str)],
    file: Option<&[u8]>,
) -> Reply {
    upload_with(relay, &[("x-byok-key", CANARY)], fields, file).await
}

pub(crate) const TRANSCRIBE: [(&str, &str); 2] =
    [("kind", "transcription"), ("model", "whisper-1")];

/// Any of the routes of a job.
pub(crate) async fn ask(relay: &TestRelay, method: &str, path: &str, handle: &str) -> Reply {
    let request = relay
        .request(method, path)
        .header("x-byok-job", handle)
        .body(Body::empty())
        .unwrap();
    relay.reply(request).await
}

pub(crate) async fn status(relay: &TestRelay, job: &Job) -> Value {
    let reply = ask(relay, "GET", &job.path(), &job.handle).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("cache-control").unwrap().contains("no-store"));
    reply.json()
}

pub(crate) async fn cancel(relay: &TestRelay, job: &Job) -> u16 {
    ask(relay, "DELETE", &job.path(), &job.handle).await.status
}

pub(crate) fn is_final(status: &Value) -> bool {
    ["completed", "failed", "cancelled"].contains(&status["status"].as_str().unwrap())
}

/// Waits until the job is as `wanted` says.
pub(crate) async fn until(relay: &TestRelay, job: &Job, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = status(relay, job).await;
        if wanted(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{now}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn ended(relay: &TestRelay, job: &Job) -> Value {
    until(relay, job, is_final).await
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An open event stream.
pub(crate) struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    pub(crate) async fn open(relay: &TestRelay, job: &Job) -> Self {
        let request = relay
            .request("GET", &format!("{}/events", job.path()))
            .header("x-byok-job", &job.handle)
            .body(Body::empty())
            .unwrap();
        let response = relay.send(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self {
            body: response.into_body(),
            text: String::new(),
        }
    }

    /// The next status; `None` at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let Some(data) = event.strip_prefix("event: status\ndata: ") else {
                    assert!(event.starts_with(':'), "{event}");
                    continue;
                };
                return Some(serde_json::from_str(data).unwrap());
            }
            let frame = tokio::time::timeout(Duration::from_secs(60), self.body.frame())
                .await
                .expect("an event in time")?;
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// Everything up to the end.
    pub(crate) async fn all(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

/// A relay that works on its own jobs.
pub(crate) async fn here(provider: &StandIn, more: &str) -> TestRelay {
    TestRelay::with_provider(provider.address, more).await
}
