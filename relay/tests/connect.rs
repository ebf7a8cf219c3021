//! `POST /v1/connect/openrouter`: a sign-in's code becomes a key that only the asker can read.

use std::time::Duration;

use axum::body::Body;
use hkdf::Hkdf;
use keyferry_protocol::base64url;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::log::Log;
use crate::support::secrecy::line_with;
use crate::support::tokens::secret_config;
use crate::support::{
    CANARY, Reply, StandIn, TestRelay, free_address, json_response, raw_provider, read_head, send,
};

const PATH: &str = "/v1/connect/openrouter";
const CODE: &str = "auth_code_CANARYcodeCANARY0123456789";
const VERIFIER: &str = "CANARYverifierCANARYverifier0123456789-._~abc";
const KEY: &str = "sk-or-v1-CANARYmintedCANARYminted0123456789abcdefCANARYmintedCANARYminted";

/// The one-time key of someone who asks.
struct Asker {
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl Asker {
    fn new() -> Self {
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = private.compute_public_key().unwrap().as_ref().to_vec();
        Self { private, public }
    }

    fn ask(&self) -> Value {
        json!({
            "code": CODE,
            "codeVerifier": VERIFIER,
            "publicKey": base64url::encode(&self.public),
        })
    }

    fn open(self, answer: &Value) -> String {
        let bytes = |name: &str| base64url::decode(answer[name].as_str().unwrap()).unwrap();
        let (theirs, mut text) = (bytes("publicKey"), bytes("ciphertext"));
        let info = [
            b"keyferry connect openrouter v1".as_slice(),
            &self.public,
            &theirs,
        ]
        .concat();
        let peer = UnparsedPublicKey::new(&ECDH_P256, &theirs);
        let derived = agree_ephemeral(self.private, &peer, |shared| {
            let mut okm = [0; 32];
            let hkdf = Hkdf::<Sha256>::new(None, shared);
            hkdf.expand(&info, &mut okm).unwrap();
            okm
        })
        .unwrap();
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived).unwrap());
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let opened = cipher.open_in_place(nonce, Aad::empty(), &mut text);
        String::from_utf8(opened.unwrap().to_vec()).unwrap()
    }
}

async fn post(relay: &TestRelay, body: &Value, more: &[(&str, &str)]) -> Reply {
    let mut request = relay
        .request("POST", PATH)
        .header("content-type", "application/json");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    relay
        .reply(request.body(Body::from(body.to_string())).unwrap())
        .await
}

/// Nothing of code, verifier and key in the answer, the metrics and the log.
fn assert_clean(relay: &TestRelay, reply: &Reply) {
    let logged = Log::capture().own();
    assert!(logged.contains(PATH), "{logged}");
    let metrics = relay.relay.metrics().render().unwrap();
    let answer = format!("{:?}{}", reply.headers, reply.text());
    for text in [Log::capture().text(), metrics, answer] {
        for secret in [CODE, VERIFIER, &KEY["sk-or-v1-".len()..]] {
            assert_eq!(line_with(&text, secret), None);
        }
    }
}

