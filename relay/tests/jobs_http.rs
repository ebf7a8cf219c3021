//! Jobs within one process, as clients meet them: made, followed, cancelled, refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::jobs::{
    CHAT_ANSWER, Events, FLAC, Job, QUICK, SAID, TRANSCRIBE, answer, ask, cancel, chat,
    chat_request, ended, eventually, form, here, order, order_with, status, until, upload,
    upload_with,
};
use crate::support::tokens::{SECRET, claims, hs256, secret_config};
use crate::support::{
    CANARY, StandIn, TestRelay, closes_within_a_second, free_address, json_response, raw_provider,
    read_head, refused,
};

#[tokio::test]
async fn a_chat_is_answered_later_and_forgotten_on_demand() {
    let provider = StandIn::start(answer).await;
    let relay = here(&provider, QUICK).await;
    let job = chat(&relay).await;
    let done = ended(&relay, &job).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["kind"], "chat");
    assert_eq!(done["progress"], json!({ "phase": "done", "percent": 100 }));
    assert_eq!(done["attempts"], 1);
    assert_eq!(done["error"], Value::Null);
    assert_eq!(done["paidBy"], "user");
    let expected: Value = serde_json::from_str(CHAT_ANSWER).unwrap();
    assert_eq!(done["result"], json!({ "chat": expected }));
    let usage = &done["usage"][0];
    assert_eq!(usage["step"], "chat");
    assert_eq!(
        (&usage["inputTokens"], &usage["outputTokens"]),
        (&json!(7), &json!(3))
    );
    assert!(usage["costUsd"].as_f64().unwrap() > 0.0);

    let seen = provider.only();
    assert_eq!(seen.uri.path(), "/v1/chat/completions");
    assert_eq!(seen.headers["authorization"], format!("Bearer {CANARY}"));
    assert_eq!(
        serde_json::from_slice::<Value>(&seen.body).unwrap(),
        chat_request("gpt-4o")["request"]
    );
    assert!(!format!("{seen:?}").contains("kf"), "{seen:?}");

    assert_eq!(cancel(&relay, &job).await, 204);
    refused(
        &ask(&relay, "GET", &job.path(), &job.handle).await,
        404,
        "job_not_found",
    );
}

#[tokio::test]
async fn audio_is_transcribed_and_the_transcript_analysed() {
    let provider = StandIn::start(answer).await;
    let relay = here(&provider, QUICK).await;
    let then =
        json!({ "model": "gpt-4o", "messages": [{ "role": "system", "content": "sum up" }] });
    let then = then.to_string();
    let fields = [
        ("kind", "transcription"),
        ("language", "en"),
        ("prompt", "names: O'Neil"),
        ("response_format", "verbose_json"),
        ("temperature", "0.2"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("then", &then),
        // Last, as SDKs may send it.
        ("model", "openai/whisper-1"),
    ];
    let mut file = FLAC.to_vec();
    file.extend((0..300_000_u32).map(|at| u8::try_from(at % 253).unwrap()));
    let job = Job::read(&upload(&relay, &fields, Some(&file)).await);
    let done = ended(&relay, &job).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["result"]["transcription"]["text"], SAID);
    assert_eq!(
        done["result"]["chat"]["choices"][0]["message"]["content"],
        "ANSWER-canary"
    );
    assert_eq!(done["usage"][0]["step"], "transcription");
    assert_eq!(done["usage"][0]["audioSeconds"], 3.0);
    assert_eq!(done["usage"][1]["step"], "chat");

    let seen = provider.seen();
    assert_eq!(seen.len(), 2);
    let sent = &seen[0].body;
    assert!(
        sent.windows(file.len()).any(|part| part == file),
        "the file, whole"
    );
    let text = String::from_utf8_lossy(sent);
    for part in [
        "name=\"model\"\r\n\r\nwhisper-1\r\n",
        "name=\"language\"\r\n\r\nen\r\n",
        "name=\"prompt\"\r\n\r\nnames: O'Neil\r\n",
        "name=\"response_format\"\r\n\r\nverbose_json\r\n",
        "name=\"temperature\"\r\n\r\n0.2\r\n",
        "name=\"timestamp_granularities[]\"\r\n\r\nword\r\n",
        "name=\"timestamp_granularities[]\"\r\n\r\nsegment\r\n",
        "filename=\"audio.flac\"\r\ncontent-type: audio/flac\r\n",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("sum up") && !text.contains("a.bin"));
    let asked: Value = serde_json::from_slice(&seen[1].body).unwrap();
    assert_eq!(asked["messages"][0]["content"], "sum up");
    assert_eq!(
        asked["messages"][1],
        json!({ "role": "user", "content": SAID })
    );
}

