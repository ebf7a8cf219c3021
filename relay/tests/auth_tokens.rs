//! App tokens at the relay's door, by secret and by a real JWKS server.

use std::time::Duration;

use axum::body::Body;
use serde_json::json;

use crate::support::tokens::{
    AUDIENCE, JwksServer, SECRET, SigningKey, claims, good_token, hs256, jwks_config, secret_config,
};
use crate::support::{CANARY, Reply, StandIn, TestRelay, now, parse_config};

const MODELS: &str = "/providers/openai/v1/models";

async fn get_with(relay: &TestRelay, authorization: &[&str]) -> Reply {
    let mut request = relay.request("GET", MODELS).header("x-byok-key", CANARY);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    relay.reply(request.body(Body::empty()).unwrap()).await
}

async fn status_with(relay: &TestRelay, token: &str) -> (u16, String) {
    let reply = get_with(relay, &[&format!("Bearer {token}")]).await;
    (reply.status, reply.code())
}

#[tokio::test]
async fn a_good_token_is_needed_and_stays_here() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &secret_config()).await;
    let token = good_token();
    let reply = get_with(&relay, &[&format!("Bearer {token}")]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = provider.only();
    assert_eq!(
        seen.headers["authorization"],
        format!("Bearer {CANARY}").as_str()
    );
    for value in seen.headers.values() {
        assert!(!value.to_str().unwrap().contains(&token));
    }
    assert_eq!(
        get_with(&relay, &[&format!("bEARER {token}")]).await.status,
        200
    );
}

#[tokio::test]
async fn without_a_token_nothing_reaches_the_provider() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &secret_config()).await;
    let token = good_token();
    let twice = format!("Bearer {token}");
    for authorization in [
        &[][..],
        &["Basic dXNlcjpwYXNz"],
        &["Bearer"],
        &["Bearer "],
        &[twice.as_str(), twice.as_str()],
    ] {
        let reply = get_with(&relay, authorization).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "auth_required")
        );
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        assert_eq!(reply.header("x-byok-paid-by"), None);
    }
    assert_eq!(provider.count(), 0);
    for open in ["/healthz", "/readyz", "/.well-known/keyferry"] {
        assert_eq!(relay.get(open).await.status, 200, "{open}");
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_with_the_right_code() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, &secret_config()).await;
    let with = |field: &str, value: serde_json::Value| {
        let mut claims = claims("user");
        claims[field] = value;
        hs256(SECRET.as_bytes(), &claims)
    };
    for (token, code) in [
        (with("exp", json!(now() - 60)), "auth_expired"),
        (with("exp", json!("soon")), "auth_invalid"),
        (with("iss", json!("https://other.example/")), "auth_invalid"),
        (with("aud", json!("someone-else")), "auth_invalid"),
        (with("nbf", json!(now() + 600)), "auth_invalid"),
        (with("sub", json!("")), "auth_invalid"),
        (
            hs256(b"another-secret-of-enough-bytes-too", &claims("user")),
            "auth_invalid",
        ),
        ("not-a-token".to_owned(), "auth_invalid"),
        (format!("{}x", good_token()), "auth_invalid"),
        (CANARY.to_owned(), "auth_invalid"),
    ] {
        let reply = get_with(&relay, &[&format!("Bearer {token}")]).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, code),
            "{token}"
        );
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Bearer error=\"invalid_token\"")
        );
        for part in token.split('.').filter(|part| part.len() >= 8) {
            assert!(!reply.text().contains(part), "the answer repeats the token");
        }
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn every_published_algorithm_verifies() {
    let provider = StandIn::ok().await;
    let keys = [
        SigningKey::rsa("r256", "RS256"),
        SigningKey::rsa("r384", "RS384"),
        SigningKey::rsa("r512", "RS512"),
        SigningKey::ec("e256", "ES256"),
        SigningKey::ec("e384", "ES384"),
    ];
    let server = JwksServer::start(&keys.iter().collect::<Vec<_>>()).await;
    let relay = TestRelay::with_provider(provider.address, &jwks_config(&server)).await;
    for key in &keys {
        assert_eq!(
            status_with(&relay, &key.sign(&claims("user"))).await.0,
            200,
            "{}",
            key.jwk()
        );
    }
    assert_eq!(server.stand_in.count(), 1, "the set is fetched once");
    let fetch = server.stand_in.only();
    assert_eq!(fetch.uri.path(), "/keys");
    assert!(!fetch.headers.contains_key("authorization"));
}