#[tokio::test]
async fn a_code_becomes_a_key_for_the_asker_only() {
    Log::capture();
    let provider = StandIn::start(|_| {
        json_response(200, &json!({ "key": KEY, "user_id": "user_1" }).to_string())
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let asker = Asker::new();
    // Credentials that came along are the relay's business, not OpenRouter's.
    let more = [("x-byok-key", CANARY), ("cookie", "a=b")];
    let reply = post(&relay, &asker.ask(), &more).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_clean(&relay, &reply);
    assert_eq!(
        reply.header("cache-control"),
        Some("no-store, no-transform")
    );
    assert_eq!(reply.header("x-byok-provider"), Some("openrouter"));
    assert_eq!(asker.open(&reply.json()), KEY);

    let seen = provider.only();
    assert_eq!(
        (seen.method.as_str(), seen.uri.path()),
        ("POST", "/api/v1/auth/keys")
    );
    assert_eq!(
        serde_json::from_slice::<Value>(&seen.body).unwrap(),
        json!({ "code": CODE, "code_verifier": VERIFIER, "code_challenge_method": "S256" })
    );
    for name in ["authorization", "cookie", "x-byok-key", "origin"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn the_well_known_document_says_where_to_sign_in() {
    let relay = TestRelay::start("").await;
    let document = relay.get("/.well-known/keyferry").await.json();
    assert_eq!(
        document["connect"]["openrouter"],
        "https://openrouter.ai/auth"
    );
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let document = relay.get("/.well-known/keyferry").await.json();
    let here = format!("http://{}/auth", provider.address);
    assert_eq!(document["connect"]["openrouter"], here.as_str());
}

#[tokio::test]
async fn two_answers_share_nothing() {
    let provider = StandIn::start(|_| json_response(200, &json!({ "key": KEY }).to_string())).await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let asker = Asker::new();
    let first = post(&relay, &asker.ask(), &[]).await.json();
    let second = post(&relay, &asker.ask(), &[]).await.json();
    assert_ne!(first["publicKey"], second["publicKey"]);
    assert_ne!(first["ciphertext"], second["ciphertext"]);
}

#[tokio::test]
async fn refusals_and_failures_of_openrouter() {
    Log::capture();
    let echo = format!("bad code {CODE} {VERIFIER} {KEY}");
    for (status, body, expected, code) in [
        (400, echo.clone(), 400, "sign_in_refused"),
        (403, echo.clone(), 400, "sign_in_refused"),
        (429, echo.clone(), 502, "provider_bad_response"),
        (500, echo.clone(), 502, "provider_bad_response"),
        (302, echo.clone(), 502, "provider_bad_response"),
        (200, echo.clone(), 502, "provider_bad_response"),
        (200, "{}".to_owned(), 502, "provider_bad_response"),
        (
            200,
            json!({ "key": "" }).to_string(),
            502,
            "provider_bad_response",
        ),
        (
            200,
            json!({ "key": "a\nb" }).to_string(),
            502,
            "provider_bad_response",
        ),
        (
            200,
            json!({ "key": KEY, "x": " ".repeat(20_000) }).to_string(),
            502,
            "provider_bad_response",
        ),
    ] {
        let provider = StandIn::start(move |_| {
            let mut response = json_response(status, &body);
            let place = "/elsewhere".parse().unwrap();
            response.headers_mut().insert("location", place);
            response
        })
        .await;
        let relay = TestRelay::with_provider(provider.address, "").await;
        let reply = post(&relay, &Asker::new().ask(), &[]).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (expected, code),
            "{status}: {}",
            reply.text()
        );
        assert_eq!(provider.count(), 1);
        assert_clean(&relay, &reply);
    }
}

#[tokio::test]
async fn an_absent_or_silent_openrouter() {
    Log::capture();
    let gone = free_address();
    let relay = TestRelay::with_provider(gone, "").await;
    let reply = post(&relay, &Asker::new().ask(), &[]).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_unreachable")
    );
    assert_clean(&relay, &reply);

    let silent = raw_provider(|mut stream| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
    })
    .await;
    let relay = TestRelay::with_provider(silent, "[timeouts]\nkey_test_ms = 200\n").await;
    let reply = post(&relay, &Asker::new().ask(), &[]).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "provider_timeout")
    );
    assert_clean(&relay, &reply);
}

