//! Keys sealed to the relay, and a relay that stops offering it.

use keyferry_protocol::{
    Fallback, base64url,
    sealed::{Binding, IdentityKey, KeySet, OpeningKey, SealedHeader, SealingKey},
};

use super::*;
use crate::{
    fetch::{FetchError, Outcome, Request},
    testing::{CannedAnswer, ScriptedTransport},
};

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

struct SealingRelay {
    identity: IdentityKey,
    key: OpeningKey,
}

impl SealingRelay {
    fn new(seed: u8) -> Self {
        let private = OpeningKey::generate(&[seed; 32]);
        Self {
            identity: IdentityKey::from_seed([seed ^ 0x55; 32]),
            key: OpeningKey::from_bytes(&private).unwrap(),
        }
    }

    fn document(&self, now: u64) -> CannedAnswer {
        self.signed_at(now, now)
    }

    /// What the relay signed at `issued_at`, with what it calls the time.
    fn signed_at(&self, issued_at: u64, now: u64) -> CannedAnswer {
        let set = KeySet {
            issued_at,
            expires_at: issued_at + 7 * DAY,
            keys: vec![SealingKey {
                kid: self.key.kid().to_owned(),
                public: *self.key.public(),
                not_before: issued_at - 60,
                not_after: issued_at + 7 * DAY,
            }],
        };
        let (bytes, signature) = self.identity.sign(&set).unwrap();
        CannedAnswer::new(
            200,
            &format!(
                r#"{{"now":{},"providers":[],"sealing":{{"keySet":"{}","signature":"{}","identity":"{}"}}}}"#,
                now * 1000,
                base64url::encode(&bytes),
                base64url::encode(&signature),
                base64url::encode(&self.identity.public()),
            ),
        )
    }

    fn open(&self, header: &str) -> Vec<u8> {
        let parsed = SealedHeader::parse(header).unwrap();
        let secret = self.key.session(&parsed).unwrap();
        let binding = Binding {
            origin: "https://relay.example",
            method: "POST",
            target: "/v1/chat/completions",
            provider: "openai",
            fallback: Fallback::Never,
        };
        secret.open(&parsed, &binding).unwrap().to_vec()
    }
}

fn chat() -> Request<ScriptedTransport> {
    Request {
        url: "https://relay.example/v1/chat/completions".into(),
        method: "POST".into(),
        headers: Vec::new(),
        body: Some(br#"{"model":"gpt-4o"}"#.to_vec()),
        context: None,
    }
}

fn vault_with_key(relay_key: Option<[u8; 32]>) -> Vault<World> {
    let config = Config {
        relay_key,
        ..config("https://relay.example")
    };
    let vault = block_on(Vault::open(World::new(1), config)).unwrap();
    block_on(vault.create(&secret(PASSWORD))).unwrap();
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    vault
}

fn ok() -> CannedAnswer {
    CannedAnswer::new(200, "{}")
}

fn code(outcome: Result<Outcome<CannedAnswer>, FetchError>) -> &'static str {
    match outcome.unwrap() {
        Outcome::Answer { .. } => "sent",
        Outcome::Refusal(refusal) => refusal.code,
    }
}

#[test]
fn a_relay_with_sealing_keys_never_sees_a_key_in_clear() {
    let vault = vault_with_key(None);
    let relay = SealingRelay::new(3);
    let transport = &vault.platform().transport;
    transport.answer(relay.document(NOW));
    for _ in 0..3 {
        transport.answer(ok());
        assert_eq!(code(block_on(vault.fetch(&chat()))), "sent");
    }
    let sent = transport.take();
    assert_eq!(sent.len(), 4, "one document, three requests");
    let headers: Vec<_> = sent[1..]
        .iter()
        .map(|sent| sent.header("x-byok-key").unwrap())
        .collect();
    for header in &headers {
        assert!(header.starts_with("kf1.") && !header.contains("canary"));
        assert_eq!(relay.open(header), OPENAI.as_bytes());
    }
    let enc = |header: &str| header.split('.').nth(2).unwrap().to_owned();
    assert_eq!(
        enc(headers[0]),
        enc(headers[1]),
        "one encapsulation for the session"
    );
    assert_ne!(headers[0], headers[1]);
    assert_eq!(
        block_on(vault.settings()).unwrap().relay_key,
        Some(relay.identity.public()),
        "pinned"
    );
    // Locking ends the session's encapsulation too.
    vault.lock(Reason::Requested);
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    transport.answer(ok());
    assert_eq!(code(block_on(vault.fetch(&chat()))), "sent");
    let sent = transport.take();
    assert_ne!(
        enc(sent.last().unwrap().header("x-byok-key").unwrap()),
        enc(headers[0])
    );
}

