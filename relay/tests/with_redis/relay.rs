//! Relays that share one Redis, and what clients notice when it goes away.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Body;
use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::redis::RedisServer;
use crate::support::{
    self, CANARY, ChannelBody, Reply, StandIn, TestRelay, json_response, providers_at,
};

/// The bound on what Redis may add to a request.
const BOUND: Duration = Duration::from_secs(1);
const SERVER_KEY: &str = "sk-proj-serverserverserverserverserverserverserver00";

/// Shared state, a secret to share it under, and ten cents a request.
fn shared(redis: &RedisServer, more: &str) -> String {
    format!(
        "[store]\nurl = \"{}\"\n[secrets]\ncurrent = \"k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n\
         [prices.\"my-model\"]\nrequest_usd = 0.10\n{more}",
        redis.url()
    )
}

async fn relay(provider: &StandIn, config: &str) -> TestRelay {
    let relay = TestRelay::with_provider(provider.address, config).await;
    relay.relay.limits().warm_up().await;
    relay
}

fn dime() -> String {
    json!({ "model": "openai/my-model", "messages": [] }).to_string()
}

async fn chat(relay: &TestRelay, key: Option<&str>) -> (Reply, Duration) {
    let mut request = relay
        .request("POST", "/v1/chat/completions")
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("x-byok-key", key);
    }
    let started = Instant::now();
    let reply = relay.reply(request.body(Body::from(dime())).unwrap()).await;
    (reply, started.elapsed())
}

async fn readyz(address: SocketAddr) -> Value {
    let request = http::Request::builder()
        .uri("/readyz")
        .header("host", format!("localhost:{}", address.port()))
        .body(Body::empty())
        .unwrap();
    Reply::read(support::send(address, request).await)
        .await
        .json()
}

