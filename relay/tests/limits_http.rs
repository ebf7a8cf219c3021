//! Limits as clients meet them.

use axum::body::Body;
use axum::response::Response;

use crate::support::tokens::{good_token, secret_config, token_with_plan};
use crate::support::{
    CANARY, Reply, Seen, StandIn, TestRelay, json_response, parse_config, providers_at,
};

const CHAT: &str = r#"{"model":"gpt-4o","messages":[]}"#;
const OTHER: &str = "sk-proj-otherotherotherotherotherotherotherotherother";

/// Knows [`CANARY`] and [`OTHER`], refuses every other key.
fn provider(seen: &Seen) -> Response {
    let key = seen.headers["authorization"].to_str().unwrap();
    if key.ends_with(CANARY) || key.ends_with(OTHER) {
        json_response(
            200,
            r#"{"usage":{"prompt_tokens":600,"completion_tokens":400}}"#,
        )
    } else {
        json_response(
            401,
            r#"{"error":{"code":"invalid_api_key","message":"no"}}"#,
        )
    }
}

async fn relay(config: &str) -> (StandIn, TestRelay) {
    let provider = StandIn::start(provider).await;
    let relay = TestRelay::with_provider(provider.address, config).await;
    (provider, relay)
}

async fn chat(relay: &TestRelay, key: &str, more: &[(&str, &str)]) -> Reply {
    let mut request = relay
        .request("POST", "/v1/chat/completions")
        .header("content-type", "application/json")
        .header("x-byok-provider", "openai")
        .header("x-byok-key", key);
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    relay.reply(request.body(Body::from(CHAT)).unwrap()).await
}

fn assert_limited(reply: &Reply, limit: &str, retry_after: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limited"));
    assert_eq!(reply.json()["limit"], limit);
    assert_eq!(reply.header("retry-after"), Some(retry_after));
    assert_eq!(reply.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn requests_per_hour_are_counted_by_key_and_provider() {
    let (provider, relay) = relay("[limits]\nbyok_requests_per_hour = 3\n").await;
    for _ in 0..3 {
        assert_eq!(chat(&relay, CANARY, &[]).await.status, 200);
    }
    let refused = chat(&relay, CANARY, &[]).await;
    assert_limited(&refused, "requests_per_hour", "1200");
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"requests_per_hour\";q=3;w=3600")
    );
    let standing = refused.header("ratelimit").unwrap();
    assert!(
        standing.starts_with("\"requests_per_hour\";r=0;t="),
        "{standing}"
    );
    assert_eq!(
        provider.count(),
        3,
        "a refused request never reaches the provider"
    );

    assert_eq!(chat(&relay, OTHER, &[]).await.status, 200, "another key");
    let elsewhere = relay
        .post("/providers/groq/openai/v1/chat/completions", CHAT)
        .await;
    assert_eq!(elsewhere.status, 200, "another provider");
    let native = relay
        .post("/providers/openai/v1/chat/completions", CHAT)
        .await;
    assert_limited(&native, "requests_per_hour", "1200");
}

#[tokio::test]
async fn refused_paths_consume_nothing() {
    let (_provider, relay) = relay("[limits]\nbyok_requests_per_hour = 1\n").await;
    for path in [
        "/providers/openai/v1/%2e%2e/x",
        "/providers/openai/v1/organization/admin_api_keys",
    ] {
        assert!(relay.get(path).await.status >= 400);
    }
    assert_eq!(chat(&relay, CANARY, &[]).await.status, 200);
}

#[tokio::test]
async fn tokens_per_hour_are_taken_from_the_answer() {
    let (_provider, relay) = relay("[limits]\nbyok_tokens_per_hour = 1500\n").await;
    for _ in 0..2 {
        assert_eq!(chat(&relay, CANARY, &[]).await.status, 200);
    }
    let refused = chat(&relay, CANARY, &[]).await;
    assert_eq!(refused.json()["limit"], "tokens_per_hour");
    // 2,000 of 1,500 were used; time has to pay for 500, and for one more.
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1_195..=1_203).contains(&wait), "{wait}");
}

#[tokio::test]
async fn the_servers_key_has_limits_of_its_own_by_address() {
    let config = "[payer]\nallow_unauthenticated = true\n[limits]\nserver_requests_per_hour = 2\n\
                  trusted_proxies = [\"127.0.0.0/8\"]\n[providers.openai]\nbase_url = \"BASE_URL\"\n\
                  server_key = \"sk-proj-otherotherotherotherotherotherotherotherother\"\n";
    let (_provider, relay) = relay(config).await;
    let ask = async |address: &str| {
        let request = relay
            .request("POST", "/v1/chat/completions")
            .header("content-type", "application/json")
            .header("x-forwarded-for", address)
            .body(Body::from(CHAT))
            .unwrap();
        relay.reply(request).await
    };
    assert_eq!(ask("1.1.1.1").await.status, 200);
    assert_eq!(ask("1.1.1.1").await.status, 200);
    assert_limited(&ask("1.1.1.1").await, "requests_per_hour", "1800");
    assert_eq!(
        ask("6.6.6.6, 1.1.1.1").await.status,
        429,
        "what a client adds is not believed"
    );
    assert_eq!(ask("2.2.2.2").await.status, 200);
    // Keys that are made up to get at the server's find the same count.
    let fallback = [("x-byok-fallback", "allow"), ("x-forwarded-for", "1.1.1.1")];
    let refused = chat(
        &relay,
        "sk-proj-madeupmadeupmadeupmadeupmadeup01",
        &fallback,
    )
    .await;
    assert_eq!(refused.status, 429);
}