#[tokio::test]
async fn rotation_is_noticed_at_the_first_token_of_the_new_key() {
    let provider = StandIn::ok().await;
    let (old, new) = (
        SigningKey::ec("old", "ES256"),
        SigningKey::ec("new", "ES256"),
    );
    let server = JwksServer::start(&[&old]).await;
    let relay = TestRelay::with_provider(provider.address, &jwks_config(&server)).await;
    assert_eq!(status_with(&relay, &old.sign(&claims("user"))).await.0, 200);

    // The usual rotation: both for a while, then the new one alone.
    server.publish(&[&old, &new]);
    tokio::time::sleep(Duration::from_millis(5100)).await;
    assert_eq!(status_with(&relay, &new.sign(&claims("user"))).await.0, 200);
    assert_eq!(status_with(&relay, &old.sign(&claims("user"))).await.0, 200);
    assert_eq!(server.stand_in.count(), 2);

    server.publish(&[&new]);
    let foreign = SigningKey::ec("foreign", "ES256");
    tokio::time::sleep(Duration::from_millis(5100)).await;
    assert_eq!(
        status_with(&relay, &foreign.sign(&claims("user"))).await.1,
        "auth_invalid"
    );
    assert_eq!(
        status_with(&relay, &old.sign(&claims("user"))).await.1,
        "auth_invalid"
    );
    assert_eq!(status_with(&relay, &new.sign(&claims("user"))).await.0, 200);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_is_not_the_callers_fault() {
    let provider = StandIn::ok().await;
    let key = SigningKey::ec("k", "ES256");
    let server = JwksServer::start(&[&key]).await;
    server.answer(503, "{}");
    let relay = TestRelay::with_provider(provider.address, &jwks_config(&server)).await;
    let token = key.sign(&claims("user"));
    assert_eq!(status_with(&relay, &token).await.0, 503);
    server.publish(&[&key]);
    tokio::time::sleep(Duration::from_millis(5100)).await;
    assert_eq!(status_with(&relay, &token).await.0, 200);
}

#[tokio::test]
async fn a_redirect_to_another_key_set_is_not_followed() {
    let provider = StandIn::ok().await;
    let evil = SigningKey::ec("k", "ES256");
    let elsewhere = JwksServer::start(&[&evil]).await;
    let location = format!("http://{}/keys", elsewhere.stand_in.address);
    let redirecting = StandIn::start(move |_| {
        axum::response::Response::builder()
            .status(302)
            .header("location", &location)
            .body(Body::empty())
            .unwrap()
    })
    .await;
    let config = jwks_config(&elsewhere).replace(
        &elsewhere.stand_in.address.to_string(),
        &redirecting.address.to_string(),
    );
    let relay = TestRelay::with_provider(provider.address, &config).await;
    assert_eq!(
        status_with(&relay, &evil.sign(&claims("user"))).await.0,
        503
    );
    assert_eq!(elsewhere.stand_in.count(), 0);
}

#[tokio::test]
async fn the_plan_and_subject_come_from_the_token() {
    let relay = TestRelay::start(&secret_config()).await;
    let mut claims = claims("user");
    claims["plan"] = json!("pro");
    let mut headers = http::HeaderMap::new();
    let token = format!("Bearer {}", hs256(SECRET.as_bytes(), &claims));
    headers.insert("authorization", token.parse().unwrap());
    let credentials = keyferry_relay::edge::Credentials::take(&mut headers).unwrap();
    let identity = relay
        .relay
        .live()
        .auth
        .identify(&credentials)
        .await
        .unwrap();
    assert!(identity.is_authenticated());
    assert_eq!(identity.plan(), Some("pro"));
    assert_eq!(identity.caller_id(), Some("19:https://id.example/4:user"));
}

#[test]
fn configuration_errors_name_the_field() {
    let refused = |text: &str| {
        keyferry_relay::Config::parse(text, std::path::Path::new("test"), std::iter::empty())
            .unwrap_err()
            .to_string()
    };
    let jwt = "[auth]\nmode = \"jwt\"\nissuer = \"i\"\naudience = [\"a\"]\n";
    for (text, field) in [
        ("[auth]\nmode = \"jwt\"\n".to_owned(), "auth.issuer"),
        (
            "[auth]\nmode = \"jwt\"\nissuer = \"i\"\n".to_owned(),
            "auth.audience",
        ),
        (jwt.to_owned(), "auth.secret"),
        (format!("{jwt}secret = \"short\"\n"), "auth.secret"),
        (
            format!("{jwt}secret = \"{SECRET}\"\njwks_url = \"https://x/k\"\n"),
            "auth.secret",
        ),
        (
            format!("{jwt}jwks_url = \"http://id.example/keys\"\n"),
            "auth.jwks_url",
        ),
        (format!("{jwt}jwks_url = \"/keys\"\n"), "auth.jwks_url"),
        (format!("{jwt}jwks_url = \"ftp://x/k\"\n"), "auth.jwks_url"),
        (
            format!("{jwt}jwks_url = \"https://u@x/k\"\n"),
            "auth.jwks_url",
        ),
        ("[auth]\nissuer = \"i\"\n".to_owned(), "auth.issuer"),
        ("[auth]\nmode = \"magic\"\n".to_owned(), "auth.mode"),
        ("[auth]\nsecrets = \"x\"\n".to_owned(), "auth"),
        ("[tiers]\n\"gpt-4o\" = 2\n".to_owned(), "tiers"),
        (
            "[plans.free]\ntiers = [-1]\n".to_owned(),
            "plans.free.tiers[0]",
        ),
        ("[tls]\nkey = \"k.pem\"\n".to_owned(), "tls.certificate"),
    ] {
        let error = refused(&text);
        assert!(error.starts_with(field), "{text}: {error}");
        assert!(
            !error.contains("short") && !error.contains(SECRET),
            "{error}"
        );
    }
    // A secret from the environment, an audience list with commas.
    let config = keyferry_relay::Config::parse(
        "[auth]\nmode = \"jwt\"\nissuer = \"i\"\n",
        std::path::Path::new("test"),
        [
            ("KEYFERRY_AUTH__SECRET", SECRET),
            ("KEYFERRY_AUTH__AUDIENCE", "a, b"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    )
    .unwrap();
    assert_eq!(config.auth.audience, ["a", "b"]);
    assert!(!config.to_redacted_toml().unwrap().contains(SECRET));
    assert!(!format!("{config:?}").contains(SECRET));
    let _ = (AUDIENCE, parse_config(""));
}
