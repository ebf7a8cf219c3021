//! The vault on the world in memory.

mod backup;
mod fetch;
mod manage;
mod rekey;
mod repair;
mod rollback;
mod sealing;

use std::task::Context;

use super::*;
use crate::{
    Arg,
    format::id::{Id, Kind},
    secret::Secret,
    store::StoreError,
    testing::{World, block_on},
};

const PASSWORD: &str = "correct horse battery staple";
const OPENAI: &str = "sk-proj-canary0123456789abcdefghijklmnopqrstuvwxyz";
const MINUTE: u64 = 60_000;

fn config(relay: &str) -> Config {
    Config {
        relay: Relay::parse(relay).unwrap(),
        relay_key: None,
        auto_lock_minutes: 30,
        rp_id: "vault.example".into(),
    }
}

fn open(world: World) -> Vault<World> {
    block_on(Vault::open(world, config("https://relay.example"))).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::copy_of(text.as_bytes())
}

fn password(text: &str) -> Unlock {
    Unlock::Password(secret(text))
}

fn new_key(provider: &str, key: &str) -> NewKey {
    NewKey {
        provider: provider.into(),
        key: secret(key),
        name: None,
        expires_at: None,
        daily_cap_micros: None,
    }
}

fn created(seed: u64) -> (Vault<World>, String) {
    let vault = open(World::new(seed));
    let code = block_on(vault.create(&secret(PASSWORD)))
        .unwrap()
        .recovery_code
        .to_string();
    (vault, code)
}

fn reopened(vault: &Vault<World>) -> Vault<World> {
    open(vault.platform().another_tab(99))
}

#[test]
fn create_lock_unlock_with_both_ways() {
    let (vault, code) = created(1);
    assert_eq!(vault.snapshot().status, Status::Unlocked);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    for way in [password(PASSWORD), Unlock::RecoveryCode(secret(&code))] {
        vault.lock(Reason::Requested);
        assert_eq!(vault.snapshot().status, Status::Locked);
        assert_eq!(block_on(vault.list_keys()).unwrap_err(), Error::Locked);
        block_on(vault.unlock(&way)).unwrap();
        let keys = block_on(vault.list_keys()).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].record.preview, "sk-p…wxyz");
    }
}

#[test]
fn wrong_secrets_are_told_apart_and_open_nothing() {
    let (vault, code) = created(1);
    vault.lock(Reason::Requested);
    let last = if code.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", &code[..code.len() - 1]);
    let (_, foreign) = created(2);
    for (way, error) in [
        (password("wrong password!!"), Error::WrongPassword),
        (password(""), Error::WrongPassword),
        (
            Unlock::RecoveryCode(secret(&mistyped)),
            Error::BadRecoveryCode,
        ),
        (
            Unlock::RecoveryCode(secret(&foreign)),
            Error::WrongRecoveryCode,
        ),
        (
            Unlock::Passkey {
                credential_id: vec![1],
                prf: Secret::copy_of(&[0; 32]),
            },
            Error::WrongPasskey,
        ),
    ] {
        assert_eq!(block_on(vault.unlock(&way)), Err(error));
        assert_eq!(vault.snapshot().status, Status::Locked);
    }
}

#[test]
fn guessing_gets_slow_and_success_makes_it_quick_again() {
    let (vault, _) = created(1);
    vault.lock(Reason::Requested);
    for _ in 0..6 {
        assert_eq!(
            block_on(vault.unlock(&password("wrong"))),
            Err(Error::WrongPassword)
        );
    }
    assert_eq!(vault.platform().clock.slept(), 1_000 + 2_000 + 4_000);
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    let slept = vault.platform().clock.slept();
    vault.lock(Reason::Requested);
    assert_eq!(
        block_on(vault.unlock(&password("wrong"))),
        Err(Error::WrongPassword)
    );
    assert_eq!(vault.platform().clock.slept(), slept);
}

