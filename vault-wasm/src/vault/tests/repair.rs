//! Repair: every kind of damage to the list and to the records it names.

use std::collections::BTreeMap;

use super::*;
use crate::format::{audit::Action as Done, codec::Reader, envelope::Prefix};

const GROQ: &str = "gsk_abcdefghijklmnopqrstuvwxyz0123456789";
const NEXT: &str = "sk-proj-the-key-that-came-after-0123456789abcdefgh";

type Records = BTreeMap<RecordKey, Vec<u8>>;
/// One of the two records of a key.
type Half = fn(Id) -> RecordKey;
type Tamper = fn(&mut Records, RecordKey);

/// A vault with two keys, its first one renamed once; locked.
fn stored() -> (Vault<World>, [Id; 2], String) {
    let (vault, code) = created(1);
    let first = added(&vault, "openai", OPENAI);
    let second = added(&vault, "groq", GROQ);
    block_on(vault.flush()).unwrap();
    vault.lock(Reason::Requested);
    block_on(vault.flush()).unwrap_err();
    (vault, [first, second], code)
}

fn added(vault: &Vault<World>, provider: &str, key: &str) -> Id {
    vault.platform().clock.advance(1);
    block_on(vault.add_key(&new_key(provider, key)))
        .unwrap()
        .record
        .id
}

fn records(vault: &Vault<World>) -> Records {
    vault.platform().store.with(|records| records.clone())
}

fn tamper(vault: &Vault<World>, change: impl FnOnce(&mut Records)) {
    vault.platform().store.with(change);
}

fn metadata(id: Id) -> RecordKey {
    RecordKey::new(Kind::Metadata, id)
}

fn key(id: Id) -> RecordKey {
    RecordKey::new(Kind::Secret, id)
}

fn damage(record: RecordKey, kind: DamageKind) -> Damage {
    Damage { record, kind }
}

fn repair(vault: &Vault<World>, drop: bool) -> Repaired {
    block_on(vault.repair(&password(PASSWORD), drop)).unwrap()
}