#[tokio::test]
async fn a_transcript_in_plain_text_is_kept_as_text() {
    let provider = StandIn::start(|_| {
        axum::response::Response::builder()
            .header("content-type", "text/plain; charset=utf-8")
            .body(Body::from(format!("{SAID}\n")))
            .unwrap()
    })
    .await;
    let relay = here(&provider, QUICK).await;
    let fields = [&TRANSCRIBE[..], &[("response_format", "text")]].concat();
    let job = Job::read(&upload(&relay, &fields, Some(FLAC)).await);
    let done = ended(&relay, &job).await;
    assert_eq!(
        done["result"],
        json!({ "transcription": { "text": SAID } }),
        "{done}"
    );
}

#[tokio::test]
async fn events_tell_each_change_and_end_with_the_result() {
    let provider = StandIn::start(answer).await;
    let relay = here(&provider, QUICK).await;
    let job = Job::read(&upload(&relay, &TRANSCRIBE, Some(FLAC)).await);
    let events = Events::open(&relay, &job).await.all().await;
    let last = events.last().unwrap();
    assert_eq!(last["status"], "completed", "{last}");
    assert_eq!(last["result"]["transcription"]["text"], SAID);
    assert_eq!(last, &status(&relay, &job).await);
    // Asked again, the whole state comes at once.
    let again = Events::open(&relay, &job).await.all().await;
    assert_eq!(again, std::slice::from_ref(last));
}