#[tokio::test]
async fn requests_of_another_form_reach_no_one() {
    Log::capture();
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let with = |name: &str, value: Value| {
        let mut ask = Asker::new().ask();
        ask[name] = value;
        ask
    };
    let no_point = base64url::encode(&[4; 65]);
    for (body, code) in [
        (json!([]), "bad_field"),
        (json!({}), "bad_field"),
        (with("more", json!(1)), "bad_field"),
        (with("key", json!(KEY)), "key_in_body"),
        (with("code", json!("")), "bad_field"),
        (with("code", json!("a b")), "bad_field"),
        (with("code", json!("a".repeat(1025))), "bad_field"),
        (with("codeVerifier", json!("a".repeat(42))), "bad_field"),
        (with("codeVerifier", json!("a".repeat(129))), "bad_field"),
        (with("codeVerifier", json!("/".repeat(43))), "bad_field"),
        (with("publicKey", json!("AAAA")), "bad_field"),
        (with("code", json!("a".repeat(5000))), "body_too_large"),
    ] {
        let reply = post(&relay, &body, &[]).await;
        assert_eq!(reply.code(), code, "{body}");
        assert_clean(&relay, &reply);
    }
    let text = relay
        .request("POST", PATH)
        .header("content-type", "text/plain");
    let text = text
        .body(Body::from(Asker::new().ask().to_string()))
        .unwrap();
    assert_eq!(relay.reply(text).await.code(), "unsupported_media_type");
    assert_eq!(provider.count(), 0);

    let provider = StandIn::start(|_| json_response(200, &json!({ "key": KEY }).to_string())).await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let reply = post(&relay, &with("publicKey", json!(no_point)), &[]).await;
    assert_eq!(reply.code(), "bad_field");
    assert_clean(&relay, &reply);
}

#[tokio::test]
async fn origins_are_judged_as_elsewhere_and_no_app_token_is_asked_for() {
    let provider = StandIn::start(|_| json_response(200, &json!({ "key": KEY }).to_string())).await;
    let relay = TestRelay::with_provider(
        provider.address,
        "[server]\nallowed_origins = [\"https://app.example\"]\n",
    )
    .await;
    let evil = post(
        &relay,
        &Asker::new().ask(),
        &[("origin", "https://evil.example")],
    )
    .await;
    assert_eq!((evil.status, evil.code().as_str()), (403, "origin_denied"));
    assert_eq!(provider.count(), 0);
    let app = post(
        &relay,
        &Asker::new().ask(),
        &[("origin", "https://app.example")],
    )
    .await;
    assert_eq!(app.status, 200);
    assert_eq!(
        app.header("access-control-allow-origin"),
        Some("https://app.example")
    );

    // The frame, which has no app token, is let through where others need one.
    let config = secret_config();
    let relay = TestRelay::with_provider(provider.address, &config).await;
    let own = format!("http://localhost:{}", relay.address.port());
    let frame = post(&relay, &Asker::new().ask(), &[("origin", &own)]).await;
    assert_eq!(frame.status, 200, "{}", frame.text());
}

#[tokio::test]
async fn sign_ins_are_limited_with_key_tests_and_refused_ones_counted() {
    let provider = StandIn::start(|_| json_response(403, "{}")).await;
    let relay =
        TestRelay::with_provider(provider.address, "[limits]\nkey_tests_per_minute = 2\n").await;
    for expected in ["sign_in_refused", "sign_in_refused", "rate_limited"] {
        assert_eq!(
            post(&relay, &Asker::new().ask(), &[]).await.code(),
            expected
        );
    }
    assert_eq!(provider.count(), 2);

    let relay =
        TestRelay::with_provider(provider.address, "[limits]\nfailures_per_hour = 1\n").await;
    assert_eq!(
        post(&relay, &Asker::new().ask(), &[]).await.code(),
        "sign_in_refused"
    );
    let reply = post(&relay, &Asker::new().ask(), &[]).await;
    assert_eq!(reply.code(), "rate_limited");
    assert_eq!(reply.json()["limit"], "failures_per_hour");
}

#[tokio::test]
async fn the_callback_page_runs_only_its_own_script_on_both_origins() {
    let relay = TestRelay::start("[vault]\nlisten = \"127.0.0.1:1\"\n").await;
    for address in [relay.address, relay.vault.unwrap()] {
        let request = http::Request::builder()
            .uri(format!("/connect/openrouter?code={CODE}&state=s"))
            .header("host", format!("localhost:{}", address.port()))
            .header("sec-fetch-dest", "document")
            .body(Body::empty())
            .unwrap();
        let reply = Reply::read(send(address, request).await).await;
        assert_eq!(reply.status, 200);
        assert!(!reply.text().contains(CODE));
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "unsafe-none"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name}");
        }
    }
}