#[tokio::test]
async fn the_relay_is_no_checker_of_stolen_keys() {
    let (provider, relay) = relay("[limits]\nfailures_per_hour = 5\n").await;
    assert_eq!(chat(&relay, CANARY, &[]).await.status, 200);
    for n in 0..5 {
        let key = format!("sk-proj-stolenstolenstolenstolenstolen{n:02}");
        assert_eq!(chat(&relay, &key, &[]).await.status, 401);
    }
    let asked = provider.count();
    let refused = chat(&relay, "sk-proj-stolenstolenstolenstolenstolen99", &[]).await;
    assert_limited(&refused, "failures_per_hour", "720");
    assert_eq!(
        chat(&relay, OTHER, &[]).await.status,
        429,
        "nor one that would be good"
    );
    let tested = relay
        .post("/v1/keys/test", r#"{"provider":"openai"}"#)
        .await;
    assert_eq!(tested.status, 429, "nor by the test");
    assert_eq!(provider.count(), asked);
    assert_eq!(
        chat(&relay, CANARY, &[]).await.status,
        200,
        "a key that has worked goes on"
    );
}

#[tokio::test]
async fn key_tests_are_ten_a_minute() {
    let (_provider, relay) = relay("").await;
    for _ in 0..10 {
        let reply = relay
            .post("/v1/keys/test", r#"{"provider":"openai"}"#)
            .await;
        assert_eq!(reply.status, 200);
    }
    let refused = relay
        .post("/v1/keys/test", r#"{"provider":"openai"}"#)
        .await;
    assert_limited(&refused, "key_tests_per_minute", "6");
}

#[tokio::test]
async fn made_up_app_tokens_are_counted() {
    let config = format!("{}\n[limits]\nfailures_per_hour = 3\n", secret_config());
    let (_provider, relay) = relay(&config).await;
    for _ in 0..3 {
        let reply = chat(&relay, CANARY, &[("authorization", "Bearer a.b.c")]).await;
        assert_eq!(reply.code(), "auth_invalid");
    }
    let reply = chat(&relay, CANARY, &[("authorization", "Bearer a.b.c")]).await;
    assert_limited(&reply, "failures_per_hour", "1200");
    let good = format!("Bearer {}", good_token());
    assert_eq!(
        chat(&relay, CANARY, &[("authorization", &good)])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn plans_have_limits_of_their_own_and_subjects_share_theirs() {
    let config = format!(
        "{}\n[limits]\nbyok_requests_per_hour = 1\n[plans.pro]\ntiers = [0]\nbyok_requests_per_hour = 3\n\
         [plans.default]\ntiers = [0]\n",
        secret_config()
    );
    let (_provider, relay) = relay(&config).await;
    let plain = format!("Bearer {}", good_token());
    assert_eq!(
        chat(&relay, CANARY, &[("authorization", &plain)])
            .await
            .status,
        200
    );
    let refused = chat(&relay, OTHER, &[("authorization", &plain)]).await;
    assert_eq!(refused.status, 429, "one subject, whatever its keys");
    let pro = format!("Bearer {}", token_with_plan("pro"));
    let report = limits(&relay, &[("authorization", &pro)]).await;
    assert_eq!(report["plan"], "pro");
    assert_eq!(report["perProvider"]["user"]["requestsPerHour"], 3);
}

#[tokio::test]
async fn a_rotated_secret_names_everybody_anew_without_a_restart() {
    let config = |secret: &str| {
        format!("[secrets]\ncurrent = \"{secret}\"\n[limits]\nbyok_requests_per_hour = 1\n")
    };
    let first = config("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let second = config("k2:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let (provider, relay) = relay(&first).await;
    assert_eq!(chat(&relay, CANARY, &[]).await.status, 200);
    assert_eq!(chat(&relay, CANARY, &[]).await.status, 429);
    let reread = parse_config(&providers_at(provider.address, &second));
    relay.relay.reload(reread).unwrap();
    assert_eq!(chat(&relay, CANARY, &[]).await.status, 200);
    assert_eq!(chat(&relay, CANARY, &[]).await.status, 429);
}

async fn limits(relay: &TestRelay, headers: &[(&str, &str)]) -> serde_json::Value {
    let mut request = relay.request("GET", "/v1/limits");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = relay.reply(request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn what_is_left_is_told() {
    let (_provider, relay) =
        relay("[limits]\nbyok_requests_per_hour = 10\ndaily_cap_usd = 2.5\n").await;
    let before = limits(&relay, &[("x-byok-key", CANARY)]).await;
    assert_eq!(before["standing"], serde_json::json!([]));
    assert_eq!(before["degraded"], false);
    assert_eq!(before["perProvider"]["user"]["dailyCapUsd"], 2.5);
    assert_eq!(before["perProvider"]["server"]["requestsPerHour"], 100);
    chat(&relay, CANARY, &[]).await;
    let after = limits(&relay, &[("x-byok-key", CANARY)]).await;
    let line = |name: &str| {
        after["standing"]
            .as_array()
            .unwrap()
            .iter()
            .find(|line| line["limit"] == name)
            .unwrap()
    };
    assert_eq!(line("requests_per_hour")["remaining"], 9.0);
    assert_eq!(line("requests_per_hour")["provider"], "openai");
    // 600 in at 2.50 and 400 out at 10.00 dollars a million.
    assert_eq!(line("daily_cap")["remaining"], 2.4945);
}
