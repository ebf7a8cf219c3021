//! Password change, recovery renewal, passkeys, rebinding.

use super::*;
use crate::format::slot::Way;

fn passkey(name: &str, seed: u8) -> NewPasskey {
    NewPasskey {
        name: name.into(),
        credential_id: vec![seed; 20],
        prf_salt: [seed; 32],
        prf: Secret::copy_of(&[seed ^ 0xff; 32]),
    }
}

fn tap(seed: u8) -> Unlock {
    Unlock::Passkey {
        credential_id: vec![seed; 20],
        prf: Secret::copy_of(&[seed ^ 0xff; 32]),
    }
}

fn proof(seed: u8) -> PasskeyProof {
    PasskeyProof {
        credential_id: vec![seed; 20],
        prf: Secret::copy_of(&[seed ^ 0xff; 32]),
    }
}

fn revealed(vault: &Vault<World>, password: &str) -> Vec<u8> {
    let id = block_on(vault.list_keys()).unwrap()[0].record.id;
    block_on(vault.reveal_key(id, &secret(password)))
        .unwrap()
        .expose()
        .to_vec()
}

#[test]
fn passkeys_open_the_vault_and_adding_needs_the_password() {
    let (vault, _) = created(1);
    let refused = block_on(vault.add_passkey(&secret("wrong"), &passkey("laptop", 1)));
    assert_eq!(refused.unwrap_err(), Error::WrongPassword);
    for (name, seed) in [("laptop", 1), ("phone", 2)] {
        block_on(vault.add_passkey(&secret(PASSWORD), &passkey(name, seed))).unwrap();
    }
    let again = block_on(vault.add_passkey(&secret(PASSWORD), &passkey("again", 1)));
    assert_eq!(again.unwrap_err(), Error::BadArgument(Arg::CredentialId));
    for seed in [1, 2] {
        vault.lock(Reason::Requested);
        let request = block_on(vault.passkey_request()).unwrap();
        assert_eq!(
            (request.rp_id.as_str(), request.passkeys.len()),
            ("vault.example", 2)
        );
        block_on(vault.unlock(&tap(seed))).unwrap();
    }
    vault.lock(Reason::Requested);
    let wrong_prf = Unlock::Passkey {
        credential_id: vec![1; 20],
        prf: Secret::copy_of(&[9; 32]),
    };
    assert_eq!(block_on(vault.unlock(&wrong_prf)), Err(Error::WrongPasskey));
}

#[test]
fn what_is_no_prf_output_is_refused() {
    let (vault, _) = created(1);
    let mut short = passkey("x", 1);
    short.prf = Secret::copy_of(&[1; 16]);
    let refused = block_on(vault.add_passkey(&secret(PASSWORD), &short));
    assert_eq!(refused.unwrap_err(), Error::BadArgument(Arg::Prf));
    let mut empty = passkey("x", 1);
    empty.credential_id = Vec::new();
    let refused = block_on(vault.add_passkey(&secret(PASSWORD), &empty));
    assert_eq!(refused.unwrap_err(), Error::BadArgument(Arg::CredentialId));
}

#[test]
fn after_a_change_only_the_new_ways_open() {
    let (vault, old_code) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    for seed in [1, 2] {
        block_on(vault.add_passkey(&secret(PASSWORD), &passkey("x", seed))).unwrap();
    }
    let next = "another good password";
    let code = block_on(vault.change_password(&secret(PASSWORD), &secret(next), &[proof(2)]))
        .unwrap()
        .recovery_code
        .to_string();
    assert_eq!(vault.snapshot().status, Status::Unlocked);
    assert_eq!(revealed(&vault, next), OPENAI.as_bytes());
    assert_ne!(code, old_code);

    let tab = reopened(&vault);
    for (way, error) in [
        (password(PASSWORD), Error::WrongPassword),
        (
            Unlock::RecoveryCode(secret(&old_code)),
            Error::WrongRecoveryCode,
        ),
        (tap(1), Error::WrongPasskey),
    ] {
        assert_eq!(block_on(tab.unlock(&way)), Err(error));
    }
    for way in [password(next), Unlock::RecoveryCode(secret(&code)), tap(2)] {
        block_on(tab.unlock(&way)).unwrap();
        assert_eq!(revealed(&tab, next), OPENAI.as_bytes());
        tab.lock(Reason::Requested);
    }
}

#[test]
fn the_recovery_code_is_proof_enough_for_a_new_password() {
    let (vault, code) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    vault.lock(Reason::Requested);
    block_on(vault.unlock(&Unlock::RecoveryCode(secret(&code)))).unwrap();

    let next = "another good password";
    let (_, foreign) = created(2);
    let change = |old: &str, next: &str| {
        block_on(vault.change_password(&secret(old), &secret(next), &[]))
            .map(|created| created.recovery_code.to_string())
    };
    let mistyped = format!("{}U", &code[..code.len() - 1]);
    assert_eq!(
        change(&foreign, next).unwrap_err(),
        Error::WrongRecoveryCode
    );
    assert_eq!(change(&mistyped, next).unwrap_err(), Error::WrongPassword);
    assert_eq!(change(&code, "short").unwrap_err(), Error::WeakPassword);
    // As a person types it.
    let second = change(&code.to_lowercase().replace('-', " "), next).unwrap();
    assert_ne!(second, code);

    let tab = reopened(&vault);
    for (way, error) in [
        (password(PASSWORD), Error::WrongPassword),
        (
            Unlock::RecoveryCode(secret(&code)),
            Error::WrongRecoveryCode,
        ),
    ] {
        assert_eq!(block_on(tab.unlock(&way)), Err(error));
    }
    for way in [password(next), Unlock::RecoveryCode(secret(&second))] {
        block_on(tab.unlock(&way)).unwrap();
        assert_eq!(revealed(&tab, next), OPENAI.as_bytes());
        tab.lock(Reason::Requested);
    }
}

