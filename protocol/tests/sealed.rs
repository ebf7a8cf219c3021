//! The sealed header end to end: what opens, and everything that must not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use keyferry_protocol::Fallback;
use keyferry_protocol::base64url;
use keyferry_protocol::sealed::{
    Binding, IdentityKey, KeySet, KeySetError, OpeningKey, SESSION_SECONDS, SealError,
    SealedHeader, Sealer, SealingKey, key_id,
};
use proptest::prelude::*;

const NOW: u64 = 1_795_000_000;
const KEY: &[u8] = b"sk-proj-canary0123456789abcdefghijklmnopqrstuv";

fn binding() -> Binding<'static> {
    Binding {
        origin: "https://relay.example",
        method: "POST",
        target: "/providers/openai/v1/chat/completions?x=1",
        provider: "openai",
        fallback: Fallback::Never,
    }
}

fn opening_key(byte: u8) -> OpeningKey {
    OpeningKey::from_bytes(&OpeningKey::generate(&[byte; 32])).unwrap()
}

fn sealer(key: &OpeningKey) -> Sealer {
    Sealer::new(key.kid(), key.public(), [3; 32], NOW).unwrap()
}

fn open(key: &OpeningKey, value: &str, binding: &Binding<'_>) -> Result<Vec<u8>, SealError> {
    let header = SealedHeader::parse(value)?;
    header.check_time(NOW)?;
    Ok(key.session(&header)?.open(&header, binding)?.to_vec())
}

#[test]
fn a_sealed_key_opens_for_its_request() {
    let key = opening_key(1);
    let mut sealer = sealer(&key);
    let value = sealer.seal(KEY, &binding(), NOW, [9; 12]).unwrap();
    assert!(SealedHeader::is_sealed(&value));
    assert_eq!(open(&key, &value, &binding()).unwrap(), KEY);
    assert!(!value.contains("canary"));
}

#[test]
fn one_session_secret_opens_all_requests_of_a_session() {
    let key = opening_key(1);
    let mut sealer = sealer(&key);
    let first = sealer.seal(KEY, &binding(), NOW, [1; 12]).unwrap();
    let second = sealer
        .seal(b"other-key", &binding(), NOW + 1, [2; 12])
        .unwrap();
    let (first, second) = (
        SealedHeader::parse(&first).unwrap(),
        SealedHeader::parse(&second).unwrap(),
    );
    assert_eq!(first.enc, second.enc);
    let secret = key.session(&first).unwrap();
    assert_eq!(*secret.open(&second, &binding()).unwrap(), b"other-key");
}

#[test]
fn every_bound_part_of_a_request_counts() {
    let key = opening_key(1);
    let value = sealer(&key).seal(KEY, &binding(), NOW, [9; 12]).unwrap();
    let good = binding();
    for other in [
        Binding {
            origin: "https://relay.example.evil",
            ..good
        },
        Binding {
            method: "GET",
            ..good
        },
        Binding {
            target: "/providers/openai/v1/chat/completions?x=2",
            ..good
        },
        Binding {
            target: "/providers/openai/v1/files",
            ..good
        },
        Binding {
            provider: "anthropic",
            ..good
        },
        Binding {
            provider: "",
            ..good
        },
        Binding {
            fallback: Fallback::Allow,
            ..good
        },
        Binding {
            fallback: Fallback::AllowAny,
            ..good
        },
        // Moving a byte from one field to the next must not give the same bytes.
        Binding {
            origin: "https://relay.exampleP",
            method: "OST",
            ..good
        },
    ] {
        assert_eq!(
            open(&key, &value, &other),
            Err(SealError::BadTag),
            "{other:?}"
        );
    }
}

#[test]
fn every_part_of_the_header_counts() {
    let key = opening_key(1);
    let value = sealer(&key).seal(KEY, &binding(), NOW, [9; 12]).unwrap();
    let parts: Vec<&str> = value.split('.').collect();
    let other_enc = base64url::encode(&[5; 32]);
    let other_nonce = base64url::encode(&[8; 12]);
    let later = (NOW + 1).to_string();
    for (part, replacement) in [(2, other_enc.as_str()), (3, &later), (4, &other_nonce)] {
        let mut changed = parts.clone();
        changed[part] = replacement;
        assert_eq!(
            open(&key, &changed.join("."), &binding()),
            Err(SealError::BadTag),
            "{part}"
        );
    }
    let mut sealed = base64url::decode(parts[5]).unwrap();
    for at in 0..sealed.len() {
        sealed[at] ^= 1;
        let changed = base64url::encode(&sealed);
        let changed = [&parts[..5], &[changed.as_str()]].concat().join(".");
        assert_eq!(
            open(&key, &changed, &binding()),
            Err(SealError::BadTag),
            "byte {at}"
        );
        sealed[at] ^= 1;
    }
}