#[test]
fn guessing_gets_slow_however_it_is_done() {
    // At once: no guess is made before the one before it is known to be wrong.
    let (vault, _) = created(1);
    vault.lock(Reason::Requested);
    let wrong = password("wrong");
    let mut guesses: Vec<_> = (0..6)
        .map(|_| Box::pin(vault.unlock(&wrong).into_future()))
        .collect();
    let mut context = Context::from_waker(std::task::Waker::noop());
    while !guesses.is_empty() {
        guesses.retain_mut(|guess| guess.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(vault.platform().clock.slept(), 1_000 + 2_000 + 4_000);
    // And with a lock in between, after which the vault object is another.
    let next = open(vault.platform().next_instance(5));
    block_on(next.unlock(&wrong)).unwrap_err();
    assert_eq!(vault.platform().clock.slept(), 15_000);
    block_on(next.unlock(&password(PASSWORD))).unwrap();
    let slept = vault.platform().clock.slept();
    block_on(vault.unlock(&wrong)).unwrap_err();
    assert_eq!(
        vault.platform().clock.slept(),
        slept,
        "the right one counts for both"
    );
}

#[test]
fn a_weak_password_creates_nothing() {
    let vault = open(World::new(1));
    assert_eq!(
        block_on(vault.create(&secret("short"))).unwrap_err(),
        Error::WeakPassword
    );
    assert_eq!(vault.snapshot().status, Status::Empty);
    assert_eq!(
        block_on(vault.unlock(&password(PASSWORD))),
        Err(Error::Empty)
    );
    assert_eq!(block_on(vault.list_keys()).unwrap_err(), Error::Empty);
}

#[test]
fn two_tabs_creating_at_once_end_with_one_vault() {
    let first = open(World::new(1));
    let second = reopened(&first);
    block_on(first.create(&secret(PASSWORD))).unwrap();
    assert_eq!(
        block_on(second.create(&secret("another password"))).unwrap_err(),
        Error::Exists
    );
    block_on(second.unlock(&password(PASSWORD))).unwrap();
}

#[test]
fn two_tabs_adding_at_once_both_survive() {
    let (first, _) = created(1);
    let second = reopened(&first);
    block_on(second.unlock(&password(PASSWORD))).unwrap();
    block_on(first.add_key(&new_key("openai", OPENAI))).unwrap();
    block_on(second.add_key(&new_key(
        "openai",
        "sk-proj-another-key-of-the-same-provider",
    )))
    .unwrap();
    for vault in [&first, &second] {
        let names: Vec<_> = block_on(vault.list_keys())
            .unwrap()
            .into_iter()
            .map(|key| key.record.name)
            .collect();
        assert_eq!(names, ["OpenAI", "OpenAI 2"]);
    }
    let duplicate = block_on(first.add_key(&new_key("openai", OPENAI)));
    assert_eq!(duplicate.unwrap_err(), Error::DuplicateKey);
}

#[test]
fn lock_wins_over_an_unlock_in_flight() {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };
    let (vault, _) = created(1);
    vault.lock(Reason::Requested);
    let way = password(PASSWORD);
    let mut unlocking = pin!(vault.unlock(&way).into_future());
    let mut context = Context::from_waker(Waker::noop());
    // Stops while the key is derived.
    assert!(unlocking.as_mut().poll(&mut context).is_pending());
    vault.lock(Reason::Requested);
    assert_eq!(block_on(unlocking), Err(Error::Locked));
    assert_eq!(vault.snapshot().status, Status::Locked);
}

#[test]
fn deadlines_are_checked_at_every_use() {
    let (vault, _) = created(1);
    vault.platform().clock.advance(29 * MINUTE);
    block_on(vault.list_keys()).unwrap();
    vault.platform().clock.advance(30 * MINUTE);
    assert_eq!(block_on(vault.list_keys()).unwrap_err(), Error::Locked);
    assert!(
        vault
            .platform()
            .events
            .take()
            .contains(&Event::Lock(Reason::Idle))
    );

    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    let now = vault.platform().clock.now();
    vault.platform().clock.set(now - 10 * MINUTE);
    assert_eq!(vault.wake(), (None, None));
    assert!(
        vault
            .platform()
            .events
            .take()
            .contains(&Event::Lock(Reason::Clock))
    );
}

#[test]
fn a_vault_works_with_the_relay_it_was_created_for_only() {
    let (vault, _) = created(1);
    let world = vault.platform().another_tab(2);
    let elsewhere = block_on(Vault::open(world, config("https://evil.example"))).unwrap();
    assert_eq!(
        block_on(elsewhere.unlock(&password(PASSWORD))),
        Err(Error::RelayChanged)
    );

    // A tampered header does not get past the slot, which authenticates the relay.
    let world = vault.platform().another_tab(3);
    world.store.with(|records| {
        let header = Header::decode(&records[&RecordKey::HEADER]).unwrap();
        let forged = Header {
            relay: "https://evil.example".into(),
            ..header
        };
        records.insert(RecordKey::HEADER, forged.encode().unwrap());
    });
    let elsewhere = block_on(Vault::open(world, config("https://evil.example"))).unwrap();
    assert_eq!(
        block_on(elsewhere.unlock(&password(PASSWORD))),
        Err(Error::WrongPassword)
    );
}

#[test]
fn a_failed_write_leaves_the_old_state_and_says_so() {
    let (vault, _) = created(1);
    for (fault, error) in [
        (StoreError::Quota, Error::Quota),
        (StoreError::Failed, Error::StorageFailed),
        (StoreError::Newer, Error::ReloadRequired),
    ] {
        vault.platform().store.fail_writes(Some(fault));
        assert_eq!(
            block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap_err(),
            error
        );
        vault.platform().store.fail_writes(None);
        assert!(block_on(vault.list_keys()).unwrap().is_empty());
    }
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
}

#[test]
fn unreadable_is_never_empty() {
    let (vault, _) = created(1);
    let world = vault.platform().another_tab(2);
    world.store.fail_reads(Some(StoreError::Failed));
    let error = block_on(Vault::open(world, config("https://relay.example")))
        .err()
        .unwrap();
    assert_eq!(error, Error::StorageFailed);

    let world = vault.platform().another_tab(3);
    world.store.fail_reads(None);
    world
        .store
        .with(|records| records.remove(&RecordKey::HEADER));
    let error = block_on(Vault::open(world, config("https://relay.example")))
        .err()
        .unwrap();
    assert_eq!(error, Error::Corrupt);
}

#[test]
fn what_is_pasted_is_cleaned_and_what_is_no_key_is_refused() {
    let (vault, _) = created(1);
    let info = block_on(vault.add_key(&new_key("openai", &format!("  \"{OPENAI}\"\n")))).unwrap();
    assert_eq!(info.record.preview, "sk-p…wxyz");
    for blank in ["", "  ", "\"\"", "two words", "käy"] {
        let refused = block_on(vault.add_key(&new_key("openai", blank)));
        assert_eq!(refused.unwrap_err(), Error::BadKeyFormat, "{blank:?}");
    }
    let unknown = block_on(vault.add_key(&new_key("nobody", OPENAI)));
    assert_eq!(unknown.unwrap_err(), Error::UnknownProvider);
    let short = block_on(vault.add_key(&new_key("mistral", "short-key"))).unwrap();
    assert_eq!(
        (short.record.preview.as_str(), short.record.known_shape),
        ("", false)
    );
}

#[test]
fn nothing_readable_lies_at_rest() {
    let (vault, _) = created(1);
    let mut key = new_key("anthropic", "sk-ant-api03-canary-canary-canary");
    key.name = Some("my private name".into());
    block_on(vault.add_key(&key)).unwrap();
    vault.platform().store.with(|records| {
        for (name, bytes) in records.iter() {
            for canary in [
                "canary",
                "anthropic",
                "Anthropic",
                "private",
                "sk-a",
                "correct horse",
            ] {
                let found = bytes
                    .windows(canary.len())
                    .any(|window| window == canary.as_bytes());
                assert!(!found, "{canary} in {name:?}");
            }
        }
    });
}

#[test]
fn removing_removes_everything_of_the_key() {
    let (vault, _) = created(1);
    let info = block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    block_on(vault.remove_key(info.record.id)).unwrap();
    assert!(block_on(vault.list_keys()).unwrap().is_empty());
    assert_eq!(
        block_on(vault.remove_key(info.record.id)),
        Err(Error::NotFound)
    );
    vault.platform().store.with(|records| {
        assert!(records.keys().all(|key| key.id != info.record.id));
    });
}

#[test]
fn one_damaged_record_leaves_the_others_usable() {
    let (vault, _) = created(1);
    let first = block_on(vault.add_key(&new_key("openai", OPENAI)))
        .unwrap()
        .record
        .id;
    let second = block_on(vault.add_key(&new_key("groq", "gsk_abcdefghijklmnopqrstuvwxyz")))
        .unwrap()
        .record
        .id;
    let (first_key, second_key) = (
        RecordKey::new(Kind::Metadata, first),
        RecordKey::new(Kind::Metadata, second),
    );
    let pristine = vault.platform().store.with(|records| records.clone());
    type Tamper = fn(&mut std::collections::BTreeMap<RecordKey, Vec<u8>>, RecordKey, RecordKey);
    let cases: [(Tamper, DamageKind); 6] = [
        (
            |records, key, _| drop(records.remove(&key)),
            DamageKind::Missing,
        ),
        (
            |records, key, _| records.get_mut(&key).unwrap()[40] ^= 1,
            DamageKind::Corrupt,
        ),
        (
            |records, key, _| records.get_mut(&key).unwrap().truncate(60),
            DamageKind::Corrupt,
        ),
        (
            |records, key, _| records.get_mut(&key).unwrap()[1] = 9,
            DamageKind::FutureVersion,
        ),
        (
            |records, key, _| records.get_mut(&key).unwrap()[10] -= 1,
            DamageKind::RolledBack,
        ),
        (
            |records, key, other| {
                let other = records[&other].clone();
                records.insert(key, other);
            },
            DamageKind::Corrupt,
        ),
    ];
    for (at, (tamper, kind)) in cases.into_iter().enumerate() {
        vault.platform().store.with(|records| {
            *records = pristine.clone();
            tamper(records, first_key, second_key);
        });
        let tab = reopened(&vault);
        block_on(tab.unlock(&password(PASSWORD))).unwrap();
        assert_eq!(
            tab.snapshot().damaged,
            [Damage {
                record: first_key,
                kind
            }],
            "case {at}"
        );
        let keys = block_on(tab.list_keys()).unwrap();
        assert_eq!(
            keys.iter().filter(|key| key.damaged.is_none()).count(),
            1,
            "case {at}"
        );
        assert_eq!(
            keys.iter()
                .find(|key| key.record.id == first)
                .unwrap()
                .damaged,
            Some(kind.name())
        );
        // The cure is removing it; nothing else is touched.
        block_on(tab.remove_key(first)).unwrap();
        assert!(tab.snapshot().damaged.is_empty());
        assert_eq!(block_on(tab.list_keys()).unwrap().len(), 1);
    }
}

#[test]
fn a_key_that_was_cut_is_told_at_once_and_one_that_was_altered_when_it_is_used() {
    let (vault, _) = created(1);
    let id = block_on(vault.add_key(&new_key("openai", OPENAI)))
        .unwrap()
        .record
        .id;
    let key = RecordKey::new(Kind::Secret, id);
    let corrupt = [Damage {
        record: key,
        kind: DamageKind::Corrupt,
    }];
    let whole = vault.platform().store.with(|records| records[&key].clone());
    for (bytes, at_once) in [
        (whole[..whole.len() - 1].to_vec(), true),
        (whole[..30].to_vec(), true),
        (
            [&whole[..50], &[whole[50] ^ 1], &whole[51..]].concat(),
            false,
        ),
    ] {
        vault
            .platform()
            .store
            .with(|records| records.insert(key, bytes));
        let tab = reopened(&vault);
        block_on(tab.unlock(&password(PASSWORD))).unwrap();
        assert_eq!(tab.snapshot().damaged == corrupt, at_once);
        assert_eq!(
            block_on(tab.reveal_key(id, &secret(PASSWORD))).unwrap_err(),
            Error::Corrupt
        );
        assert_eq!(tab.snapshot().damaged, corrupt);
    }
}

#[test]
fn a_foreign_record_is_seen_and_ignored() {
    let (vault, _) = created(1);
    let (other, _) = created(2);
    let id = block_on(other.add_key(&new_key("openai", OPENAI)))
        .unwrap()
        .record
        .id;
    for kind in [Kind::Metadata, Kind::Secret] {
        let key = RecordKey::new(kind, id);
        let bytes = other.platform().store.with(|records| records[&key].clone());
        vault
            .platform()
            .store
            .with(|records| records.insert(key, bytes));
    }
    let tab = reopened(&vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    assert_eq!(tab.snapshot().damaged.len(), 2);
    assert!(
        tab.snapshot()
            .damaged
            .iter()
            .all(|damage| damage.kind == DamageKind::Foreign)
    );
    assert!(block_on(tab.list_keys()).unwrap().is_empty());
}

#[test]
fn a_forged_manifest_or_header_is_refused() {
    let (vault, _) = created(1);
    for (key, at, byte, error) in [
        (RecordKey::MANIFEST, 30, 0xff, Error::Corrupt),
        (RecordKey::MANIFEST, 1, 9, Error::FutureVersion),
        (RecordKey::HEADER, 9, 9, Error::FutureVersion),
        (RecordKey::HEADER, 0, 0, Error::Corrupt),
    ] {
        let pristine = vault.platform().store.with(|records| records.clone());
        let tab = reopened(&vault);
        vault
            .platform()
            .store
            .with(|records| records.get_mut(&key).unwrap()[at] = byte);
        assert_eq!(block_on(tab.unlock(&password(PASSWORD))), Err(error));
        vault.platform().store.with(|records| *records = pristine);
    }
}

#[test]
fn a_vault_deleted_under_it_locks_and_says_so() {
    let (vault, _) = created(1);
    vault.platform().store.with(|records| records.clear());
    assert_eq!(block_on(vault.list_keys()).unwrap_err(), Error::StorageLost);
    assert_eq!(vault.snapshot().status, Status::Empty);
}

#[test]
fn a_read_error_leaves_the_open_vault_usable() {
    let (vault, _) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    vault.platform().store.fail_reads(Some(StoreError::Failed));
    assert_eq!(block_on(vault.list_keys()).unwrap().len(), 1);
}

#[test]
fn old_parameters_are_wrapped_anew_at_the_next_unlock() {
    let (vault, _) = created(1);
    let world = vault.platform().another_tab(2);
    world.kdf.set_target(900_000);
    let tab = open(world);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    assert_eq!(tab.platform().kdf.calls(), [600_000, 900_000]);
    tab.lock(Reason::Requested);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    assert_eq!(tab.platform().kdf.calls(), [600_000, 900_000, 900_000]);
    assert!(tab.snapshot().damaged.is_empty());
}

#[test]
fn tampered_parameters_are_refused_before_deriving() {
    let (vault, _) = created(1);
    let tab = reopened(&vault);
    tab.platform().store.with(|records| {
        for (_, bytes) in records.iter_mut().filter(|(key, _)| key.kind == Kind::Slot) {
            if bytes[11] == 1 {
                bytes[13..17].copy_from_slice(&1000_u32.to_be_bytes());
            }
        }
    });
    assert_eq!(
        block_on(tab.unlock(&password(PASSWORD))),
        Err(Error::KdfRefused)
    );
    assert!(tab.platform().kdf.calls().is_empty());
}

#[test]
fn a_new_tab_sees_another_ones_vault() {
    let first = open(World::new(1));
    let second = reopened(&first);
    assert_eq!(second.snapshot().status, Status::Empty);
    block_on(first.create(&secret(PASSWORD))).unwrap();
    block_on(second.unlock(&password(PASSWORD))).unwrap();
    assert_eq!(second.snapshot().status, Status::Unlocked);
    assert_ne!(
        Id::ONLY,
        block_on(second.add_key(&new_key("openai", OPENAI)))
            .unwrap()
            .record
            .id
    );
}
