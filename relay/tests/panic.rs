//! A panic in a handler is an answer of 500 and a log line with its place; what it said, which may
//! be a key, goes nowhere.

use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use http_body_util::BodyExt as _;
use keyferry_relay::{EdgeLayer, telemetry};
use tokio::net::TcpListener;

use crate::support::{CANARY, Reply, TestRelay, send};

/// A body that panics once it is asked for.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        panic!("streaming with {CANARY}")
    }
}

async fn at_once() -> &'static str {
    panic!("called with {CANARY}")
}

async fn later() -> &'static str {
    tokio::task::yield_now().await;
    std::panic::panic_any(CANARY.to_owned())
}

/// The log goes to standard error and the hook is the process's own, so this is looked at from
/// outside, by the next test.
#[tokio::test]
#[ignore = "run by panics_say_their_place_only, in a process of its own"]
async fn handlers_panic() {
    telemetry::init(Some("trace")).unwrap();
    let relay = TestRelay::start("").await;
    let routes = Router::new()
        .route("/v1/at-once", get(at_once))
        .route("/v1/later", get(later))
        .route("/v1/body", get(|| async { Body::new(Broken) }))
        .layer(EdgeLayer::new(Arc::clone(&relay.relay)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::clone(&relay.server);
    tokio::spawn(async move { server.run(listener, routes).await });
    let request = |path: &str| {
        let request = relay.request("GET", path).header("x-byok-key", CANARY);
        request.body(Body::empty()).unwrap()
    };
    for path in ["/v1/at-once", "/v1/later"] {
        let reply = Reply::read(send(address, request(path)).await).await;
        println!("{path}: {} {} {reply:?}", reply.status, reply.code());
    }
    // Too late for another status: the connection ends, and only that one.
    let cut = how_it_ends(address, request("/v1/body")).await;
    println!("/v1/body: {cut}");
    let reply = Reply::read(send(address, request("/v1/later")).await).await;
    println!("after: {}", reply.status);
}

/// What became of a request whose answer may end before its head is out.
async fn how_it_ends(address: std::net::SocketAddr, request: http::Request<Body>) -> &'static str {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let Ok(response) = sender.send_request(request).await else {
        return "cut";
    };
    match response.into_body().collect().await {
        Ok(_) => "whole",
        Err(_) => "cut",
    }
}

#[test]
fn panics_say_their_place_only() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "panic::handlers_panic",
            "--nocapture",
        ])
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let logged = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{logged}");
    for expected in [
        "/v1/at-once: 500 internal",
        "/v1/later: 500 internal",
        "/v1/body: cut",
        "after: 500",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let places = logged
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["message"] == "panic" && line["file"] == file!());
    assert_eq!(places.count(), 4, "{logged}");
    let secret = CANARY.strip_prefix("sk-proj-").unwrap();
    for window in secret.as_bytes().windows(8) {
        let window = std::str::from_utf8(window).unwrap();
        assert!(!said.contains(window), "{window}: {said}");
        assert!(!logged.contains(window), "{window}: {logged}");
    }
}
