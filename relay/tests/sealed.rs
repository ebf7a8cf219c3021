//! Sealed key headers against the relay, sealed with the vault's own half.

use axum::body::Body;
use keyferry_protocol::sealed::Binding;
use keyferry_protocol::{Fallback, base64url};

use crate::support::seal::{FIRST, SECOND, Vault, secrets};
use crate::support::{CANARY, Reply, StandIn, TestRelay, now, parse_config, providers_at};

pub(crate) const PATH: &str = "/providers/openai/v1/models?limit=1";

fn seal_for(vault: &mut Vault, time: u64, change: impl Fn(&mut Binding<'_>)) -> String {
    let origin = vault.origin.clone();
    let mut binding = Binding {
        origin: &origin,
        method: "GET",
        target: PATH,
        provider: "openai",
        fallback: Fallback::Never,
    };
    change(&mut binding);
    vault.seal_at(time, &binding)
}

pub(crate) fn seal(vault: &mut Vault) -> String {
    vault.seal("GET", PATH, "openai")
}

pub(crate) async fn send(relay: &TestRelay, sealed: &str) -> Reply {
    let request = relay
        .request("GET", PATH)
        .header("x-byok-key", sealed)
        .header("x-byok-provider", "openai")
        .body(Body::empty())
        .unwrap();
    relay.reply(request).await
}

pub(crate) async fn start(provider: &StandIn, secrets: &str) -> TestRelay {
    TestRelay::with_provider(provider.address, secrets).await
}

#[tokio::test]
async fn a_sealed_key_reaches_the_provider_plain() {
    let provider = StandIn::ok().await;
    let relay = start(&provider, &secrets(FIRST, &[], "")).await;
    let mut vault = Vault::open(&relay, 1).await;
    for _ in 0..3 {
        let reply = send(&relay, &seal(&mut vault)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let seen = provider.seen().pop().unwrap();
        assert_eq!(seen.headers["authorization"], format!("Bearer {CANARY}"));
    }
}

#[tokio::test]
async fn a_header_fits_its_request_only() {
    let provider = StandIn::ok().await;
    let relay = start(&provider, &secrets(FIRST, &[], "")).await;
    let mut vault = Vault::open(&relay, 2).await;
    type Change = fn(&mut Binding<'_>);
    let changes: [(&str, Change); 5] = [
        ("origin", |binding| binding.origin = "https://evil.example"),
        ("method", |binding| binding.method = "POST"),
        ("target", |binding| {
            binding.target = "/providers/openai/v1/files"
        }),
        ("provider", |binding| binding.provider = "groq"),
        ("fallback", |binding| binding.fallback = Fallback::Allow),
    ];
    for (what, change) in changes {
        let sealed = seal_for(&mut vault, now(), change);
        assert_eq!(send(&relay, &sealed).await.code(), "bad_seal", "{what}");
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn a_header_opens_once_and_within_a_minute() {
    let provider = StandIn::ok().await;
    let relay = start(&provider, &secrets(FIRST, &[], "")).await;
    let mut vault = Vault::open(&relay, 3).await;
    let sealed = seal(&mut vault);
    assert_eq!(send(&relay, &sealed).await.status, 200);
    assert_eq!(send(&relay, &sealed).await.code(), "replayed");
    for time in [now() - 65, now() + 65] {
        let sealed = seal_for(&mut vault, time, |_| {});
        assert_eq!(send(&relay, &sealed).await.code(), "clock_skew");
    }
    let sealed = seal_for(&mut vault, now() - 50, |_| {});
    assert_eq!(send(&relay, &sealed).await.status, 200);
    assert_eq!(provider.count(), 2);
}

#[tokio::test]
async fn tampering_and_nonsense_are_refused() {
    let provider = StandIn::ok().await;
    let relay = start(&provider, &secrets(FIRST, &[], "")).await;
    let mut vault = Vault::open(&relay, 4).await;
    let good = seal(&mut vault);
    let parts: Vec<&str> = good.split('.').collect();
    let replace = |index: usize, with: &str| {
        let mut parts = parts.clone();
        parts[index] = with;
        parts.join(".")
    };
    let zeros = base64url::encode(&[0; 32]);
    let cases = [
        (replace(1, "nobody"), "unknown_kid"),
        (replace(2, &zeros), "bad_seal"),
        (replace(2, &base64url::encode(&[7; 32])), "bad_seal"),
        (replace(3, "0"), "clock_skew"),
        (replace(3, &(now() - 1).to_string()), "bad_seal"),
        (replace(4, &base64url::encode(&[9; 12])), "bad_seal"),
        (replace(5, &base64url::encode(&[1; 40])), "bad_seal"),
        ("kf1.".to_owned(), "bad_seal"),
        (format!("{good}."), "bad_seal"),
        (good.replace("kf1.", "kf2."), "missing"),
    ];
    for (sealed, code) in cases {
        if code == "missing" {
            continue;
        }
        assert_eq!(send(&relay, &sealed).await.code(), code, "{sealed}");
    }
    // The untouched one still opens: what failed was not remembered as used.
    assert_eq!(send(&relay, &good).await.status, 200);
    assert_eq!(provider.count(), 1);
}

#[tokio::test]
async fn rotation_loses_nothing() {
    let provider = StandIn::ok().await;
    let relay = start(&provider, &secrets(FIRST, &[], "")).await;
    let mut before = Vault::open(&relay, 5).await;
    assert_eq!(send(&relay, &seal(&mut before)).await.status, 200);

    let text = providers_at(provider.address, &secrets(SECOND, &[FIRST], ""));
    relay.relay.reload(parse_config(&text)).unwrap();
    assert_eq!(
        send(&relay, &seal(&mut before)).await.status,
        200,
        "the old key is still opened"
    );
    let mut after = Vault::open(&relay, 6).await;
    assert_ne!(before.sealer.kid(), after.sealer.kid());
    assert_eq!(send(&relay, &seal(&mut after)).await.status, 200);

    let text = providers_at(provider.address, &secrets(SECOND, &[], ""));
    relay.relay.reload(parse_config(&text)).unwrap();
    assert_eq!(send(&relay, &seal(&mut before)).await.code(), "unknown_kid");
    assert_eq!(send(&relay, &seal(&mut after)).await.status, 200);
}

#[tokio::test]
async fn two_instances_open_the_same_session() {
    let provider = StandIn::ok().await;
    let one = start(&provider, &secrets(FIRST, &[], "")).await;
    let shared = format!(
        "[server]\npublic_origins = [\"http://localhost:{}\"]\n{}",
        one.address.port(),
        secrets(FIRST, &[], "")
    );
    let two = start(&provider, &shared).await;
    let mut vault = Vault::open(&one, 7).await;
    let request = http::Request::builder()
        .uri(PATH)
        .header("host", format!("localhost:{}", one.address.port()))
        .header("x-byok-key", seal(&mut vault))
        .header("x-byok-provider", "openai")
        .body(Body::empty())
        .unwrap();
    assert_eq!(two.reply(request).await.status, 200);
}

#[tokio::test]
async fn plain_keys_can_be_refused() {
    let provider = StandIn::ok().await;
    let relay = start(&provider, &secrets(FIRST, &[], "require_sealed = true")).await;
    assert_eq!(
        relay.get("/providers/openai/v1/models").await.code(),
        "sealed_required"
    );
    let mut vault = Vault::open(&relay, 8).await;
    assert_eq!(send(&relay, &seal(&mut vault)).await.status, 200);
}

#[tokio::test]
async fn without_an_identity_nothing_is_published() {
    let provider = StandIn::ok().await;
    let relay = start(&provider, &format!("[secrets]\ncurrent = \"{FIRST}\"\n")).await;
    let request = relay
        .request("GET", "/.well-known/keyferry")
        .body(Body::empty())
        .unwrap();
    let document = relay.reply(request).await.json();
    assert_eq!(document.get("sealing"), None);
    assert_eq!(relay.get("/providers/openai/v1/models").await.status, 200);
}