/// What a person finds who opens the vault anew: the keys that can be read, and whether they are on.
fn readable(vault: &Vault<World>) -> Vec<(String, bool)> {
    let tab = reopened(vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    let keys = block_on(tab.list_keys()).unwrap();
    keys.into_iter()
        .filter_map(|info| {
            let key = block_on(tab.reveal_key(info.record.id, &secret(PASSWORD))).ok()?;
            let text = String::from_utf8(key.expose().to_vec()).unwrap();
            Some((text, info.record.active))
        })
        .collect()
}

fn both() -> Vec<(String, bool)> {
    vec![(OPENAI.to_owned(), true), (GROQ.to_owned(), true)]
}

fn revision_at(records: &Records, record: RecordKey) -> u64 {
    let mut reader = Reader::new(&records[&record]);
    Prefix::read(&mut reader, record.kind).unwrap().revision
}

fn told_damage(vault: &Vault<World>) -> Vec<Damage> {
    let tab = reopened(vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    tab.snapshot().damaged
}

#[test]
fn a_damaged_list_is_made_anew_and_everything_is_there() {
    let damages: [fn(&mut Records); 5] = [
        |records| drop(records.remove(&RecordKey::MANIFEST)),
        |records| records.get_mut(&RecordKey::MANIFEST).unwrap()[30] ^= 1,
        |records| records.get_mut(&RecordKey::MANIFEST).unwrap().truncate(40),
        |records| records.get_mut(&RecordKey::MANIFEST).unwrap().clear(),
        // That of another vault.
        |records| {
            let (other, _) = created(2);
            let foreign = other
                .platform()
                .store
                .with(|all| all[&RecordKey::MANIFEST].clone());
            records.insert(RecordKey::MANIFEST, foreign);
        },
    ];
    for (at, change) in damages.into_iter().enumerate() {
        let (vault, _, code) = stored();
        let before = records(&vault);
        tamper(&vault, change);
        let tab = reopened(&vault);
        for way in [password(PASSWORD), Unlock::RecoveryCode(secret(&code))] {
            assert_eq!(block_on(tab.unlock(&way)), Err(Error::Corrupt), "case {at}");
        }
        let repaired = repair(&tab, false);
        assert!(repaired.relisted);
        assert_eq!(repaired.found, []);
        assert_eq!(repaired.keys.len(), 2);
        assert_eq!(tab.snapshot().status, Status::Unlocked);
        assert!(tab.snapshot().damaged.is_empty());
        let events = block_on(tab.audit(9)).unwrap();
        assert_eq!((events[0].action, events[0].number), (Done::Repaired, 0));
        assert!(events.iter().any(|event| event.action == Done::Created));
        assert_eq!(readable(&tab), both());

        // Nothing but the list and the log was written, and every other way in still is one.
        let after = records(&tab);
        for (record, bytes) in &before {
            let written = matches!(record.kind, Kind::Manifest | Kind::Audit);
            assert_eq!(after.get(record) == Some(bytes), !written, "{record:?}");
        }
        assert!(
            revision_at(&after, RecordKey::MANIFEST)
                > before
                    .keys()
                    .map(|record| match record.kind {
                        Kind::Header => 0,
                        _ => revision_at(&before, *record),
                    })
                    .max()
                    .unwrap()
        );
        tab.lock(Reason::Requested);
        block_on(tab.unlock(&Unlock::RecoveryCode(secret(&code)))).unwrap();
        // It is a vault like any other.
        block_on(tab.change_password(&secret(PASSWORD), &secret("another good password"), &[]))
            .unwrap();
        assert_eq!(block_on(tab.list_keys()).unwrap().len(), 2);
    }
}

#[test]
fn every_way_in_repairs_and_nothing_else_does() {
    let (vault, _, code) = stored();
    let (_, foreign) = created(2);
    tamper(&vault, |records| drop(records.remove(&RecordKey::MANIFEST)));
    let before = records(&vault);
    for (way, error) in [
        (password("not the password"), Error::WrongPassword),
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
        assert_eq!(block_on(vault.repair(&way, true)).unwrap_err(), error);
        assert_eq!(records(&vault), before);
        assert_eq!(vault.snapshot().status, Status::Locked);
    }
    block_on(vault.repair(&Unlock::RecoveryCode(secret(&code)), false)).unwrap();
    assert_eq!(readable(&vault), both());
}

#[test]
fn guessing_by_repair_gets_slow_too() {
    let (vault, _, _) = stored();
    for _ in 0..4 {
        let refused = block_on(vault.repair(&password("wrong"), false));
        assert_eq!(refused.unwrap_err(), Error::WrongPassword);
    }
    assert_eq!(vault.platform().clock.slept(), 1_000);
    assert_eq!(
        block_on(vault.unlock(&password("wrong"))),
        Err(Error::WrongPassword)
    );
    assert_eq!(vault.platform().clock.slept(), 3_000);
}

#[test]
fn header_slots_and_what_a_newer_version_wrote_are_not_repaired() {
    let slots = |records: &mut Records, change: &dyn Fn(&mut Vec<u8>)| {
        records
            .iter_mut()
            .filter(|(record, _)| record.kind == Kind::Slot)
            .for_each(|(_, bytes)| change(bytes));
    };
    type Change<'a> = Box<dyn Fn(&mut Records) + 'a>;
    let cases: [(Change<'_>, Error); 6] = [
        (
            Box::new(|records| drop(records.remove(&RecordKey::HEADER))),
            Error::Corrupt,
        ),
        (
            Box::new(|records| records.get_mut(&RecordKey::HEADER).unwrap()[12] ^= 1),
            Error::WrongPassword,
        ),
        (
            Box::new(|records| slots(records, &|bytes| bytes.truncate(60))),
            Error::Corrupt,
        ),
        (
            Box::new(|records| slots(records, &|bytes| bytes[1] = 2)),
            Error::FutureVersion,
        ),
        (
            Box::new(|records| slots(records, &|bytes| *bytes.last_mut().unwrap() ^= 1)),
            Error::WrongPassword,
        ),
        (
            Box::new(|records| records.get_mut(&RecordKey::MANIFEST).unwrap()[1] = 2),
            Error::FutureVersion,
        ),
    ];
    for (at, (change, error)) in cases.into_iter().enumerate() {
        let (vault, _, _) = stored();
        tamper(&vault, |records| change(records));
        let before = records(&vault);
        let refused = block_on(vault.repair(&password(PASSWORD), true));
        assert_eq!(refused.unwrap_err(), error, "case {at}");
        assert_eq!(records(&vault), before, "case {at}");
    }
    let nothing = block_on(open(World::new(3)).repair(&password(PASSWORD), false));
    assert_eq!(nothing.unwrap_err(), Error::Empty);
}

#[test]
fn a_key_that_does_not_open_is_named_and_stays_until_it_is_to_go() {
    let halves: [Half; 2] = [metadata, key];
    let damages: [(Tamper, DamageKind); 3] = [
        (
            |records, record| drop(records.remove(&record)),
            DamageKind::Missing,
        ),
        (
            |records, record| records.get_mut(&record).unwrap()[40] ^= 1,
            DamageKind::Corrupt,
        ),
        (
            |records, record| records.get_mut(&record).unwrap().truncate(7),
            DamageKind::Corrupt,
        ),
    ];
    for (half, list) in halves
        .into_iter()
        .flat_map(|half| [(half, true), (half, false)])
    {
        for (change, kind) in damages {
            let (vault, [first, second], _) = stored();
            tamper(&vault, |records| {
                change(records, half(first));
                if !list {
                    records.remove(&RecordKey::MANIFEST);
                }
            });
            let left = records(&vault).get(&half(first)).cloned();
            let repaired = repair(&vault, false);
            assert_eq!(repaired.relisted, !list);
            assert_eq!(repaired.found, [damage(half(first), kind)]);
            assert_eq!(vault.snapshot().damaged, [damage(half(first), kind)]);
            let named = |id| {
                repaired
                    .keys
                    .iter()
                    .find(|info| info.record.id == id)
                    .unwrap()
            };
            assert_eq!(
                (named(first).damaged, named(second).damaged),
                (Some(kind.name()), None)
            );
            assert_eq!(
                records(&vault).get(&half(first)).cloned(),
                left,
                "left as it is"
            );
            assert_eq!(readable(&vault), both()[1..]);
            // It stands in the way of a new vault key, as before, and is removed as before.
            let next = secret("another good password");
            let refused = block_on(vault.change_password(&secret(PASSWORD), &next, &[]));
            assert_eq!(refused.unwrap_err(), Error::Corrupt);

            let repaired = repair(&vault, true);
            assert_eq!(repaired.found, [damage(half(first), kind)]);
            assert_eq!(repaired.keys.len(), 1);
            assert_eq!(repaired.dropped.len(), 1);
            let dropped = &repaired.dropped[0];
            assert_eq!(
                (dropped.record.id, dropped.damaged),
                (first, Some(kind.name()))
            );
            // By its name, where that can be read.
            let name = if half(first) == key(first) {
                "OpenAI"
            } else {
                ""
            };
            assert_eq!(dropped.record.name, name);
            assert!(vault.snapshot().damaged.is_empty());
            assert!(records(&vault).keys().all(|record| record.id != first));
            assert_eq!(readable(&vault), both()[1..]);
            block_on(vault.change_password(&secret(PASSWORD), &next, &[])).unwrap();
        }
    }
}

#[test]
fn what_a_newer_version_wrote_stays_whatever_is_asked_for() {
    for list in [true, false] {
        let (vault, [first, _], _) = stored();
        tamper(&vault, |records| {
            records.get_mut(&key(first)).unwrap()[1] = 2;
            records.get_mut(&RecordKey::SETTINGS).unwrap()[1] = 2;
            if !list {
                records.remove(&RecordKey::MANIFEST);
            }
        });
        let before = records(&vault);
        let repaired = repair(&vault, true);
        let mut newer = [
            damage(RecordKey::SETTINGS, DamageKind::FutureVersion),
            damage(key(first), DamageKind::FutureVersion),
        ];
        newer.sort_by_key(|damage| damage.record);
        assert_eq!(repaired.found, newer);
        for record in [metadata(first), key(first), RecordKey::SETTINGS] {
            assert_eq!(records(&vault).get(&record), before.get(&record));
        }
        assert_eq!(readable(&vault), both()[1..]);
        let next = secret("another good password");
        let refused = block_on(vault.change_password(&secret(PASSWORD), &next, &[]));
        assert_eq!(
            refused.unwrap_err(),
            Error::FutureVersion,
            "it would be lost"
        );

        // The newer version finds it listed at the revision it has.
        tamper(&vault, |records| {
            for record in [key(first), RecordKey::SETTINGS] {
                records.get_mut(&record).unwrap()[1] = 1;
            }
        });
        assert_eq!(readable(&vault), both());
        assert!(told_damage(&vault).is_empty());
    }
}

#[test]
fn a_key_older_than_listed_comes_back_told_and_switched_off() {
    let halves: [&[Half]; 3] = [&[metadata], &[key], &[metadata, key]];
    for half in halves {
        let (vault, [first, _], _) = stored();
        let old = records(&vault);
        block_on(vault.unlock(&password(PASSWORD))).unwrap();
        vault
            .platform()
            .transport
            .answer(crate::testing::CannedAnswer::new(404, ""));
        vault
            .platform()
            .transport
            .answer(crate::testing::CannedAnswer::new(
                200,
                r#"{"verdict":"valid"}"#,
            ));
        block_on(vault.rotate_key(first, &secret(NEXT), None)).unwrap();
        block_on(vault.flush()).unwrap();
        vault.lock(Reason::Requested);
        tamper(&vault, |records| {
            for half in half {
                records.insert(half(first), old[&half(first)].clone());
            }
        });
        let repaired = repair(&vault, true);
        assert!(!repaired.relisted);
        let told: Vec<_> = half
            .iter()
            .map(|half| damage(half(first), DamageKind::RolledBack))
            .collect();
        assert_eq!(repaired.found, told);
        assert!(vault.snapshot().damaged.is_empty());
        let back = if half.contains(&(key as Half)) || half.len() == 2 {
            OPENAI
        } else {
            NEXT
        };
        assert_eq!(
            readable(&vault),
            [(back.to_owned(), false), both()[1].clone()]
        );
        let shown = repaired
            .keys
            .iter()
            .find(|info| info.record.id == first)
            .unwrap();
        assert_eq!(shown.refusal, Some("inactive"));
        assert_eq!(shown.record.preview, keys::preview(back));
        // A person who has looked at it can use it; and it is known as the key it is.
        let on = KeyChanges {
            active: Some(true),
            ..KeyChanges::default()
        };
        block_on(vault.update_key(first, &on)).unwrap();
        let again = block_on(vault.add_key(&new_key("openai", back)));
        assert_eq!(again.unwrap_err(), Error::DuplicateKey);
    }
}

#[test]
fn without_a_list_a_key_that_does_not_fit_its_record_is_switched_off() {
    let (vault, [first, _], _) = stored();
    let old = records(&vault)[&key(first)].clone();
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    let answers = &vault.platform().transport;
    answers.answer(crate::testing::CannedAnswer::new(404, ""));
    answers.answer(crate::testing::CannedAnswer::new(
        200,
        r#"{"verdict":"valid"}"#,
    ));
    block_on(vault.rotate_key(first, &secret(NEXT), None)).unwrap();
    vault.lock(Reason::Requested);
    tamper(&vault, |records| {
        records.insert(key(first), old);
        records.remove(&RecordKey::MANIFEST);
    });
    let repaired = repair(&vault, false);
    assert!(repaired.relisted);
    assert_eq!(repaired.found, [damage(key(first), DamageKind::RolledBack)]);
    assert_eq!(
        readable(&vault),
        [(OPENAI.to_owned(), false), both()[1].clone()]
    );
}

#[test]
fn what_was_removed_stays_removed_while_there_is_a_list() {
    let (vault, [first, _], _) = stored();
    let old = records(&vault);
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    block_on(vault.remove_key(first)).unwrap();
    block_on(vault.flush()).unwrap();
    let listed = records(&vault)[&RecordKey::MANIFEST].clone();
    vault.lock(Reason::Requested);
    let put_back = |records: &mut Records| {
        for record in [metadata(first), key(first)] {
            records.insert(record, old[&record].clone());
        }
    };
    tamper(&vault, put_back);
    let foreign = [metadata(first), key(first)].map(|record| damage(record, DamageKind::Foreign));
    let repaired = repair(&vault, false);
    assert_eq!((repaired.relisted, &*repaired.found), (false, &foreign[..]));
    assert_eq!(vault.snapshot().damaged, foreign, "ignored as before");
    assert_eq!(readable(&vault), both()[1..]);
    repair(&vault, true);
    assert!(vault.snapshot().damaged.is_empty());
    assert!(records(&vault).keys().all(|record| record.id != first));

    // Without a list nobody can tell: this is what documentation says of repair.
    tamper(&vault, |records| {
        put_back(records);
        records.remove(&RecordKey::MANIFEST);
    });
    let repaired = repair(&vault, false);
    assert_eq!((repaired.relisted, repaired.keys.len()), (true, 2));
    assert_eq!(readable(&vault), both());
    // And the list of the vault's past cannot come back after it.
    tamper(&vault, |records| {
        drop(records.insert(RecordKey::MANIFEST, listed))
    });
    // Whoever has the vault open knows better; whoever opens it is told.
    assert_eq!(
        block_on(vault.repair(&password(PASSWORD), false)).unwrap_err(),
        Error::Corrupt
    );
    assert_eq!(vault.snapshot().status, Status::Locked);
    let repaired = repair(&vault, false);
    assert!(repaired.relisted);
}

#[test]
fn an_old_list_is_seen_to_be_one_and_what_came_after_it_is_kept() {
    let (vault, _, _) = stored();
    let old = records(&vault)[&RecordKey::MANIFEST].clone();
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    let third = added(&vault, "openai", NEXT);
    block_on(vault.flush()).unwrap();
    vault.lock(Reason::Requested);
    block_on(vault.flush()).unwrap_err();
    tamper(&vault, |records| {
        drop(records.insert(RecordKey::MANIFEST, old))
    });
    let repaired = repair(&vault, true);
    assert_eq!((repaired.relisted, repaired.found.len()), (true, 0));
    assert!(repaired.keys.iter().any(|info| info.record.id == third));
    assert_eq!(readable(&vault).len(), 3);
}

#[test]
fn records_of_another_vault_or_another_place_are_never_taken_in() {
    for list in [true, false] {
        let (vault, [first, second], _) = stored();
        let (other, _) = created(2);
        let foreign = added(&other, "mistral", "a-key-of-another-vault-0123456789");
        let theirs = records(&other);
        tamper(&vault, |records| {
            for half in [metadata, key] {
                records.insert(half(foreign), theirs[&half(foreign)].clone());
            }
            let swapped = records[&key(second)].clone();
            records.insert(key(first), swapped);
            if !list {
                records.remove(&RecordKey::MANIFEST);
            }
        });
        let repaired = repair(&vault, true);
        assert!(
            repaired
                .found
                .contains(&damage(key(first), DamageKind::Corrupt))
        );
        let kind = if list {
            DamageKind::Foreign
        } else {
            DamageKind::Corrupt
        };
        for half in [metadata, key] {
            assert!(repaired.found.contains(&damage(half(foreign), kind)));
        }
        assert_eq!(readable(&vault), both()[1..]);
        assert!(told_damage(&vault).is_empty());
    }
}

#[test]
fn damage_beside_the_keys_costs_no_key() {
    for list in [true, false] {
        for kind in [Kind::Settings, Kind::Usage, Kind::Audit] {
            let (vault, [first, _], _) = stored();
            let record = match kind {
                Kind::Settings => RecordKey::SETTINGS,
                Kind::Usage => RecordKey::new(kind, first),
                _ => RecordKey::new(kind, Id::numbered(1)),
            };
            if kind == Kind::Usage {
                tamper(&vault, |records| {
                    drop(records.insert(record, vec![0, 1, 7]))
                });
            } else {
                tamper(&vault, |records| records.get_mut(&record).unwrap()[30] ^= 1);
            }
            if !list {
                tamper(&vault, |records| drop(records.remove(&RecordKey::MANIFEST)));
            }
            let repaired = repair(&vault, true);
            assert_eq!(repaired.found.len(), 1, "{kind:?}");
            assert_eq!(repaired.found[0].record, record);
            assert!(told_damage(&vault).is_empty(), "{kind:?}");
            assert_eq!(readable(&vault), both());
            let events = block_on(vault.audit(100)).unwrap();
            assert_eq!(
                (
                    events.iter().any(|event| event.action == Done::Repaired),
                    repaired.found.len()
                ),
                (true, 1)
            );
        }
    }
}

#[test]
fn planted_numbers_neither_stop_the_log_nor_raise_the_revision() {
    let (vault, _, _) = stored();
    tamper(&vault, |records| {
        let mut junk = vec![0, 2, Kind::Audit.byte()];
        junk.extend([0xff; 8]);
        records.insert(
            RecordKey::new(Kind::Audit, Id::numbered(u64::MAX)),
            junk.clone(),
        );
        junk[1] = 1;
        junk[2] = Kind::Metadata.byte();
        records.insert(metadata(Id::from_bytes([9; 16])), junk);
        records.remove(&RecordKey::MANIFEST);
    });
    repair(&vault, false);
    assert!(revision_at(&records(&vault), RecordKey::MANIFEST) < 1 << 40);
    assert_eq!(readable(&vault), both());
    added(&vault, "openai", NEXT);
    block_on(vault.flush()).unwrap();
    let newest = block_on(vault.audit(2)).unwrap();
    assert_eq!(newest[0].action, Done::KeyAdded);
}

#[test]
fn a_sound_vault_is_left_as_it_is_and_an_open_one_open() {
    let (vault, _, _) = stored();
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    drop(vault.platform().events.take());
    let before = records(&vault);
    let repaired = repair(&vault, true);
    assert_eq!(
        (repaired.relisted, repaired.found.len(), repaired.keys.len()),
        (false, 0, 2)
    );
    assert_eq!(
        vault.platform().events.take(),
        [Event::Change],
        "no second unlock"
    );
    for (record, bytes) in before {
        let written = matches!(record.kind, Kind::Manifest | Kind::Audit);
        assert_eq!(records(&vault)[&record] == bytes, !written, "{record:?}");
    }
    // The unlock, which was noted and not written yet, is not lost to the log.
    block_on(vault.flush()).unwrap();
    let events = block_on(vault.audit(2)).unwrap();
    let mut noted = events
        .iter()
        .map(|event| event.action.name())
        .collect::<Vec<_>>();
    noted.sort_unstable();
    assert_eq!(noted, ["repaired", "unlocked"]);
    assert_eq!(readable(&vault), both());
}

#[test]
fn a_repair_that_fails_changes_nothing_and_a_lock_wins() {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };
    let (vault, _, _) = stored();
    tamper(&vault, |records| drop(records.remove(&RecordKey::MANIFEST)));
    let before = records(&vault);
    for (fault, error) in [
        (StoreError::Quota, Error::Quota),
        (StoreError::Failed, Error::StorageFailed),
        // Another tab repaired it meanwhile.
        (StoreError::Conflict, Error::Busy),
    ] {
        vault.platform().store.fail_writes(Some(fault));
        let refused = block_on(vault.repair(&password(PASSWORD), true));
        assert_eq!(refused.unwrap_err(), error);
        assert_eq!(records(&vault), before);
    }
    vault.platform().store.fail_writes(None);
    let way = password(PASSWORD);
    let mut repairing = pin!(vault.repair(&way, true).into_future());
    let mut context = Context::from_waker(Waker::noop());
    assert!(repairing.as_mut().poll(&mut context).is_pending());
    vault.lock(Reason::Requested);
    assert_eq!(block_on(repairing).unwrap_err(), Error::Locked);
    assert_eq!(records(&vault), before);
}

#[test]
fn two_tabs_repairing_at_once_end_with_one_list() {
    let (vault, _, _) = stored();
    tamper(&vault, |records| drop(records.remove(&RecordKey::MANIFEST)));
    let second = reopened(&vault);
    repair(&vault, false);
    let again = repair(&second, false);
    assert!(!again.relisted, "the first one's list is there");
    assert_eq!(block_on(vault.list_keys()).unwrap().len(), 2);
    assert_eq!(vault.snapshot().status, Status::Unlocked);
}

#[test]
fn a_vault_bound_elsewhere_is_repaired_and_stays_locked() {
    let (vault, [first, _], _) = stored();
    tamper(&vault, |records| {
        records.get_mut(&key(first)).unwrap()[50] ^= 1;
    });
    let elsewhere = block_on(Vault::open(
        vault.platform().another_tab(5),
        config("https://new.example"),
    ))
    .unwrap();
    let relay = Relay::parse("https://new.example").unwrap();
    let refused = block_on(elsewhere.rebind(&relay, &secret(PASSWORD), &[]));
    assert_eq!(refused.unwrap_err(), Error::Corrupt);
    // Which key it is is told, though the vault cannot be opened here, and that something has changed.
    assert_eq!(elsewhere.snapshot().status, Status::Locked);
    assert_eq!(
        elsewhere.snapshot().damaged,
        [damage(key(first), DamageKind::Corrupt)]
    );
    assert_eq!(elsewhere.platform().events.take(), [Event::Change]);

    let repaired = repair(&elsewhere, true);
    assert_eq!(elsewhere.snapshot().status, Status::Locked);
    assert_eq!(elsewhere.snapshot().damaged, []);
    assert_eq!(repaired.found, [damage(key(first), DamageKind::Corrupt)]);
    assert_eq!(repaired.keys.len(), 1);
    block_on(elsewhere.rebind(&relay, &secret(PASSWORD), &[])).unwrap();
    assert_eq!(block_on(elsewhere.list_keys()).unwrap().len(), 1);
}
