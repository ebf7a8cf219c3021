//! So many calls of one caller at a time, counted until each answer has ended.

use axum::body::Body;
use tokio::sync::mpsc;

use crate::support::{CANARY, ChannelBody, Reply, StandIn, TestRelay};

fn ask(relay: &TestRelay, key: &str) -> http::Request<Body> {
    relay
        .request("POST", "/providers/openai/v1/chat/completions")
        .header("x-byok-key", key)
        .header("content-type", "application/json")
        .body(Body::from(r#"{"model":"gpt-4o"}"#))
        .unwrap()
}

#[tokio::test]
async fn the_third_of_two_waits_for_one_to_end() {
    let open = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let streams = std::sync::Arc::clone(&open);
    let provider = StandIn::start(move |_| {
        let (sender, receiver) = mpsc::channel(1);
        streams.lock().unwrap().push(sender);
        axum::response::Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::new(ChannelBody(receiver)))
            .unwrap()
    })
    .await;
    let relay =
        TestRelay::with_provider(provider.address, "[limits]\nconcurrent_requests = 2\n").await;
    let one = "sk-one-0123456789abcdef";
    let first = relay.send(ask(&relay, one)).await;
    let second = relay.send(ask(&relay, one)).await;
    assert_eq!(
        (first.status().as_u16(), second.status().as_u16()),
        (200, 200)
    );

    let refused = relay.reply(ask(&relay, one)).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "rate_limited")
    );
    assert_eq!(refused.json()["limit"], "concurrent_requests");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(provider.count(), 2);

    open.lock().unwrap().remove(0);
    Reply::read(first).await;
    drop(second);
    let mut status = 429;
    for _ in 0..50 {
        let response = relay.send(ask(&relay, one)).await;
        status = response.status().as_u16();
        if status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        status, 200,
        "ended and abandoned calls give their slots back"
    );
}

#[tokio::test]
async fn a_key_in_a_native_body_is_refused() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let body = format!(r#"{{"model":"gpt-4o","note":"{}"}}"#, CANARY);
    let reply = relay
        .post("/providers/openai/v1/chat/completions", &body)
        .await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "key_in_body"));
    assert_eq!(provider.count(), 0);
}