#[tokio::test]
async fn a_client_that_listens_sees_the_job_being_worked_on() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = Arc::clone(&gate);
    let address = raw_provider(move |mut stream| {
        let held = Arc::clone(&held);
        async move {
            read_head(&mut stream).await;
            let _ = held.acquire().await.unwrap();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{CHAT_ANSWER}",
                CHAT_ANSWER.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    let relay = TestRelay::with_provider(address, QUICK).await;
    let job = chat(&relay).await;
    let mut events = Events::open(&relay, &job).await;
    let mut phases = Vec::new();
    while phases.last().map(String::as_str) != Some("analysing") {
        let event = events.next().await.unwrap();
        phases.push(event["progress"]["phase"].as_str().unwrap().to_owned());
    }
    gate.add_permits(1);
    let rest = events.all().await;
    assert_eq!(rest.last().unwrap()["status"], "completed");
}

#[tokio::test]
async fn cancelling_ends_the_providers_connection() {
    let closed = Arc::new(AtomicUsize::new(0));
    let called = Arc::new(AtomicUsize::new(0));
    let (seen_closed, seen_called) = (Arc::clone(&closed), Arc::clone(&called));
    let address = raw_provider(move |mut stream| {
        let (closed, called) = (Arc::clone(&closed), Arc::clone(&called));
        async move {
            read_head(&mut stream).await;
            called.fetch_add(1, Ordering::SeqCst);
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.unwrap_or(0) > 0 {}
            let _ = closes_within_a_second(&mut stream).await;
            closed.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let relay = TestRelay::with_provider(address, QUICK).await;
    let job = chat(&relay).await;
    eventually("the provider is called", || {
        seen_called.load(Ordering::SeqCst) == 1
    })
    .await;
    let mut events = Events::open(&relay, &job).await;
    events.next().await.unwrap();
    assert_eq!(cancel(&relay, &job).await, 204);
    eventually("the connection is closed", || {
        seen_closed.load(Ordering::SeqCst) == 1
    })
    .await;
    let now = status(&relay, &job).await;
    assert_eq!(now["status"], "cancelled");
    assert_eq!(now["error"]["code"], "job_cancelled");
    assert_eq!(events.all().await.last().unwrap()["status"], "cancelled");
    // It never runs again.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(seen_called.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn rushes_and_faults_are_tried_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let provider = StandIn::start(move |seen| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => {
            let mut slow = json_response(429, r#"{"error":{"message":"slow down"}}"#);
            slow.headers_mut()
                .insert("retry-after", "1".parse().unwrap());
            slow
        }
        1 => json_response(503, "{}"),
        _ => answer(seen),
    })
    .await;
    let relay = here(&provider, QUICK).await;
    let begun = std::time::Instant::now();
    let job = chat(&relay).await;
    let waiting = until(&relay, &job, |now| {
        now["progress"]["phase"] == "waiting_to_retry"
    })
    .await;
    assert_eq!(waiting["status"], "queued");
    let done = ended(&relay, &job).await;
    assert_eq!(
        (&done["status"], &done["attempts"]),
        (&json!("completed"), &json!(3))
    );
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "Retry-After was not heeded"
    );
}

#[tokio::test]
async fn a_transcript_is_not_paid_for_twice() {
    let chats = Arc::new(AtomicUsize::new(0));
    let provider = StandIn::start(move |seen| {
        let is_chat = seen.uri.path().ends_with("/chat/completions");
        if is_chat && chats.fetch_add(1, Ordering::SeqCst) == 0 {
            return json_response(500, "{}");
        }
        answer(seen)
    })
    .await;
    let relay = here(&provider, QUICK).await;
    let then = json!({ "model": "gpt-4o", "messages": [] }).to_string();
    let fields = [&TRANSCRIBE[..], &[("then", then.as_str())]].concat();
    let job = Job::read(&upload(&relay, &fields, Some(FLAC)).await);
    let done = ended(&relay, &job).await;
    assert_eq!(
        (&done["status"], &done["attempts"]),
        (&json!("completed"), &json!(2)),
        "{done}"
    );
    assert_eq!(done["usage"].as_array().unwrap().len(), 2);
    let paths: Vec<String> = provider
        .seen()
        .iter()
        .map(|seen| seen.uri.path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "/v1/audio/transcriptions",
            "/v1/chat/completions",
            "/v1/chat/completions"
        ]
    );
}

#[tokio::test]
async fn refusals_keep_the_providers_status_without_the_key() {
    let provider = StandIn::start(|_| {
        json_response(
            401,
            &format!(r#"{{"error":{{"message":"Incorrect API key provided: {CANARY}"}}}}"#),
        )
    })
    .await;
    let relay = here(&provider, QUICK).await;
    let job = chat(&relay).await;
    let done = ended(&relay, &job).await;
    assert_eq!(done["status"], "failed");
    assert_eq!(done["result"], Value::Null);
    assert_eq!(done["attempts"], 1);
    let error = &done["error"];
    assert_eq!(
        (&error["code"], &error["status"]),
        (&json!("provider_refused"), &json!(401))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("Incorrect API key provided"),
        "{message}"
    );
    assert!(!message.contains("CANARY"), "{message}");
}

#[tokio::test]
async fn an_unreachable_provider_fails_the_job_after_its_attempts() {
    let gone = free_address();
    let config = "[jobs]\nbackoff_ms = 10\nmax_attempts = 3\n";
    let relay = TestRelay::with_provider(gone, config).await;
    let job = chat(&relay).await;
    let done = ended(&relay, &job).await;
    assert_eq!(
        (&done["status"], &done["attempts"]),
        (&json!("failed"), &json!(3))
    );
    assert_eq!(done["error"]["code"], "provider_unreachable");
}

#[tokio::test]
async fn a_lease_pays_within_its_terms_and_outlives_the_job() {
    let provider = StandIn::start(answer).await;
    let relay = here(&provider, QUICK).await;
    let terms = json!({ "provider": "openai", "models": ["gpt-4o"] });
    let lease = relay.post("/v1/leases", &terms.to_string()).await.json();
    let lease = lease["handle"].as_str().unwrap();
    let with = [("x-byok-lease", lease)];
    let job = Job::read(&order_with(&relay, &with, &chat_request("gpt-4o")).await);
    assert_eq!(ended(&relay, &job).await["status"], "completed");
    refused(
        &order_with(&relay, &with, &chat_request("gpt-4o-mini")).await,
        403,
        "lease_scope",
    );
    refused(
        &order_with(&relay, &with, &chat_request("claude-3-5-haiku-latest")).await,
        403,
        "lease_scope",
    );
    refused(
        &upload_with(&relay, &with, &TRANSCRIBE, Some(FLAC)).await,
        403,
        "lease_scope",
    );
    // Not the job's to end.
    let again = Job::read(&order_with(&relay, &with, &chat_request("gpt-4o")).await);
    assert_eq!(ended(&relay, &again).await["status"], "completed");
}

#[tokio::test]
async fn a_lease_that_ends_before_the_work_ends_the_job() {
    let provider = StandIn::start(|_| json_response(503, "{}")).await;
    let relay = here(&provider, "[jobs]\nbackoff_ms = 400\nmax_attempts = 100\n").await;
    let terms = json!({ "provider": "openai", "ttlSeconds": 1 });
    let lease = relay.post("/v1/leases", &terms.to_string()).await.json();
    let with = [("x-byok-lease", lease["handle"].as_str().unwrap())];
    let job = Job::read(&order_with(&relay, &with, &chat_request("gpt-4o")).await);
    let done = ended(&relay, &job).await;
    assert_eq!(done["status"], "failed");
    assert!(done["attempts"].as_u64().unwrap() <= 4, "{done}");
}

#[tokio::test]
async fn a_job_that_waits_past_its_lease_fails() {
    // One slot, taken by a call that never ends.
    let address = raw_provider(|mut stream| async move {
        read_head(&mut stream).await;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await.unwrap_or(0) > 0 {}
    })
    .await;
    let relay = TestRelay::with_provider(address, "[jobs]\nconcurrency = 1\n").await;
    let first = chat(&relay).await;
    until(&relay, &first, |now| now["status"] == "active").await;
    let terms = json!({ "provider": "openai", "ttlSeconds": 1 });
    let lease = relay.post("/v1/leases", &terms.to_string()).await.json();
    let with = [("x-byok-lease", lease["handle"].as_str().unwrap())];
    let job = Job::read(&order_with(&relay, &with, &chat_request("gpt-4o")).await);
    let done = ended(&relay, &job).await;
    assert_eq!(
        (&done["status"], &done["attempts"]),
        (&json!("failed"), &json!(0))
    );
    assert_eq!(done["error"]["code"], "lease_expired");
    assert_eq!(cancel(&relay, &first).await, 204);
}

#[tokio::test]
async fn only_the_handle_opens_a_job() {
    let provider = StandIn::start(answer).await;
    let relay = here(&provider, QUICK).await;
    let (mine, other) = (chat(&relay).await, chat(&relay).await);
    let secret = |job: &Job| job.handle.split_once('.').unwrap().1.to_owned();
    let guessed = format!("kfj_{}.{}", mine.id, secret(&other));
    let lease = mine.handle.replace("kfj_", "kfl_");
    for (path, handle) in [
        (mine.path(), other.handle.as_str()),
        (other.path(), &mine.handle),
        (mine.path(), &guessed),
        (mine.path(), &lease),
        (mine.path(), "nonsense"),
        (format!("/v1/jobs/{}", "0".repeat(32)), &mine.handle),
        ("/v1/jobs/not-an-id".to_owned(), &mine.handle),
    ] {
        for (method, path) in [
            ("GET", path.clone()),
            ("DELETE", path.clone()),
            ("GET", format!("{path}/events")),
        ] {
            let reply = ask(&relay, method, &path, handle).await;
            refused(&reply, 404, "job_not_found");
        }
    }
    let without = relay
        .request("GET", &mine.path())
        .body(Body::empty())
        .unwrap();
    refused(&relay.reply(without).await, 404, "job_not_found");
    assert_eq!(ended(&relay, &mine).await["status"], "completed");
}

#[tokio::test]
async fn with_tokens_a_job_is_its_subjects() {
    let provider = StandIn::start(answer).await;
    let relay = here(&provider, &format!("{}{QUICK}", secret_config())).await;
    let token = |subject: &str| format!("Bearer {}", hs256(SECRET.as_bytes(), &claims(subject)));
    let (ours, theirs) = (token("one"), token("two"));
    let headers = [("x-byok-key", CANARY), ("authorization", &ours)];
    let job = Job::read(&order_with(&relay, &headers, &chat_request("gpt-4o")).await);
    let get = async |authorization: Option<&str>| {
        let mut request = relay
            .request("GET", &job.path())
            .header("x-byok-job", &job.handle);
        if let Some(token) = authorization {
            request = request.header("authorization", token);
        }
        relay.reply(request.body(Body::empty()).unwrap()).await
    };
    refused(&get(None).await, 401, "auth_required");
    refused(&get(Some(&theirs)).await, 404, "job_not_found");
    assert_eq!(get(Some(&ours)).await.status, 200);
    let without = [("x-byok-key", CANARY)];
    refused(
        &order_with(&relay, &without, &chat_request("gpt-4o")).await,
        401,
        "auth_required",
    );
}

#[tokio::test]
async fn uploads_that_are_no_audio_are_refused_and_nothing_is_kept() {
    let provider = StandIn::start(answer).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[jobs]\naudio = \"file://{}\"\nmax_audio_bytes = 100000\n",
        folder.path().display()
    );
    let relay = here(&provider, &config).await;
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let large = [FLAC, &vec![7; 100_001]].concat();
    for (file, status, code) in [
        (Some(&b""[..]), 400, "unsupported_audio"),
        (
            Some(&b"<!doctype html><p>no</p>"[..]),
            400,
            "unsupported_audio",
        ),
        (None, 400, "unsupported_audio"),
        (Some(&large[..]), 413, "body_too_large"),
    ] {
        refused(&upload(&relay, &TRANSCRIBE, file).await, status, code);
    }
    let more = |field: (&'static str, &'static str)| [&TRANSCRIBE[..], &[field]].concat();
    let then_elsewhere = r#"{"model":"claude-3-5-haiku-latest","messages":[]}"#;
    for (fields, status, code) in [
        (vec![("kind", "transcription")], 400, "missing_model"),
        (
            vec![("kind", "chat"), ("model", "whisper-1")],
            400,
            "bad_field",
        ),
        (vec![("model", "whisper-1")], 400, "bad_field"),
        (more(("model", "whisper-1")), 400, "duplicate_field"),
        (more(("response_format", "srt")), 400, "bad_field"),
        (more(("surprise", "x")), 400, "bad_field"),
        (more(("then", "{}")), 400, "missing_model"),
        (more(("then", "[")), 400, "bad_json"),
        (more(("then", r#"{"model":"gpt-4o"}"#)), 400, "bad_field"),
        (more(("then", then_elsewhere)), 400, "provider_mismatch"),
        (more(("prompt", CANARY)), 400, "key_in_body"),
    ] {
        let reply = upload(&relay, &fields, Some(FLAC)).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{fields:?}"
        );
    }
    let groq = [
        ("kind", "transcription"),
        ("model", "claude-3-5-haiku-latest"),
    ];
    refused(
        &upload(&relay, &groq, Some(FLAC)).await,
        400,
        "provider_mismatch",
    );
    eventually("nothing is left of refused uploads", || files() == 0).await;
    assert_eq!(provider.count(), 0);

    // What is accepted is there while it waits, unreadable, and gone afterwards.
    let job = Job::read(&upload(&relay, &TRANSCRIBE, Some(FLAC)).await);
    assert_eq!(ended(&relay, &job).await["status"], "completed");
    eventually("audio goes with its job", || files() == 0).await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let provider = StandIn::start(answer).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!("[jobs]\naudio = \"file://{}\"\n", folder.path().display());
    let relay = here(&provider, &config).await;
    let (content_type, body) = form(&TRANSCRIBE, Some(&[FLAC, &[7; 900_000]].concat()));
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: localhost:{}\r\nx-byok-key: {CANARY}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        relay.address.port(),
        body.len()
    );
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    // In the middle of the file, and behind it.
    for sent in [500_000, body.len() - 60] {
        let mut stream = tokio::net::TcpStream::connect(relay.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body[..sent]).await.unwrap();
        if sent > 900_000 {
            eventually("the file is there", || files() > 0).await;
        }
        drop(stream);
        eventually("nothing is left", || files() == 0).await;
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn audio_waits_encrypted_and_its_loss_is_told() {
    let provider = StandIn::start(|_| json_response(503, "{}")).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[jobs]\naudio = \"file://{}\"\nbackoff_ms = 2000\n",
        folder.path().display()
    );
    let relay = here(&provider, &config).await;
    let job = Job::read(&upload(&relay, &TRANSCRIBE, Some(FLAC)).await);
    until(&relay, &job, |now| {
        now["progress"]["phase"] == "waiting_to_retry"
    })
    .await;
    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let stored = std::fs::read(file.path()).unwrap();
    for window in FLAC.windows(6) {
        assert!(!stored.windows(6).any(|seen| seen == window));
    }
    std::fs::remove_file(file.path()).unwrap();
    let done = ended(&relay, &job).await;
    assert_eq!(done["error"]["code"], "audio_missing", "{done}");
}

#[tokio::test]
async fn chats_that_cannot_be_jobs_are_refused() {
    let provider = StandIn::start(answer).await;
    let relay = here(&provider, "[jobs]\nmax_request_bytes = 2000\n").await;
    let request = |more: Value| {
        let mut body = chat_request("gpt-4o");
        for (name, value) in more.as_object().unwrap() {
            body["request"][name] = value.clone();
        }
        body
    };
    for (body, status, code) in [
        (json!({ "kind": "dance", "request": {} }), 400, "bad_field"),
        (
            json!({ "kind": "transcription", "request": {} }),
            400,
            "bad_field",
        ),
        (json!({ "kind": "chat" }), 400, "bad_field"),
        (json!({ "kind": "chat", "request": [] }), 400, "bad_json"),
        (
            json!({ "kind": "chat", "request": { "messages": [] } }),
            400,
            "missing_model",
        ),
        (
            json!({ "kind": "chat", "request": { "model": "gpt-4o" } }),
            400,
            "bad_field",
        ),
        (
            json!({ "kind": "chat", "request": {}, "x": 1 }),
            400,
            "bad_field",
        ),
        (request(json!({ "stream": true })), 400, "bad_field"),
        (request(json!({ "api_key": "x" })), 400, "key_in_body"),
        (request(json!({ "user": CANARY })), 400, "key_in_body"),
        (
            request(json!({ "user": "x".repeat(4000) })),
            413,
            "body_too_large",
        ),
        (
            chat_request("claude-3-5-haiku-latest"),
            400,
            "provider_mismatch",
        ),
    ] {
        let reply = order(&relay, &body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    let wrong = [("x-byok-key", CANARY), ("x-byok-provider", "anthropic")];
    let body = chat_request("openai/gpt-4o");
    refused(
        &order_with(&relay, &wrong, &body).await,
        400,
        "provider_mismatch",
    );
    refused(&order_with(&relay, &[], &body).await, 401, "missing_key");
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn a_caller_has_only_so_many_jobs_at_a_time() {
    let provider = StandIn::start(|_| json_response(503, "{}")).await;
    let relay = here(&provider, "[jobs]\nmax_queued = 2\nbackoff_ms = 20000\n").await;
    let (first, _second) = (chat(&relay).await, chat(&relay).await);
    let reply = order(&relay, &chat_request("gpt-4o")).await;
    refused(&reply, 429, "rate_limited");
    assert_eq!(reply.json()["limit"], "queued_jobs");
    assert_eq!(cancel(&relay, &first).await, 204);
    chat(&relay).await;
}

#[tokio::test]
async fn plans_and_caps_hold_for_jobs() {
    let provider = StandIn::start(answer).await;
    let capped = "[limits]\ndaily_cap_usd = 0.15\n[prices.\"my-model\"]\nrequest_usd = 0.10\n";
    let relay = here(&provider, &format!("{capped}{QUICK}")).await;
    let body = chat_request("openai/my-model");
    let first = Job::read(&order(&relay, &body).await);
    assert_eq!(ended(&relay, &first).await["status"], "completed");
    let second = Job::read(&order(&relay, &body).await);
    let done = ended(&relay, &second).await;
    assert_eq!(done["error"]["code"], "daily_cap_reached", "{done}");
    assert_eq!(provider.count(), 1);

    let plans = "[plans.default]\ntiers = [0]\n[tiers]\n\"gpt-4o\" = 2\n";
    let relay = here(&provider, &format!("{plans}{QUICK}")).await;
    refused(
        &order(&relay, &chat_request("gpt-4o")).await,
        403,
        "model_not_in_plan",
    );
}

#[tokio::test]
async fn a_relay_without_jobs_says_so() {
    let provider = StandIn::start(answer).await;
    let relay = here(&provider, "[jobs]\nenabled = false\n").await;
    refused(
        &order(&relay, &chat_request("gpt-4o")).await,
        400,
        "endpoint_unsupported",
    );
    let features = relay.get("/.well-known/keyferry").await.json()["features"].to_string();
    assert!(!features.contains("job"), "{features}");
    let relay = here(&provider, "").await;
    let features = relay.get("/.well-known/keyferry").await.json()["features"].to_string();
    assert!(
        features.contains("\"jobs\",\"transcription-jobs\""),
        "{features}"
    );
}
