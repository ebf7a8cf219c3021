//! The binary as an operator runs it: commands, logs, reload, shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper_util::rt::TokioIo;

use crate::support::process::{Process, SERVER, run};
use crate::support::tokens::{SECRET, good_token, secret_config};
use crate::support::{
    CANARY, ChannelBody, Reply, StandIn, free_address, json_response, providers_at, send,
};

fn request(process: &Process, path: &str) -> http::request::Builder {
    Request::builder()
        .uri(path)
        .header("host", process.address.to_string())
}

async fn get(process: &Process, path: &str) -> Reply {
    let request = request(process, path)
        .header("x-byok-key", CANARY)
        .body(Body::empty())
        .unwrap();
    Reply::read(send(process.address, request).await).await
}

async fn admin(process: &Process, path: &str) -> Reply {
    let request = Request::builder()
        .uri(path)
        .header("host", "any")
        .body(Body::empty())
        .unwrap();
    Reply::read(send(process.admin, request).await).await
}

const MODELS: &str = "/providers/openai/v1/models";

#[test]
fn check_config_prints_what_is_in_effect_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    std::fs::write(
        &file,
        format!(
            "{}[providers.openai]\nserver_key = \"{CANARY}\"\n",
            secret_config()
        ),
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let (code, out, err) = run(
        &["check-config", "--config", path],
        &[("KEYFERRY_SERVER__MAX_CONNECTIONS", "77")],
    );
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("max_connections = 77"), "{out}");
    assert!(
        out.contains("[redacted]") && !out.contains("CANARY"),
        "{out}"
    );
    assert!(!out.contains(SECRET));

    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:1\"\nlisten_on = 1\n").unwrap();
    let (code, _, err) = run(&["check-config", "--config", path], &[]);
    assert_eq!(code, 2);
    assert!(err.contains("server") && err.contains("listen_on"), "{err}");

    // What only shows when everything is derived, as a start would.
    for (text, field) in [
        (
            "[providers.mine]\nname = \"Mine\"\n",
            "providers.mine.base_url",
        ),
        ("[secrets]\ncurrent = \"k1:short\"\n", "secrets.current"),
        (
            "[tls]\ncertificate = \"/nowhere.pem\"\nkey = \"/nowhere.key\"\n",
            "/nowhere.pem",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, _, err) = run(&["check-config", "--config", path], &[]);
        assert_eq!(code, 2, "{text}");
        assert!(err.contains(field), "{text}: {err}");
        assert!(!err.contains("short"), "{err}");
    }
}

#[tokio::test]
async fn healthcheck_tells_a_ready_relay_from_none() {
    let process = Process::start(SERVER).await;
    let file = process.config_file();
    let arguments = ["healthcheck", "--config", file.to_str().unwrap()];
    assert_eq!(run(&arguments, &[]).0, 0);
    let nobody = free_address().to_string();
    assert_eq!(
        run(&arguments, &[("KEYFERRY_SERVER__ADMIN_LISTEN", &nobody)]).0,
        1
    );
}

#[tokio::test]
async fn each_request_is_one_json_line() {
    let provider = StandIn::ok().await;
    let process = Process::start(&providers_at(provider.address, SERVER)).await;
    let reply = get(&process, &format!("{MODELS}?note=canary-in-query")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    get(&process, "/providers/nobody/v1/models").await;
    process.wait_for_log("unknown_provider").await;

    let lines = process.access_lines();
    let [relayed, refused] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        relayed["request_id"],
        reply.header("x-byok-request-id").unwrap()
    );
    assert_eq!(relayed["provider"], "openai");
    assert_eq!(relayed["payer"], "user");
    assert_eq!(relayed["status"], 200);
    assert_eq!(relayed["end"], "complete");
    assert_eq!(relayed["route"], "/providers/{id}/{*path}");
    for duration in ["total_ms", "head_ms", "provider_ms"] {
        assert!(relayed[duration].as_f64().unwrap() >= 0.0, "{duration}");
    }
    assert_eq!(refused["code"], "unknown_provider");
    for secret in ["CANARY", "canary-in-query", "nobody"] {
        assert!(
            !process.log().contains(secret),
            "{secret} in {}",
            process.log()
        );
    }
}

