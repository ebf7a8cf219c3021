//! Requests that a provider has not begun with: sent again once, where they are here in full.

use std::net::SocketAddr;

use axum::body::Body;
use serde_json::json;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
use tokio::time::timeout;

use super::peer::{DATA, END_STREAM, Frames, REFUSED_STREAM, accepting};
use super::{CHAT, PATIENCE, QUESTION};
use crate::support::authority::Authority;
use crate::support::{CANARY, ChannelBody, Reply};

/// A provider that does with each request what `does` says, by the number of its connection, and
/// reports the connection's number and the request's body.
async fn deciding<F>(
    authority: &Authority,
    does: F,
) -> (SocketAddr, UnboundedReceiver<(usize, String)>)
where
    F: Fn(usize) -> Does + Clone + Send + Sync + 'static,
{
    let (report, reports) = mpsc::unbounded_channel();
    let address = accepting(authority, move |number, stream| {
        let (report, does) = (report.clone(), does.clone());
        async move {
            let mut frames = Frames::open(stream).await;
            while let Some((stream, body)) = frames.request().await {
                report
                    .send((number, String::from_utf8(body).unwrap()))
                    .unwrap();
                match does(number) {
                    Does::Answer => frames.answer(stream).await,
                    Does::Refuse => frames.reset(stream, REFUSED_STREAM).await,
                    // Of a stream that the connection has not seen yet (RFC 9113 §6.8).
                    Does::GoAway => frames.go_away(0).await,
                }
            }
        }
    })
    .await;
    (address, reports)
}

#[derive(Clone, Copy)]
enum Does {
    Answer,
    Refuse,
    GoAway,
}

fn all(reports: &mut UnboundedReceiver<(usize, String)>) -> Vec<(usize, String)> {
    std::iter::from_fn(|| reports.try_recv().ok()).collect()
}

#[tokio::test]
async fn what_a_provider_has_not_looked_at_is_sent_again() {
    let price = "[prices.\"my-model\"]\nrequest_usd = 0.10\n";
    for unseen in [Does::Refuse, Does::GoAway] {
        let authority = Authority::new();
        let (address, mut reports) = deciding(&authority, move |number| match number {
            1 => unseen,
            _ => Does::Answer,
        })
        .await;
        let relay = authority.relay(address, price).await;
        let reply = relay.post(CHAT, QUESTION).await;
        assert_eq!((reply.status, reply.text()), (200, "{}"));
        let question = || QUESTION.to_owned();
        assert_eq!(all(&mut reports), [(1, question()), (2, question())]);
        // Counted and charged once.
        let report = relay.get("/v1/usage").await.json();
        let line = &report["usage"][0];
        assert_eq!(
            (&line["requests"], &line["errors"], &line["costUsd"]),
            (&json!(1), &json!(0), &json!(0.1)),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_request_without_a_body_is_sent_again() {
    let authority = Authority::new();
    let (address, mut reports) = deciding(&authority, |number| match number {
        1 => Does::Refuse,
        _ => Does::Answer,
    })
    .await;
    let relay = authority.relay(address, "").await;
    let reply = relay.get("/providers/openai/v1/models").await;
    assert_eq!(reply.status, 200);
    assert_eq!(all(&mut reports).len(), 2);
}

#[tokio::test]
async fn what_is_refused_twice_has_no_answer() {
    for unseen in [Does::Refuse, Does::GoAway] {
        let authority = Authority::new();
        let (address, mut reports) = deciding(&authority, move |_| unseen).await;
        let relay = authority.relay(address, "").await;
        let reply = relay.post(CHAT, QUESTION).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (502, "provider_bad_response")
        );
        let connections: Vec<usize> = all(&mut reports).iter().map(|seen| seen.0).collect();
        assert_eq!(connections, [1, 2]);
    }
}

#[tokio::test]
async fn a_body_that_is_still_arriving_is_not_sent_again() {
    let authority = Authority::new();
    let (report, mut reports) = mpsc::unbounded_channel();
    let address = accepting(&authority, move |_, stream| {
        let report = report.clone();
        async move {
            let mut frames = Frames::open(stream).await;
            while let Some(frame) = frames.next().await {
                if frame.kind == DATA {
                    report.send(frame.payload.len()).unwrap();
                    frames.reset(frame.stream, REFUSED_STREAM).await;
                }
            }
        }
    })
    .await;
    let relay = authority.relay(address, "").await;
    let (chunks, body) = mpsc::channel(1);
    chunks.send(vec![b' '; 100]).await.unwrap();
    let request = relay
        .request("POST", CHAT)
        .header("x-byok-key", CANARY)
        .header("content-type", "application/json")
        .body(Body::new(ChannelBody(body)))
        .unwrap();
    let reply = timeout(PATIENCE, relay.reply(request)).await.unwrap();
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_bad_response")
    );
    assert_eq!(reports.recv().await, Some(100));
    assert!(reports.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_goes_away_ends_what_it_has_and_gets_nothing_new() {
    let authority = Authority::new();
    let (report, mut reports) = mpsc::unbounded_channel();
    let (go_on, gone_on) = watch::channel(false);
    let address = accepting(&authority, move |number, stream| {
        let (report, mut gone_on) = (report.clone(), gone_on.clone());
        async move {
            let mut frames = Frames::open(stream).await;
            while let Some((stream, _)) = frames.request().await {
                report.send(number).unwrap();
                if number > 1 {
                    frames.answer(stream).await;
                    continue;
                }
                frames.go_away(stream).await;
                frames.head(stream).await;
                gone_on.wait_for(|go_on| *go_on).await.unwrap();
                frames.send(DATA, END_STREAM, stream, b"{}").await;
            }
        }
    })
    .await;
    let relay = authority.relay(address, "").await;
    let request = relay
        .request("POST", CHAT)
        .header("x-byok-key", CANARY)
        .header("content-type", "application/json")
        .body(Body::from(QUESTION))
        .unwrap();
    let first = relay.send(request).await;
    for _ in 0..3 {
        assert_eq!(relay.post(CHAT, QUESTION).await.status, 200);
    }
    go_on.send(true).unwrap();
    assert_eq!(Reply::read(first).await.text(), "{}");
    let seen: Vec<usize> = std::iter::from_fn(|| reports.try_recv().ok()).collect();
    assert_eq!(seen, [1, 2, 2, 2]);
}