#[test]
fn moving_to_another_relay_forgets_the_identity_of_the_old_one() {
    let (old, new, third) = (
        SealingRelay::new(3),
        SealingRelay::new(4),
        SealingRelay::new(5),
    );
    for configured in [None, Some(new.identity.public())] {
        let vault = vault_with_key(None);
        vault.platform().transport.answer(old.document(NOW));
        vault.platform().transport.answer(ok());
        assert_eq!(code(block_on(vault.fetch(&chat()))), "sent");
        let pin = |vault: &Vault<World>| block_on(vault.settings()).unwrap().relay_key;
        assert_eq!(pin(&vault), Some(old.identity.public()));
        // Binding it anew to the relay it belongs to is no reason to trust another identity.
        let here = Relay::parse("https://relay.example").unwrap();
        block_on(vault.rebind(&here, &secret(PASSWORD), &[])).unwrap();
        assert_eq!(pin(&vault), Some(old.identity.public()));

        let config = Config {
            relay_key: configured,
            ..config("https://new.example")
        };
        let world = vault.platform().another_tab(5);
        let moved = block_on(Vault::open(world, config)).unwrap();
        let relay = Relay::parse("https://new.example").unwrap();
        block_on(moved.rebind(&relay, &secret(PASSWORD), &[])).unwrap();
        assert_eq!(pin(&moved), configured);
        let transport = &moved.platform().transport;
        let request = || Request {
            url: "https://new.example/v1/chat/completions".into(),
            ..chat()
        };
        transport.answer(new.document(NOW));
        transport.answer(ok());
        assert_eq!(code(block_on(moved.fetch(&request()))), "sent");
        assert_eq!(pin(&moved), Some(new.identity.public()));

        // The new one is held to its identity as the old one was.
        let world = moved.platform().another_tab(6);
        let later = block_on(Vault::open(world, self::config("https://new.example"))).unwrap();
        block_on(later.unlock(&password(PASSWORD))).unwrap();
        later.platform().transport.answer(third.document(NOW));
        assert_eq!(code(block_on(later.fetch(&request()))), "relay_downgraded");
    }
}