#[test]
fn guessing_codes_gets_slow_as_guessing_passwords_does() {
    let (vault, code) = created(1);
    let (_, foreign) = created(2);
    let next = secret("another good password");
    for (old, error) in [
        (foreign.as_str(), Error::WrongRecoveryCode),
        ("not the password", Error::WrongPassword),
        (foreign.as_str(), Error::WrongRecoveryCode),
    ] {
        let refused = block_on(vault.change_password(&secret(old), &next, &[]));
        assert_eq!(refused.unwrap_err(), error);
    }
    assert_eq!(vault.platform().clock.slept(), 0);
    block_on(vault.change_password(&secret(&code), &next, &[])).unwrap();
    assert_eq!(vault.platform().clock.slept(), 1_000);
}

#[test]
fn only_a_new_password_can_be_had_for_the_code() {
    let (vault, code) = created(1);
    let passkey = block_on(vault.add_passkey(&secret(PASSWORD), &passkey("x", 1))).unwrap();
    let before = vault.platform().store.with(|records| records.clone());
    let renewed = block_on(vault.renew_recovery(&secret(&code), &[])).unwrap_err();
    let removed = block_on(vault.remove_passkey(passkey.id, &secret(&code), &[])).unwrap_err();
    assert_eq!(
        (renewed, removed),
        (Error::WrongPassword, Error::WrongPassword)
    );
    assert_eq!(
        vault.platform().store.with(|records| records.clone()),
        before
    );
}

#[test]
fn an_old_copy_and_the_old_password_never_open_what_comes_after() {
    let (vault, _) = created(1);
    let old: Vec<_> = vault.platform().store.with(|records| {
        records
            .iter()
            .map(|(key, bytes)| (*key, bytes.clone()))
            .collect()
    });
    block_on(vault.change_password(&secret(PASSWORD), &secret("another good password"), &[]))
        .unwrap();
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    // The thief of both puts the old slot back into the new database.
    vault.platform().store.with(|records| {
        records.retain(|key, _| key.kind != Kind::Slot);
        records.extend(
            old.iter()
                .filter(|(key, _)| key.kind == Kind::Slot)
                .cloned(),
        );
    });
    let tab = reopened(&vault);
    assert_eq!(
        block_on(tab.unlock(&password(PASSWORD))),
        Err(Error::Corrupt)
    );
}

#[test]
fn removing_a_passkey_and_renewing_the_code_change_the_vault_key() {
    let (vault, first) = created(1);
    let info = block_on(vault.add_passkey(&secret(PASSWORD), &passkey("x", 1))).unwrap();
    block_on(vault.add_passkey(&secret(PASSWORD), &passkey("y", 2))).unwrap();
    let missing = block_on(vault.remove_passkey(Id::from_bytes([9; 16]), &secret(PASSWORD), &[]));
    assert_eq!(missing.unwrap_err(), Error::NotFound);

    let before = vault.platform().store.with(|records| records.clone());
    let second = block_on(vault.remove_passkey(info.id, &secret(PASSWORD), &[proof(1), proof(2)]))
        .unwrap()
        .recovery_code
        .to_string();
    let left = block_on(vault.list_passkeys()).unwrap();
    assert_eq!(
        left.iter()
            .map(|info| info.name.as_str())
            .collect::<Vec<_>>(),
        ["y"]
    );
    vault.platform().store.with(|records| {
        for (key, bytes) in records.iter().filter(|(key, _)| key.kind != Kind::Header) {
            assert_ne!(
                before.get(key),
                Some(bytes),
                "{key:?} was not encrypted anew"
            );
        }
    });
    let third = block_on(vault.renew_recovery(&secret(PASSWORD), &[]))
        .unwrap()
        .recovery_code
        .to_string();
    assert!(first != second && second != third);
    assert!(block_on(vault.list_passkeys()).unwrap().is_empty());
    vault.lock(Reason::Requested);
    assert_eq!(
        block_on(vault.unlock(&Unlock::RecoveryCode(secret(&second)))),
        Err(Error::WrongRecoveryCode)
    );
    block_on(vault.unlock(&Unlock::RecoveryCode(secret(&third)))).unwrap();
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let (vault, code) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    let before = vault.platform().store.with(|records| records.clone());
    let next = secret("another good password");
    let change = |old: &str, next: &Secret| {
        block_on(vault.change_password(&secret(old), next, &[]))
            .map(drop)
            .unwrap_err()
    };
    assert_eq!(change("wrong", &next), Error::WrongPassword);
    assert_eq!(change(PASSWORD, &secret("short")), Error::WeakPassword);
    vault.platform().store.fail_writes(Some(StoreError::Quota));
    assert_eq!(change(PASSWORD, &next), Error::Quota);
    vault.platform().store.fail_writes(None);
    let unknown = block_on(vault.change_password(&secret(PASSWORD), &next, &[proof(7)]));
    assert_eq!(unknown.unwrap_err(), Error::WrongPasskey);
    assert_eq!(
        vault.platform().store.with(|records| records.clone()),
        before
    );
    vault.lock(Reason::Requested);
    block_on(vault.unlock(&Unlock::RecoveryCode(secret(&code)))).unwrap();
}

