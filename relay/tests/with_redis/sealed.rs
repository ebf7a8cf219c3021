//! Sealed key headers on shared state: what they cost in round trips, and that a replay at another
//! instance is one.

use std::time::Duration;

use axum::body::Body;

use crate::sealed::{PATH, seal, send, start};
use crate::support::redis::RedisServer;
use crate::support::seal::{FIRST, Vault, secrets};
use crate::support::{StandIn, TestRelay};

/// A relay on shared state, with an hour of five requests or more.
async fn sharing(redis: &RedisServer, provider: &StandIn, hourly: u32, more: &str) -> TestRelay {
    let config = format!(
        "[store]\nurl = \"{}\"\n[limits]\nbyok_requests_per_hour = {hourly}\n{more}{}",
        redis.url(),
        secrets(FIRST, &[], "")
    );
    let relay = start(provider, &config).await;
    relay.relay.limits().warm_up().await;
    relay
}

/// The requests counted so far under the key.
async fn counted(relay: &TestRelay) -> i64 {
    // Settlements travel beside the answers.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let report = relay.get("/v1/usage").await.json();
    report["totals"]["user"]["requests"].as_i64().unwrap()
}

#[tokio::test]
async fn a_sealed_call_takes_one_round_trip_before_and_one_after() {
    const CALLS: u64 = 50;
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let relay = sharing(&redis, &provider, 1_000, "").await;
    let mut vault = Vault::open(&relay, 9).await;
    // The first calls of a key also ask about its address, and send the scripts.
    for _ in 0..2 {
        assert_eq!(send(&relay, &seal(&mut vault)).await.status, 200);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (reads, scripts) = (redis.reads(), redis.calls("eval"));
    for _ in 0..CALLS {
        assert_eq!(send(&relay, &seal(&mut vault)).await.status, 200);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(redis.calls("eval") - scripts, 2 * CALLS);
    // A few are the probe's, and those that ask for this number.
    let reads = redis.reads() - reads;
    assert!(reads < 2 * CALLS + CALLS / 2, "{reads} for {CALLS} calls");
}

#[tokio::test]
async fn a_replay_at_another_instance_is_refused_and_counts_nothing() {
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let one = sharing(&redis, &provider, 3, "").await;
    let origin = format!(
        "[server]\npublic_origins = [\"http://localhost:{}\"]\n",
        one.address.port()
    );
    let two = sharing(&redis, &provider, 3, &origin).await;
    let mut vault = Vault::open(&one, 10).await;
    let sealed = seal(&mut vault);
    assert_eq!(send(&one, &sealed).await.status, 200);
    let before = counted(&one).await;
    for relay in [&one, &two, &two, &two, &one] {
        let request = http::Request::builder()
            .uri(PATH)
            .header("host", format!("localhost:{}", one.address.port()))
            .header("x-byok-key", &sealed)
            .header("x-byok-provider", "openai")
            .body(Body::empty())
            .unwrap();
        let reply = relay.reply(request).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "replayed"));
    }
    assert_eq!(counted(&one).await, before);
    assert_eq!(provider.count(), 1);
    // None of the hour's three was taken: two are left, and then none.
    let statuses = [
        send(&one, &seal(&mut vault)).await.status,
        send(&one, &seal(&mut vault)).await.status,
        send(&one, &seal(&mut vault)).await.status,
    ];
    assert_eq!(statuses, [200, 200, 429]);
}