#[tokio::test]
async fn sighup_replaces_settings_and_a_broken_file_changes_nothing() {
    let provider = StandIn::ok().await;
    let text = |allowed: &str, more: &str| {
        providers_at(
            provider.address,
            &format!("{SERVER}allowed_origins = [\"{allowed}\"]\n{more}"),
        )
    };
    let process = Process::start(&text("https://one.example", "")).await;
    let status_for = async |origin: &str| {
        let request = request(&process, MODELS)
            .header("x-byok-key", CANARY)
            .header("origin", origin)
            .body(Body::empty())
            .unwrap();
        Reply::read(send(process.address, request).await)
            .await
            .status
    };
    assert_eq!(status_for("https://one.example").await, 200);
    assert_eq!(status_for("https://two.example").await, 403);

    process.rewrite(&text("https://two.example", ""));
    process.reload().await;
    assert_eq!(status_for("https://one.example").await, 403);
    assert_eq!(status_for("https://two.example").await, 200);

    process.rewrite("[server]\nnonsense = true\n");
    process.reload().await;
    assert!(process.log().contains("not reloaded"));
    assert_eq!(status_for("https://two.example").await, 200);

    // Who may call changes as well.
    process.rewrite(&text("https://two.example", &secret_config()));
    process.reload().await;
    assert_eq!(get(&process, MODELS).await.code(), "auth_required");
    let request = request(&process, MODELS)
        .header("x-byok-key", CANARY)
        .header("authorization", format!("Bearer {}", good_token()))
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        Reply::read(send(process.address, request).await)
            .await
            .status,
        200
    );

    // What only a start reads is named.
    let moved = text("https://two.example", "").replace("LISTEN", "127.0.0.1:1");
    process.rewrite(&moved);
    process.reload().await;
    assert!(process.log().contains("server.listen"), "{}", process.log());
    assert_eq!(get(&process, MODELS).await.status, 200);

    let metrics = admin(&process, "/metrics").await;
    assert!(
        metrics
            .text()
            .contains("keyferry_reloads_total{result=\"ok\"} 3"),
        "{}",
        metrics.text()
    );
    assert!(
        metrics
            .text()
            .contains("keyferry_reloads_total{result=\"failed\"} 1")
    );
}

#[tokio::test]
async fn sighup_replaces_secrets_and_prices() {
    let keygen = |kid: &str| run(&["keygen", "--kid", kid], &[]).1.trim().to_owned();
    let identity = run(&["keygen", "--identity"], &[]).1.trim().to_owned();
    let (first, second) = (keygen("k1"), keygen("k2"));
    let text = |secrets: &str, prices: &str| {
        format!("{SERVER}[secrets]\nidentity = \"{identity}\"\n{secrets}\n{prices}")
    };
    let process = Process::start(&text(&format!("current = \"{first}\""), "")).await;
    let sealing = async || get(&process, "/.well-known/keyferry").await.json()["sealing"].clone();
    let before = sealing().await;
    assert!(before["keySet"].is_string(), "{before}");

    let rotated = format!("current = \"{second}\"\naccept = [\"{first}\"]");
    process.rewrite(&text(
        &rotated,
        "[prices.\"openai/my-model\"]\nrequest_usd = 0.1\n",
    ));
    process.reload().await;
    let after = sealing().await;
    assert_ne!(
        before["keySet"], after["keySet"],
        "sealing keys follow the secret"
    );
    assert_eq!(
        before["identity"], after["identity"],
        "the pinned identity does not"
    );

    process.rewrite(&text(
        &rotated,
        "[prices.\"openai/my-model\"]\nrequest_usd = \"free\"\n",
    ));
    process.reload().await;
    assert!(process.log().contains("not reloaded"), "{}", process.log());
    for secret in [&first, &second, &identity] {
        let bare = secret.split(':').next_back().unwrap();
        assert!(!process.log().contains(&bare[..12]));
    }
}