#[test]
fn after_pinning_nothing_goes_out_unsealed() {
    let relay = SealingRelay::new(3);
    let other = SealingRelay::new(4);
    let unsigned = CannedAnswer::new(200, r#"{"now":1800000000000,"providers":[]}"#);
    for document in [CannedAnswer::new(404, ""), unsigned, other.document(NOW)] {
        let vault = vault_with_key(Some(relay.identity.public()));
        let transport = &vault.platform().transport;
        transport.answer(document);
        assert_eq!(code(block_on(vault.fetch(&chat()))), "relay_downgraded");
        assert_eq!(transport.take().len(), 1, "the document only");
    }
    // The same once the pin was learnt from the relay itself.
    let vault = vault_with_key(None);
    let transport = &vault.platform().transport;
    transport.answer(relay.document(NOW));
    transport.answer(ok());
    assert_eq!(code(block_on(vault.fetch(&chat()))), "sent");
    vault.platform().clock.advance(6 * MINUTE);
    transport.answer(CannedAnswer::new(404, ""));
    assert_eq!(code(block_on(vault.fetch(&chat()))), "relay_downgraded");
}

#[test]
fn unreadable_or_unreachable_sealing_sends_nothing() {
    let vault = vault_with_key(None);
    let transport = &vault.platform().transport;
    for document in [
        CannedAnswer::new(200, r#"{"sealing":{"keySet":"x"}}"#),
        CannedAnswer::new(500, ""),
    ] {
        transport.answer(document);
        assert_eq!(
            block_on(vault.fetch(&chat())).unwrap_err(),
            FetchError::Network
        );
        assert_eq!(transport.take().len(), 1);
    }
    let relay = SealingRelay::new(3);
    let mut forged = relay.document(NOW);
    let text = String::from_utf8(forged.body).unwrap();
    let at = text.find("\"signature\":\"").unwrap() + 20;
    let mut bytes = text.into_bytes();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    forged.body = bytes;
    transport.answer(forged);
    assert_eq!(code(block_on(vault.fetch(&chat()))), "relay_downgraded");
}

#[test]
fn a_seal_that_is_not_taken_is_made_anew_once() {
    let vault = vault_with_key(None);
    let transport = &vault.platform().transport;
    let (old, new) = (SealingRelay::new(3), SealingRelay::new(3));
    let rotated = SealingRelay {
        key: SealingRelay::new(9).key,
        identity: new.identity,
    };
    transport.answer(old.document(NOW));
    transport.answer(CannedAnswer::new(400, "{}").with("x-byok-error", "unknown_kid"));
    transport.answer(rotated.document(NOW));
    transport.answer(ok());
    assert_eq!(code(block_on(vault.fetch(&chat()))), "sent");
    let sent = transport.take();
    assert_eq!(
        rotated.open(sent[3].header("x-byok-key").unwrap()),
        OPENAI.as_bytes()
    );

    // A clock as wrong as it may be is corrected by the relay's own.
    vault.platform().clock.advance(10 * MINUTE);
    let truth = NOW + 600 + HOUR;
    transport.answer(rotated.document(NOW));
    transport.answer(CannedAnswer::new(400, "{}").with("x-byok-error", "clock_skew"));
    transport.answer(rotated.document(truth));
    transport.answer(ok());
    assert_eq!(code(block_on(vault.fetch(&chat()))), "sent");
    let sent = transport.take();
    let header = SealedHeader::parse(sent[3].header("x-byok-key").unwrap()).unwrap();
    assert_eq!(header.timestamp, truth);

    // Not more than once.
    let skew = CannedAnswer::new(400, "{}").with("x-byok-error", "clock_skew");
    transport.answer(skew.clone());
    transport.answer(rotated.document(truth));
    transport.answer(skew);
    assert_eq!(code(block_on(vault.fetch(&chat()))), "sent");
    assert_eq!(transport.take().len(), 3);
}

#[test]
fn a_set_is_held_against_the_vaults_own_clock_whatever_the_relay_says_the_time_is() {
    let relay = SealingRelay::new(3);
    for pinned in [Some(relay.identity.public()), None] {
        // An old set, and a document that says the time of that set, or the truth.
        for (issued_at, said, outcome) in [
            (NOW - 30 * DAY, NOW - 30 * DAY + HOUR, "relay_downgraded"),
            (NOW - 30 * DAY, NOW, "relay_downgraded"),
            (NOW - 7 * DAY - HOUR, NOW - 7 * DAY, "relay_downgraded"),
            (NOW + HOUR + 1, NOW + HOUR + 1, "relay_downgraded"),
            (NOW - 7 * DAY - HOUR + 1, NOW, "sent"),
            (NOW + HOUR, NOW + HOUR, "sent"),
        ] {
            let vault = vault_with_key(pinned);
            let transport = &vault.platform().transport;
            transport.answer(relay.signed_at(issued_at, said));
            transport.answer(ok());
            assert_eq!(
                code(block_on(vault.fetch(&chat()))),
                outcome,
                "{issued_at} {said}"
            );
            let sent = transport.take();
            assert_eq!(sent.len(), if outcome == "sent" { 2 } else { 1 });
            // What the relay calls the time is only what it is told the time is.
            if let Some(sent) = sent.get(1) {
                let header = SealedHeader::parse(sent.header("x-byok-key").unwrap()).unwrap();
                assert_eq!(header.timestamp, said);
            }
        }
    }
}