#[test]
fn another_sealing_key_is_unknown() {
    let (key, other) = (opening_key(1), opening_key(2));
    let value = sealer(&key).seal(KEY, &binding(), NOW, [9; 12]).unwrap();
    assert_eq!(open(&other, &value, &binding()), Err(SealError::UnknownKid));
    // With the right id but another key behind it, the tag fails.
    let forged = value.replace(key.kid(), other.kid());
    assert_eq!(open(&other, &forged, &binding()), Err(SealError::BadTag));
}

#[test]
fn the_window_is_sixty_seconds_either_way() {
    let key = opening_key(1);
    let value = sealer(&key).seal(KEY, &binding(), NOW, [9; 12]).unwrap();
    let header = SealedHeader::parse(&value).unwrap();
    for now in [NOW, NOW - 60, NOW + 60] {
        assert_eq!(header.check_time(now), Ok(()));
    }
    for now in [NOW - 61, NOW + 61, 0, u64::MAX] {
        assert_eq!(header.check_time(now), Err(SealError::ClockSkew));
    }
}

#[test]
fn sessions_end() {
    let key = opening_key(1);
    let mut sealer = sealer(&key);
    assert!(!sealer.is_spent(NOW + SESSION_SECONDS - 1));
    assert!(sealer.is_spent(NOW + SESSION_SECONDS));
    assert!(sealer.is_spent(NOW - 1));
    assert_eq!(
        sealer.seal(KEY, &binding(), NOW + SESSION_SECONDS, [9; 12]),
        Err(SealError::Spent)
    );
    assert_eq!(
        sealer.seal(b"", &binding(), NOW, [9; 12]),
        Err(SealError::Form)
    );
}

#[test]
fn malformed_headers_are_refused_before_any_cryptography() {
    let key = opening_key(1);
    let value = sealer(&key).seal(KEY, &binding(), NOW, [9; 12]).unwrap();
    let parts: Vec<&str> = value.split('.').collect();
    let with = |part: usize, text: &str| {
        let mut parts = parts.clone();
        parts[part] = text;
        parts.join(".")
    };
    let long_kid = "a".repeat(33);
    let tag_only = base64url::encode(&[0; 16]);
    for bad in [
        String::new(),
        "kf1".into(),
        "kf1.".into(),
        "sk-proj-plain".into(),
        value.replace("kf1.", "kf2."),
        format!("{value}."),
        format!("{value}.x"),
        format!(" {value}"),
        format!("{value}="),
        parts[..5].join("."),
        with(1, ""),
        with(1, "a/b"),
        with(1, &long_kid),
        with(2, "AAAA"),
        with(3, ""),
        with(3, "+1795000000"),
        with(3, "01795000000"),
        with(3, "1795000000000000"),
        with(3, "-1"),
        with(4, "AAAA"),
        with(5, ""),
        with(5, &tag_only),
        with(5, &"A".repeat(4096)),
    ] {
        assert_eq!(
            SealedHeader::parse(&bad).unwrap_err(),
            SealError::Form,
            "{bad}"
        );
    }
}

#[test]
fn secrets_do_not_show_in_debug() {
    let key = opening_key(1);
    let mut sealer = sealer(&key);
    let value = sealer.seal(KEY, &binding(), NOW, [9; 12]).unwrap();
    let secret = key.session(&SealedHeader::parse(&value).unwrap()).unwrap();
    let identity = IdentityKey::from_seed([4; 32]);
    assert_eq!(
        format!("{key:?} {sealer:?} {secret:?} {identity:?}"),
        "OpeningKey([redacted]) Sealer([redacted]) SessionSecret([redacted]) IdentityKey([redacted])"
    );
}

fn key_set() -> KeySet {
    let sealing = |byte, not_before, not_after| {
        let public = *opening_key(byte).public();
        SealingKey {
            kid: key_id(&public),
            public,
            not_before,
            not_after,
        }
    };
    KeySet {
        issued_at: NOW,
        expires_at: NOW + 86_400,
        keys: vec![
            sealing(2, NOW + 600, NOW + 700_000),
            sealing(1, NOW - 600_000, NOW + 3600),
        ],
    }
}

#[test]
fn a_signed_key_set_opens_and_chooses_its_current_key() {
    let identity = IdentityKey::from_seed([4; 32]);
    let set = key_set();
    let (bytes, signature) = identity.sign(&set).unwrap();
    let opened = KeySet::open(&bytes, &signature, &identity.public(), NOW).unwrap();
    assert_eq!(opened, set);
    assert_eq!(opened.current(NOW).unwrap().kid, opening_key(1).kid());
    assert_eq!(opened.current(NOW + 600).unwrap().kid, opening_key(2).kid());
    // A clock may be wrong by an hour: no longer current, or not yet.
    let late = NOW + 700_000;
    assert_eq!(opened.current(late).unwrap().kid, opening_key(2).kid());
    assert_eq!(
        opened.current(late + 3_599).unwrap().kid,
        opening_key(2).kid()
    );
    assert_eq!(opened.current(late + 3_600), None);
    let early = NOW - 600_000;
    assert_eq!(
        opened.current(early - 3_600).unwrap().kid,
        opening_key(1).kid()
    );
    assert_eq!(opened.current(early - 3_601), None);
}