/// A provider that streams ten events over half a second.
async fn streaming_provider() -> StandIn {
    StandIn::start(|_| {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            for number in 0..10 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if sender
                    .send(format!("data: {number}\n\n").into_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
            let _ = sender.send(b"data: [DONE]\n\n".to_vec()).await;
        });
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::new(ChannelBody(receiver)))
            .unwrap()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_under_load_loses_no_request() {
    let provider = streaming_provider().await;
    let server = format!("{SERVER}drain_delay_ms = 400\ndrain_deadline_ms = 10000\n");
    let mut process = Process::start(&providers_at(provider.address, &server)).await;
    // A load balancer sends requests to this instance for as long as it says that it is ready.
    let ready = Arc::new(AtomicBool::new(true));
    let (finished, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for _ in 0..40 {
        let (ready, finished, begun) = (
            Arc::clone(&ready),
            Arc::clone(&finished),
            Arc::clone(&begun),
        );
        let address = process.address;
        clients.push(tokio::spawn(async move {
            while ready.load(Ordering::SeqCst) {
                begun.fetch_add(1, Ordering::SeqCst);
                let request = Request::builder()
                    .uri(MODELS)
                    .header("host", address.to_string())
                    .header("x-byok-key", CANARY)
                    .body(Body::empty())
                    .unwrap();
                let reply = Reply::read(send(address, request).await).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                assert!(
                    reply.text().ends_with("data: [DONE]\n\n"),
                    "cut off: {}",
                    reply.text()
                );
                finished.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    process.signal("TERM");
    while admin(&process, "/readyz").await.status != 503 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        admin(&process, "/healthz").await.status,
        200,
        "alive while it drains"
    );
    // The balancer notices at its next probe, within the drain delay.
    tokio::time::sleep(Duration::from_millis(150)).await;
    ready.store(false, Ordering::SeqCst);
    for client in clients {
        client.await.expect("no request is lost");
    }
    assert_eq!(process.exit_code(Duration::from_secs(15)).await, Some(0));
    assert_eq!(
        finished.load(Ordering::SeqCst),
        begun.load(Ordering::SeqCst)
    );
    assert!(begun.load(Ordering::SeqCst) >= 80, "there was load");
    assert!(
        process.log().contains("\"whole\":true"),
        "{}",
        process.log()
    );
    assert!(
        tokio::net::TcpStream::connect(process.address)
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_connections_are_told_to_go_elsewhere_while_draining() {
    let provider = StandIn::ok().await;
    let server = format!("{SERVER}drain_delay_ms = 1000\n");
    let mut process = Process::start(&providers_at(provider.address, &server)).await;
    assert_eq!(get(&process, MODELS).await.header("connection"), None);
    let mut clients = Vec::new();
    for _ in 0..20 {
        let address = process.address;
        clients.push(tokio::spawn(async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            for sent in 1.. {
                let request = Request::builder()
                    .uri(MODELS)
                    .header("host", address.to_string())
                    .header("x-byok-key", CANARY)
                    .body(Body::empty())
                    .unwrap();
                let reply =
                    Reply::read(sender.send_request(request).await.expect("an answer")).await;
                assert_eq!(reply.status, 200);
                if reply.header("connection") == Some("close") {
                    return sent;
                }
            }
            unreachable!("the loop ends by itself only");
        }));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    process.signal("TERM");
    for client in clients {
        let sent = client
            .await
            .expect("every request on a kept connection is answered");
        assert!(sent > 1, "the connection was kept until the relay drained");
    }
    assert_eq!(process.exit_code(Duration::from_secs(5)).await, Some(0));
}

/// Begins an answer and holds it open for as long as the relay wants it.
async fn endless_provider() -> StandIn {
    StandIn::start(|_| {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let _ = sender.send(b"data: 1\n\n".to_vec()).await;
            sender.closed().await;
        });
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::new(ChannelBody(receiver)))
            .unwrap()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_never_ends_is_cut_at_the_deadline() {
    let provider = endless_provider().await;
    let server = format!("{SERVER}drain_deadline_ms = 300\n");
    let process = Process::start(&providers_at(provider.address, &server)).await;
    let request = request(&process, MODELS)
        .header("x-byok-key", CANARY)
        .body(Body::empty())
        .unwrap();
    let response = send(process.address, request).await;
    process.signal("TERM");
    ends_undone(process, Duration::from_secs(5)).await;
    drop(response);
}

/// A relay with this `drain_deadline_ms` and a job under way whose provider comes to no end.
async fn with_endless_job(deadline: u32) -> (Process, StandIn) {
    let provider = endless_provider().await;
    let server = format!("{SERVER}drain_deadline_ms = {deadline}\n");
    let process = Process::start(&providers_at(provider.address, &server)).await;
    let request = Request::builder()
        .method("POST")
        .uri("/v1/jobs")
        .header("host", process.address.to_string())
        .header("content-type", "application/json")
        .header("x-byok-key", CANARY)
        .body(Body::from(
            r#"{"kind":"chat","request":{"model":"gpt-4o","messages":[]}}"#,
        ))
        .unwrap();
    let reply = Reply::read(send(process.address, request).await).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    while provider.count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (process, provider)
}

/// Ends in time, saying that not all was done.
async fn ends_undone(mut process: Process, within: Duration) {
    assert_eq!(process.exit_code(within).await, Some(0));
    let log = process.log();
    assert!(log.contains("\"whole\":false"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_answers_share_one_deadline() {
    let (process, _provider) = with_endless_job(300).await;
    process.signal("TERM");
    ends_undone(process, Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_whatever_is_under_way() {
    let (process, _provider) = with_endless_job(600_000).await;
    process.signal("TERM");
    process.wait_for_log("draining").await;
    process.signal("TERM");
    ends_undone(process, Duration::from_secs(30)).await;
}

#[tokio::test]
async fn the_admin_listener_answers_tools_and_no_browser() {
    let process = Process::start(SERVER).await;
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(admin(&process, path).await.status, 200, "{path}");
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let request = Request::builder()
                .uri(path)
                .header("host", "evil.example")
                .header(name, value)
                .body(Body::empty())
                .unwrap();
            let reply = Reply::read(send(process.admin, request).await).await;
            assert_eq!(reply.status, 403, "{path} {name}");
        }
    }
    assert_eq!(
        get(&process, "/metrics").await.status,
        404,
        "not on the public listener"
    );
    let _ = json_response(200, "");
}