#[test]
fn a_damaged_key_is_not_lost_silently() {
    let (vault, _) = created(1);
    let id = block_on(vault.add_key(&new_key("openai", OPENAI)))
        .unwrap()
        .record
        .id;
    vault.platform().store.with(|records| {
        records.get_mut(&RecordKey::new(Kind::Secret, id)).unwrap()[50] ^= 1;
    });
    let tab = reopened(&vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    let next = secret("another good password");
    let refused = block_on(tab.change_password(&secret(PASSWORD), &next, &[]));
    assert_eq!(refused.unwrap_err(), Error::Corrupt);
    // The person is told which key it is, and that something has changed.
    assert_eq!(
        tab.snapshot().damaged,
        [Damage {
            record: RecordKey::new(Kind::Secret, id),
            kind: DamageKind::Corrupt
        }]
    );
    assert_eq!(tab.platform().events.take().last(), Some(&Event::Change));
    block_on(tab.remove_key(id)).unwrap();
    block_on(tab.change_password(&secret(PASSWORD), &next, &[])).unwrap();
}

#[test]
fn another_tab_is_locked_out_by_a_change_and_gets_in_again() {
    let (vault, _) = created(1);
    let tab = reopened(&vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    let next = "another good password";
    block_on(vault.change_password(&secret(PASSWORD), &secret(next), &[])).unwrap();
    assert_eq!(block_on(tab.list_keys()).unwrap_err(), Error::Locked);
    assert!(
        tab.platform()
            .events
            .take()
            .contains(&Event::Lock(Reason::Rekeyed))
    );
    block_on(tab.unlock(&password(next))).unwrap();
}

#[test]
fn locking_during_a_change_leaves_the_old_state() {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };
    let (vault, code) = created(1);
    let (old, next) = (secret(PASSWORD), secret("another good password"));
    let mut changing = pin!(vault.change_password(&old, &next, &[]).into_future());
    assert!(
        changing
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    vault.lock(Reason::Requested);
    assert_eq!(block_on(changing).unwrap_err(), Error::Locked);
    block_on(vault.unlock(&Unlock::RecoveryCode(secret(&code)))).unwrap();
}

#[test]
fn rebinding_moves_a_locked_vault_to_another_relay() {
    let (vault, old_code) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    let elsewhere = block_on(Vault::open(
        vault.platform().another_tab(5),
        config("https://new.example"),
    ))
    .unwrap();
    assert_eq!(
        block_on(elsewhere.unlock(&password(PASSWORD))),
        Err(Error::RelayChanged)
    );
    let relay = Relay::parse("https://new.example").unwrap();
    let wrong = block_on(elsewhere.rebind(&relay, &secret("wrong"), &[]));
    assert_eq!(wrong.unwrap_err(), Error::WrongPassword);
    let code = block_on(elsewhere.rebind(&relay, &secret(PASSWORD), &[]))
        .unwrap()
        .recovery_code
        .to_string();
    assert_ne!(code, old_code);
    assert_eq!(revealed(&elsewhere, PASSWORD), OPENAI.as_bytes());
    // The tab that was bound to the old relay is out.
    assert_eq!(block_on(vault.list_keys()).unwrap_err(), Error::Locked);
    assert_eq!(
        block_on(vault.unlock(&password(PASSWORD))),
        Err(Error::RelayChanged)
    );
}

#[test]
fn rebinding_an_open_vault_loses_nothing_that_is_not_written_yet() {
    let (vault, _) = created(1);
    drop(vault.platform().events.take());
    let relay = Relay::parse("https://relay.example").unwrap();
    block_on(vault.rebind(&relay, &secret(PASSWORD), &[])).unwrap();
    assert_eq!(
        vault.platform().events.take(),
        [Event::Change],
        "no second unlock"
    );
    let events = block_on(vault.audit(9)).unwrap();
    let noted: Vec<_> = events.iter().map(|event| event.action.name()).collect();
    assert_eq!(noted, ["rebound", "created"]);
}

#[test]
fn every_vault_has_a_password_and_a_recovery_slot() {
    let (vault, _) = created(1);
    let records = vault.platform().store.with(|records| records.clone());
    let found: Vec<_> = records.into_iter().collect();
    for way in [Way::Password, Way::Recovery] {
        assert_eq!(unlock::read_slots(&found, way).len(), 1);
    }
}