#[test]
fn key_sets_of_others_or_of_old_are_refused() {
    let identity = IdentityKey::from_seed([4; 32]);
    let stranger = IdentityKey::from_seed([5; 32]);
    let (bytes, signature) = identity.sign(&key_set()).unwrap();
    let open = |bytes: &[u8], signature, identity: [u8; 32], now| {
        KeySet::open(bytes, signature, &identity, now).unwrap_err()
    };
    assert_eq!(
        open(&bytes, &signature, stranger.public(), NOW),
        KeySetError::BadSignature
    );
    assert_eq!(
        open(&bytes, &signature, identity.public(), NOW + 90_001),
        KeySetError::Expired
    );
    assert_eq!(
        open(&bytes, &signature, identity.public(), NOW - 3601),
        KeySetError::Expired
    );
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(
            open(&changed, &signature, identity.public(), NOW),
            KeySetError::BadSignature
        );
    }
}

#[test]
fn a_key_set_needs_true_ids_and_at_least_one_key() {
    let identity = IdentityKey::from_seed([4; 32]);
    let mut set = key_set();
    set.keys[0].kid = set.keys[1].kid.clone();
    let (bytes, signature) = identity.sign(&set).unwrap();
    assert_eq!(
        KeySet::open(&bytes, &signature, &identity.public(), NOW),
        Err(KeySetError::Form)
    );
    set.keys.clear();
    assert_eq!(identity.sign(&set).unwrap_err(), SealError::Form);
}

fn field<'a>(vector: &'a serde_json::Value, name: &str) -> &'a str {
    vector[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} missing"))
}

/// The frozen vectors: if these change, deployed vaults and relays no longer understand each
/// other, and the form needs a new name.
#[test]
fn frozen_vectors() {
    let text = include_str!("vectors/sealed.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let headers = vectors["headers"].as_array().unwrap();
    assert!(headers.len() >= 3);
    for vector in headers {
        let array = |name| base64url::decode_array::<32>(field(vector, name)).unwrap();
        let key = OpeningKey::from_bytes(&array("private")).unwrap();
        assert_eq!(key.public(), &array("public"));
        assert_eq!(key.kid(), field(vector, "kid"));
        let binding = Binding {
            origin: field(vector, "origin"),
            method: field(vector, "method"),
            target: field(vector, "target"),
            provider: field(vector, "provider"),
            fallback: Fallback::parse(field(vector, "fallback")).unwrap(),
        };
        let now = vector["timestamp"].as_u64().unwrap();
        let mut sealer = Sealer::new(key.kid(), key.public(), array("entropy"), now).unwrap();
        let nonce = base64url::decode_array(field(vector, "nonce")).unwrap();
        let plain = field(vector, "key").as_bytes();
        let header = sealer.seal(plain, &binding, now, nonce).unwrap();
        assert_eq!(header, field(vector, "header"));
        let parsed = SealedHeader::parse(&header).unwrap();
        let opened = key
            .session(&parsed)
            .unwrap()
            .open(&parsed, &binding)
            .unwrap();
        assert_eq!(*opened, plain);
    }
    let vector = &vectors["keySet"];
    let identity = IdentityKey::from_seed(base64url::decode_array(field(vector, "seed")).unwrap());
    assert_eq!(
        base64url::encode(&identity.public()),
        field(vector, "identity")
    );
    let (bytes, signature) = identity.sign(&key_set()).unwrap();
    assert_eq!(base64url::encode(&bytes), field(vector, "bytes"));
    assert_eq!(base64url::encode(&signature), field(vector, "signature"));
}

proptest! {
    #[test]
    fn parsing_never_panics_and_never_accepts_two_spellings(text in "(kf1\\.)?[A-Za-z0-9._-]{0,200}") {
        if let Ok(header) = SealedHeader::parse(&text) {
            let again = [
                "kf1", header.kid, &base64url::encode(&header.enc),
                &header.timestamp.to_string(), &base64url::encode(&header.nonce),
            ].join(".");
            prop_assert!(text.starts_with(&again));
        }
    }

    #[test]
    fn arbitrary_key_sets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let identity = IdentityKey::from_seed([4; 32]);
        prop_assert!(KeySet::open(&bytes, &[0; 64], &identity.public(), NOW).is_err());
    }

    #[test]
    fn whatever_is_sealed_opens(
        key in proptest::collection::vec(any::<u8>(), 1..200),
        target in "/[a-z0-9/?=&]{0,60}",
        nonce in any::<[u8; 12]>(),
    ) {
        let opening = opening_key(1);
        let binding = Binding { target: &target, ..binding() };
        let value = sealer(&opening).seal(&key, &binding, NOW, nonce).unwrap();
        prop_assert_eq!(open(&opening, &value, &binding).unwrap(), key);
    }
}
