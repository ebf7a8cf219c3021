//! Frozen vectors of the format, and arbitrary bytes against every parser.

mod fuzz;

use super::{
    header::Header,
    id::{Id, Kind, RecordKey},
    key_record::{KeyRecord, Status},
    keys::VaultKey,
    manifest::Manifest,
    slot::{Kdf, Slot, SlotInfo, Way, derive_kek},
    *,
};
use crate::secret::Key;

const VAULT: Id = Id::from_bytes([0x11; 16]);
const KEY_ID: Id = Id::from_bytes([0x22; 16]);
const SLOT_ID: Id = Id::from_bytes([0x33; 16]);
const RELAY: &str = "https://relay.example";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn vault_key() -> VaultKey {
    VaultKey(Key::copy_of(&[0x44; 32]).unwrap())
}

fn record() -> KeyRecord {
    KeyRecord {
        id: KEY_ID,
        provider: "openai".into(),
        name: "work".into(),
        preview: "sk-p\u{2026}wxyz".into(),
        active: true,
        known_shape: true,
        created_at: 1_800_000_000_000,
        updated_at: 1_800_000_000_001,
        expires_at: Some(1_900_000_000_000),
        daily_cap_micros: None,
        tested_at: None,
        status: Status::Valid,
        fingerprint: [0x55; 32],
    }
}

fn slot_info() -> SlotInfo {
    SlotInfo {
        id: SLOT_ID,
        revision: 7,
        way: Way::Password,
        kdf: Kdf::Pbkdf2Sha256 {
            iterations: 600_000,
        },
        salt: [0x66; 16],
        prf_salt: [0; 32],
        created_at: 1_800_000_000_000,
        credential_id: Vec::new(),
        rp_id: String::new(),
        label: String::new(),
    }
}

/// One of each record, made from fixed inputs, by name.
fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    let keys = vault_key().derive(VAULT).unwrap();
    let metadata = RecordKey::new(Kind::Metadata, KEY_ID);
    let secret = RecordKey::new(Kind::Secret, KEY_ID);
    let seal = |key: RecordKey, text: &[u8]| {
        let record_key = keys.for_kind(key.kind).unwrap();
        envelope::seal(record_key, &[0x77; 12], VAULT, key, 7, text).unwrap()
    };
    let kek = Key::copy_of(&[0x88; 32]).unwrap();
    let mut manifest = Manifest::at_revision(7);
    manifest.set(metadata, 7);
    manifest.set(secret, 6);
    vec![
        (
            "header",
            Header {
                vault: VAULT,
                relay: RELAY.into(),
            }
            .encode()
            .unwrap(),
        ),
        (
            "slot",
            Slot::seal(&slot_info(), &kek, &vault_key(), &[0x77; 12], VAULT, RELAY).unwrap(),
        ),
        ("metadata", seal(metadata, &record().encode().unwrap())),
        ("secret", seal(secret, b"sk-proj-0123456789abcdef")),
        ("manifest", manifest.encode(VAULT, &keys).unwrap()),
        (
            "fingerprint",
            keys.fingerprint(b"sk-proj-0123456789abcdef")
                .unwrap()
                .to_vec(),
        ),
        ("metadata plaintext", record().encode().unwrap().to_vec()),
        (
            "recovery kek",
            derive_kek(Way::Recovery, &[0x99; 16], &[0x66; 16])
                .unwrap()
                .expose()
                .to_vec(),
        ),
        (
            "passkey kek",
            derive_kek(Way::Passkey, &[0x99; 32], &[0x66; 16])
                .unwrap()
                .expose()
                .to_vec(),
        ),
    ]
}

/// What one version wrote every later one must read: this file only ever grows.
#[test]
fn the_format_is_frozen() {
    let frozen = include_str!("../../tests/vectors/format-v1.txt");
    let frozen: Vec<(&str, &str)> = frozen
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let made: Vec<(&str, String)> = vectors()
        .into_iter()
        .map(|(name, bytes)| (name, hex(&bytes)))
        .collect();
    let made: Vec<(&str, &str)> = made
        .iter()
        .map(|(name, hex)| (*name, hex.as_str()))
        .collect();
    assert_eq!(made, frozen);
}

#[test]
fn frozen_records_open() {
    let keys = vault_key().derive(VAULT).unwrap();
    let all = vectors();
    let find = |wanted: &str| {
        all.iter()
            .find(|(name, _)| *name == wanted)
            .unwrap()
            .1
            .as_slice()
    };
    let slot = Slot::decode(SLOT_ID, find("slot")).unwrap();
    let kek = Key::copy_of(&[0x88; 32]).unwrap();
    assert!(slot.open(&kek, VAULT, RELAY).unwrap().0 == vault_key().0);
    let manifest = Manifest::decode(find("manifest"), VAULT, &keys).unwrap();
    assert_eq!(manifest.entries().len(), 2);
    let key = RecordKey::new(Kind::Metadata, KEY_ID);
    let text = envelope::open(
        keys.for_kind(key.kind).unwrap(),
        VAULT,
        key,
        7,
        find("metadata"),
    )
    .unwrap();
    assert_eq!(KeyRecord::decode(KEY_ID, &text), Ok(record()));
}

/// A backup as the program wrote it, password `a password for the file`.
#[test]
fn a_frozen_backup_opens_without_a_browser() {
    let file = include_bytes!("../../tests/vectors/backup-v1.keyferry");
    let keys =
        crate::offline::open_backup(file, &crate::Secret::copy_of(b"a password for the file"))
            .unwrap();
    let found: Vec<_> = keys
        .iter()
        .map(|key| {
            (
                key.record.provider.as_str(),
                key.record.name.as_str(),
                key.key.expose(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                "openai",
                "work",
                b"sk-proj-0123456789abcdef0123456789abcdef".as_slice()
            ),
            (
                "anthropic",
                "Anthropic",
                b"sk-ant-api03-0123456789abcdef0123456789"
            ),
        ]
    );
    let wrong = crate::offline::open_backup(file, &crate::Secret::copy_of(b"another password"));
    assert_eq!(wrong.unwrap_err(), crate::Error::WrongPassword);
}