/// Waits until `readyz` says so.
async fn wait_degraded(address: SocketAddr, degraded: bool) {
    let expected = if degraded {
        json!(["redis"])
    } else {
        json!([])
    };
    let started = Instant::now();
    while readyz(address).await["degraded"] != expected {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "readiness never became {expected}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn requests_counted(relay: &TestRelay) -> i64 {
    let report = relay.get("/v1/usage").await.json();
    report["totals"]["user"]["requests"].as_i64().unwrap_or(-1)
}

#[tokio::test]
async fn two_instances_let_exactly_fifty_dimes_through() {
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let config = shared(&redis, "[limits]\ndaily_cap_usd = 5.0\n");
    let relays = [
        relay(&provider, &config).await,
        relay(&provider, &config).await,
    ];
    let calls = (0..100).map(|n| chat(&relays[n % 2], Some(CANARY)));
    let replies = futures_util::future::join_all(calls).await;
    let passed = replies
        .iter()
        .filter(|(reply, _)| reply.status == 200)
        .count();
    let refused = replies
        .iter()
        .filter(|(reply, _)| reply.status == 402)
        .count();
    assert_eq!((passed, refused, provider.count()), (50, 50, 50));
    // Settlements travel beside the answers.
    let started = Instant::now();
    while requests_counted(&relays[0]).await != 50 {
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    let report = relays[1].get("/v1/usage").await.json();
    assert_eq!(report["totals"]["user"]["costUsd"], 5.0);
}

#[tokio::test]
async fn a_relayed_call_takes_two_commands() {
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let relay = relay(
        &provider,
        &shared(&redis, "[limits]\ndaily_cap_usd = 500.0\n"),
    )
    .await;
    // The first call of a key also asks about its address, and sends the scripts.
    for _ in 0..2 {
        chat(&relay, Some(CANARY)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let before = redis.calls("eval");
    for _ in 0..50 {
        assert_eq!(chat(&relay, Some(CANARY)).await.0.status, 200);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(redis.calls("eval") - before, 100);
}

#[tokio::test]
async fn without_redis_users_go_on_and_money_stops() {
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let server = format!(
        "[payer]\nallow_unauthenticated = true\n[limits]\nbyok_requests_per_hour = 5\n\
         [providers.openai]\nbase_url = \"BASE_URL\"\nserver_key = \"{SERVER_KEY}\"\n"
    );
    let relay = relay(&provider, &shared(&redis, &server)).await;
    assert_eq!(chat(&relay, Some(CANARY)).await.0.status, 200);
    assert_eq!(chat(&relay, None).await.0.status, 200);
    wait_degraded(relay.address, false).await;

    redis.freeze();
    // From the very first request on, which has to find out.
    for n in 0..5 {
        let (reply, took) = chat(&relay, Some(CANARY)).await;
        assert_eq!(reply.status, 200, "{n}: {}", reply.text());
        assert_eq!(reply.header("x-byok-paid-by"), Some("user"));
        assert!(took < BOUND, "{took:?}");
        let (reply, took) = chat(&relay, None).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (503, "store_unavailable")
        );
        assert_eq!(reply.header("retry-after"), Some("2"));
        assert!(took < BOUND, "{took:?}");
    }
    // Limits go on, counted by this instance.
    assert_eq!(chat(&relay, Some(CANARY)).await.0.status, 429);
    wait_degraded(relay.address, true).await;
    let metrics = relay.relay.metrics().render().unwrap();
    assert!(metrics.contains("keyferry_store_degraded 1"), "{metrics}");

    redis.thaw();
    wait_degraded(relay.address, false).await;
    assert_eq!(chat(&relay, None).await.0.status, 200);
    // What was used meanwhile is not lost, and nothing is counted twice.
    let started = Instant::now();
    while requests_counted(&relay).await != 6 {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{}",
            requests_counted(&relay).await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let metrics = relay.relay.metrics().render().unwrap();
    assert!(metrics.contains("keyferry_store_degraded 0"), "{metrics}");
}

#[tokio::test]
async fn a_capped_caller_is_refused_while_redis_is_away() {
    let mut redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let relay = relay(
        &provider,
        &shared(&redis, "[limits]\ndaily_cap_usd = 5.0\n"),
    )
    .await;
    assert_eq!(chat(&relay, Some(CANARY)).await.0.status, 200);
    redis.kill();
    let before = provider.count();
    for _ in 0..5 {
        let (reply, took) = chat(&relay, Some(CANARY)).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (503, "store_unavailable")
        );
        assert!(took < BOUND, "{took:?}");
    }
    assert_eq!(provider.count(), before);
    redis.start_again();
    wait_degraded(relay.address, false).await;
    assert_eq!(chat(&relay, Some(CANARY)).await.0.status, 200);
}

#[tokio::test]
async fn full_memory_is_like_no_redis() {
    let redis = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let provider = StandIn::ok().await;
    let server = format!(
        "[payer]\nallow_unauthenticated = true\n\
         [providers.openai]\nbase_url = \"BASE_URL\"\nserver_key = \"{SERVER_KEY}\"\n"
    );
    let relay = relay(&provider, &shared(&redis, &server)).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(chat(&relay, Some(CANARY)).await.0.status, 200);
    assert_eq!(chat(&relay, None).await.0.code(), "store_unavailable");
    wait_degraded(relay.address, true).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    wait_degraded(relay.address, false).await;
    assert_eq!(chat(&relay, None).await.0.status, 200);
}

#[tokio::test]
async fn a_frozen_call_that_was_refused_costs_nothing_later() {
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let relay = relay(
        &provider,
        &shared(&redis, "[limits]\ndaily_cap_usd = 0.10\n"),
    )
    .await;
    chat(&relay, Some("sk-proj-otherotherotherotherotherotherother")).await;
    redis.freeze();
    assert_eq!(chat(&relay, Some(CANARY)).await.0.status, 503);
    redis.thaw();
    wait_degraded(relay.address, false).await;
    // The admission reached the frozen server and was executed when it woke. Its dime must be back.
    let started = Instant::now();
    loop {
        let (reply, _) = chat(&relay, Some(CANARY)).await;
        if reply.status == 200 {
            break;
        }
        assert_eq!(reply.status, 402);
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "the dime never came back"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(chat(&relay, Some(CANARY)).await.0.status, 402);
}

#[tokio::test]
async fn what_a_killed_instance_had_set_aside_stays_spent() {
    let redis = RedisServer::start(&[]);
    // Answers the key's first call, and keeps every later one waiting.
    let provider = StandIn::start(|seen| {
        if seen.body.windows(4).any(|part| part == b"hang") {
            return http::Response::builder()
                .header("content-type", "text/event-stream")
                .body(Body::new(ChannelBody(endless())))
                .unwrap();
        }
        json_response(200, "{}")
    })
    .await;
    let config = shared(&redis, "[limits]\ndaily_cap_usd = 0.25\n");
    let text = providers_at(
        provider.address,
        &format!("[server]\nlisten = \"LISTEN\"\nadmin_listen = \"ADMIN\"\n{config}"),
    );
    let doomed = Process::start(&text).await;
    // Until it has its connection to Redis it refuses.
    wait_degraded(doomed.admin, false).await;
    let send = async |body: Value| {
        let request = http::Request::builder()
            .method("POST")
            .uri("/v1/chat/completions")
            .header("host", doomed.address.to_string())
            .header("content-type", "application/json")
            .header("x-byok-key", CANARY)
            .body(Body::from(body.to_string()))
            .unwrap();
        support::send(doomed.address, request).await
    };
    assert_eq!(
        send(json!({ "model": "openai/my-model" })).await.status(),
        200
    );
    let hanging = send(json!({ "model": "openai/my-model", "user": "hang" })).await;
    assert_eq!(hanging.status(), 200);
    doomed.signal("KILL");
    drop(hanging);

    let other = relay(&provider, &config).await;
    let (reply, _) = chat(&other, Some(CANARY)).await;
    assert_eq!(
        reply.code(),
        "daily_cap_reached",
        "ten and ten cents, and ten more do not fit"
    );
    let report = other.get("/v1/usage").await.json();
    assert_eq!(report["usage"][0]["costUsd"], 0.2);
    assert_eq!(report["usage"][0]["estimatedUsd"], 0.1);
    assert_eq!(report["usage"][0]["estimatedRequests"], 1);
}

/// A body that is never fed and never ends.
fn endless() -> tokio::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    sender.try_send(b"data: {}\n\n".to_vec()).unwrap();
    tokio::spawn(async move {
        let _open = sender;
        std::future::pending::<()>().await;
    });
    receiver
}

#[tokio::test]
async fn nothing_in_redis_names_a_key_or_an_address() {
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let relay = relay(
        &provider,
        &shared(&redis, "[limits]\ndaily_cap_usd = 5.0\n"),
    )
    .await;
    chat(&relay, Some(CANARY)).await;
    chat(&relay, Some("sk-proj-otherotherotherotherotherotherother")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let keys = redis.command(&["KEYS", "*"]);
    assert!(keys.contains("keyferry:{"), "{keys}");
    let names: Vec<&str> = keys
        .lines()
        .filter(|line| line.starts_with("keyferry:"))
        .collect();
    for name in names {
        let dump = redis.command(&["DUMP", name]);
        for window in CANARY.as_bytes()["sk-proj-".len()..].windows(8) {
            let window = std::str::from_utf8(window).unwrap();
            assert!(!name.contains(window) && !dump.contains(window), "{name}");
        }
        assert!(!name.contains("127.0.0.1"));
    }
}
