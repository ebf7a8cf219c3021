//! Changing, testing, rotating, revealing; `.env`; settings; the audit log.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

use super::*;
use crate::{
    format::{audit::Action, key_record::Status as KeyStatus, usage::Day},
    testing::CannedAnswer,
};

fn vault_with_key() -> (Vault<World>, Id) {
    let (vault, _) = created(1);
    let id = block_on(vault.add_key(&new_key("openai", OPENAI)))
        .unwrap()
        .record
        .id;
    (vault, id)
}

/// A relay without a well-known document, and a verdict.
fn answer_verdict(vault: &Vault<World>, verdict: &str) {
    let transport = &vault.platform().transport;
    if vault.known_relay().is_none() {
        transport.answer(CannedAnswer::new(404, ""));
    }
    transport.answer(CannedAnswer::new(
        200,
        &format!(r#"{{"verdict":"{verdict}","latencyMs":12,"models":["gpt-4o"]}}"#),
    ));
}

#[test]
fn metadata_changes_and_names_stay_unique() {
    let (vault, id) = vault_with_key();
    block_on(vault.add_key(&new_key("openai", "sk-proj-second-key-of-this-provider"))).unwrap();
    let changes = KeyChanges {
        name: Some(" work ".into()),
        active: Some(false),
        expires_at: Some(Some(1_800_000_100_000)),
        daily_cap_micros: Some(Some(5_000_000)),
    };
    let info = block_on(vault.update_key(id, &changes)).unwrap();
    assert_eq!(info.record.name, "work");
    assert_eq!(info.refusal, Some("inactive"));
    assert_eq!(info.record.daily_cap_micros, Some(5_000_000));
    assert!(
        vault
            .platform()
            .events
            .take()
            .iter()
            .any(|event| matches!(event, Event::KeyExpiring { .. }))
    );
    let cleared = KeyChanges {
        expires_at: Some(None),
        ..KeyChanges::default()
    };
    assert_eq!(
        block_on(vault.update_key(id, &cleared))
            .unwrap()
            .record
            .expires_at,
        None
    );

    let named = |name: &str| KeyChanges {
        name: Some(name.into()),
        ..KeyChanges::default()
    };
    let taken = block_on(vault.update_key(id, &named("OpenAI 2")));
    assert_eq!(taken.unwrap_err(), Error::DuplicateName);
    assert_eq!(
        block_on(vault.update_key(id, &named(" "))).unwrap_err(),
        Error::BadArgument(Arg::Name)
    );
    assert_eq!(
        block_on(vault.update_key(id, &named("a\nb"))).unwrap_err(),
        Error::BadArgument(Arg::Name)
    );
    block_on(vault.update_key(id, &named("work"))).unwrap();
    let nobody = Id::from_bytes([9; 16]);
    assert_eq!(
        block_on(vault.update_key(nobody, &named("x"))).unwrap_err(),
        Error::NotFound
    );
}

#[test]
fn a_test_keeps_its_verdict() {
    let (vault, id) = vault_with_key();
    answer_verdict(&vault, "no_credit");
    let report = block_on(vault.test_key(id, true, None)).unwrap();
    assert_eq!(report.status, KeyStatus::NoCredit);
    let sent = vault.platform().transport.take();
    let test = sent.last().unwrap();
    assert_eq!(test.url, "https://relay.example/v1/keys/test");
    assert_eq!(test.body, br#"{"provider":"openai","deep":true}"#);
    assert_eq!(test.header("x-byok-key"), Some(OPENAI));
    assert_eq!(test.header("x-byok-provider"), Some("openai"));
    let info = &block_on(vault.list_keys()).unwrap()[0];
    assert_eq!(info.record.status.name(), "no_credit");
    assert!(info.record.tested_at.is_some());
}

#[test]
fn a_test_that_cannot_be_made_says_why() {
    let (vault, id) = vault_with_key();
    assert_eq!(
        block_on(vault.test_key(id, false, None)).unwrap_err(),
        Error::Network
    );
    let transport = &vault.platform().transport;
    transport.answer(CannedAnswer::new(404, ""));
    transport.answer(CannedAnswer::new(429, "{}").with("x-byok-error", "rate_limited"));
    assert_eq!(
        block_on(vault.test_key(id, false, None)).unwrap_err(),
        Error::RelayRefused
    );
    transport.answer(CannedAnswer::new(200, "not json"));
    assert_eq!(
        block_on(vault.test_key(id, false, None)).unwrap_err(),
        Error::RelayRefused
    );
    let nobody = Id::from_bytes([9; 16]);
    assert_eq!(
        block_on(vault.test_key(nobody, false, None)).unwrap_err(),
        Error::NotFound
    );
}

#[test]
fn rotating_tests_first_and_keeps_the_old_key_if_refused() {
    let (vault, id) = vault_with_key();
    let next = "sk-proj-the-next-key-0123456789-0123456789";
    let rotate = |key: &str| block_on(vault.rotate_key(id, &secret(key), None));
    for (verdict, error) in [
        ("invalid", Error::KeyRejected),
        ("deprecated_format", Error::KeyRejected),
        ("unreachable", Error::Network),
    ] {
        answer_verdict(&vault, verdict);
        assert_eq!(rotate(next).unwrap_err(), error);
        let key = block_on(vault.reveal_key(id, &secret(PASSWORD))).unwrap();
        assert!(key == secret(OPENAI), "{verdict}");
    }
    assert_eq!(rotate(OPENAI).unwrap_err(), Error::DuplicateKey);
    assert_eq!(rotate("").unwrap_err(), Error::BadKeyFormat);
    answer_verdict(&vault, "valid");
    let info = rotate(next).unwrap();
    assert_eq!(info.record.preview, "sk-p…6789");
    assert_eq!(info.record.status, KeyStatus::Valid);
    assert!(block_on(vault.reveal_key(id, &secret(PASSWORD))).unwrap() == secret(next));
    // The old key may be stored again: it is gone.
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
}

#[test]
fn revealing_needs_the_password() {
    let (vault, id) = vault_with_key();
    let refused = block_on(vault.reveal_key(id, &secret("wrong"))).unwrap_err();
    assert_eq!(refused, Error::WrongPassword);
    let nobody = Id::from_bytes([9; 16]);
    let missing = block_on(vault.reveal_key(nobody, &secret(PASSWORD))).unwrap_err();
    assert_eq!(missing, Error::NotFound);
}

#[test]
fn env_lines_find_their_providers() {
    let (vault, _) = vault_with_key();
    let gemini = format!("AIza{}", "b".repeat(35));
    let text = format!(
        "# my keys\nexport ANTHROPIC_API_KEY=\"sk-ant-api03-{}\"\nOPENAI_API_KEY={OPENAI}\n\
         MY_OWN_NAME={gemini} # by its form\nDATABASE_URL=postgres://x\nSTRIPE_SECRET_KEY=abc\n\
         GROQ_API_KEY=\nAGAIN={gemini}\n",
        "a".repeat(95)
    );
    let imported = block_on(vault.import_env(&secret(&text))).unwrap();
    let providers: Vec<_> = imported
        .added
        .iter()
        .map(|info| info.record.provider.as_str())
        .collect();
    assert_eq!(providers, ["anthropic", "google"]);
    let mut skipped: Vec<_> = imported
        .skipped
        .iter()
        .map(|skipped| (skipped.line, skipped.reason))
        .collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            (3, "duplicate_key"),
            (6, "unknown_provider"),
            (7, "bad_key_format"),
            (8, "duplicate_key")
        ]
    );
    let nothing = block_on(vault.import_env(&secret(""))).unwrap();
    assert!(nothing.added.is_empty() && nothing.skipped.is_empty());
}

#[test]
fn settings_need_the_password_and_hold_at_once() {
    let (vault, _) = created(1);
    let change = |password: &str, minutes| {
        block_on(vault.change_settings(&secret(password), Some(minutes), Some(true)))
    };
    assert_eq!(change("wrong", 5).unwrap_err(), Error::WrongPassword);
    assert_eq!(
        change(PASSWORD, 0).unwrap_err(),
        Error::BadArgument(Arg::AutoLockMinutes)
    );
    assert_eq!(
        change(PASSWORD, 1441).unwrap_err(),
        Error::BadArgument(Arg::AutoLockMinutes)
    );
    let settings = change(PASSWORD, 5).unwrap();
    assert_eq!(
        (settings.auto_lock_minutes, settings.lock_on_hide),
        (5, true)
    );
    vault.hidden(true);
    assert_eq!(vault.snapshot().status, Status::Locked);
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    vault.platform().clock.advance(5 * MINUTE);
    assert_eq!(vault.snapshot().status, Status::Locked);
}

#[test]
fn destroying_leaves_nothing_and_a_new_vault_can_be_made() {
    let (vault, _) = vault_with_key();
    vault.lock(Reason::Requested);
    vault.platform().store.fail_writes(Some(StoreError::Failed));
    assert_eq!(block_on(vault.destroy()), Err(Error::StorageFailed));
    vault.platform().store.fail_writes(None);
    block_on(vault.destroy()).unwrap();
    assert_eq!(vault.snapshot().status, Status::Empty);
    assert!(vault.platform().store.with(|records| records.is_empty()));
    block_on(vault.create(&secret(PASSWORD))).unwrap();
}

#[test]
fn the_log_tells_what_was_done_newest_first_and_survives() {
    let (vault, id) = vault_with_key();
    block_on(vault.reveal_key(id, &secret(PASSWORD))).unwrap();
    block_on(vault.flush()).unwrap();
    vault.lock(Reason::Requested);
    assert_eq!(
        block_on(vault.unlock(&password("wrong"))),
        Err(Error::WrongPassword)
    );
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    let events = block_on(vault.audit(10)).unwrap();
    let actions: Vec<_> = events.iter().map(|event| event.action).collect();
    use Action::{Created, KeyAdded, KeyRevealed, Unlocked};
    assert_eq!(actions, [Unlocked, KeyRevealed, KeyAdded, Created]);
    assert_eq!(events[0].number, 1, "one wrong attempt before");
    assert_eq!(events[1].id, id);
    assert_eq!(block_on(vault.audit(2)).unwrap().len(), 2);
}

/// Locks, writes what the lock left, and opens the vault in another tab.
fn locked_and_reopened(vault: &Vault<World>) -> Vault<World> {
    vault.lock(Reason::Requested);
    assert_eq!(block_on(vault.flush()), Err(Error::Locked));
    let tab = reopened(vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    tab
}

#[test]
fn a_lock_stands_in_the_log_with_its_reason_and_time() {
    let (vault, id) = vault_with_key();
    let ticket = vault.enter().unwrap();
    let counts = Day {
        requests: 1,
        ..Day::default()
    };
    vault.count_use(ticket, id, counts).unwrap();
    vault.platform().clock.advance(31 * MINUTE);
    let due = vault.platform().clock.now();
    assert_eq!(vault.snapshot().status, Status::Locked);
    vault.platform().clock.advance(MINUTE);
    let tab = locked_and_reopened(&vault);
    let events = block_on(tab.audit(10)).unwrap();
    assert_eq!(events[1].action, Action::Locked);
    assert_eq!(events[1].number, Reason::Idle as u16);
    assert_eq!(events[1].at, due);
    // What was only counted so far was written with it.
    let rows = block_on(tab.usage_report(0)).unwrap();
    assert_eq!(rows[0].counts.requests, 1);
}

#[test]
fn what_a_lock_leaves_is_written_over_nothing_of_another_tab() {
    let (vault, _) = vault_with_key();
    block_on(vault.flush()).unwrap();
    vault.lock(Reason::Requested);
    let tab = reopened(&vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    block_on(tab.add_key(&new_key("groq", "gsk_0123456789abcdefghijklmn"))).unwrap();
    assert_eq!(block_on(vault.flush()), Err(Error::Locked));
    assert_eq!(block_on(tab.list_keys()).unwrap().len(), 2);
    let events = block_on(tab.audit(10)).unwrap();
    assert!(events.iter().all(|event| event.action != Action::Locked));
}

#[test]
fn a_lock_is_logged_whether_a_change_on_its_way_arrives_or_not() {
    use Action::{Locked, Request, Unlocked};
    for arrives in [true, false] {
        let (vault, id) = vault_with_key();
        block_on(vault.flush()).unwrap();
        vault.note(Request, id, 7);
        // Another tab's store, to hold back what this one writes.
        let before = vault.platform().store.with(|records| records.clone());
        let mut context = Context::from_waker(Waker::noop());
        vault.platform().store.delay_writes(true);
        let mut flushing = pin!(vault.flush());
        assert!(flushing.as_mut().poll(&mut context).is_pending());
        vault.lock(Reason::Requested);
        assert_eq!(block_on(flushing), Err(Error::Locked));
        if !arrives {
            vault.platform().store.with(|records| *records = before);
        }
        let tab = locked_and_reopened(&vault);
        let events = block_on(tab.audit(3)).unwrap();
        let seen: Vec<_> = events
            .iter()
            .map(|event| (event.action, event.number))
            .collect();
        assert_eq!(seen, [(Unlocked, 0), (Locked, 1), (Request, 7)]);
    }
}

#[test]
fn counts_of_a_key_that_is_gone_are_dropped() {
    let (vault, id) = vault_with_key();
    let ticket = vault.enter().unwrap();
    block_on(vault.remove_key(id)).unwrap();
    block_on(vault.flush()).unwrap();
    vault.count_use(ticket, id, Day::default()).unwrap();
    block_on(vault.flush()).unwrap();
    assert!(block_on(vault.usage_report(0)).unwrap().is_empty());
}

#[test]
fn a_deleted_vault_leaves_nothing_to_be_written() {
    let (vault, _) = vault_with_key();
    block_on(vault.destroy()).unwrap();
    assert_eq!(block_on(vault.flush()), Err(Error::Empty));
    assert!(vault.platform().store.with(|records| records.is_empty()));
}

#[test]
fn writing_behind_takes_turns() {
    let (vault, id) = vault_with_key();
    let mut context = Context::from_waker(Waker::noop());
    vault.note(Action::Request, id, 1);
    let turn = block_on(vault.flushing.next());
    let mut behind = pin!(vault.flush());
    assert!(behind.as_mut().poll(&mut context).is_pending());
    vault.note(Action::Request, id, 2);
    drop(turn);
    block_on(behind).unwrap();
    let tab = locked_and_reopened(&vault);
    let events = block_on(tab.audit(4)).unwrap();
    let numbers: Vec<_> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, [0, Reason::Requested as u16, 2, 1]);
}

#[test]
fn the_log_keeps_the_last_ten_thousand() {
    let (vault, id) = vault_with_key();
    for at in 0..12_000_u32 {
        vault.note(Action::Request, id, u16::try_from(at % 60_000).unwrap());
        if at % 500 == 0 {
            block_on(vault.flush()).unwrap();
        }
    }
    block_on(vault.flush()).unwrap();
    let events = block_on(vault.audit(usize::MAX)).unwrap();
    assert_eq!(events.len(), 10_000);
    assert_eq!((events[0].number, events[9_999].number), (11_999, 2_000));
    let chunks = vault
        .platform()
        .store
        .with(|records| records.keys().filter(|key| key.kind == Kind::Audit).count());
    assert!(chunks <= 80, "{chunks}");
    // The log outlives a change of the vault key.
    let next = secret("another good password");
    block_on(vault.change_password(&secret(PASSWORD), &next, &[])).unwrap();
    assert_eq!(block_on(vault.audit(usize::MAX)).unwrap().len(), 10_000);
}

#[test]
fn usage_is_written_behind_and_reported() {
    let (vault, id) = vault_with_key();
    let ticket = vault.enter().unwrap();
    let counts = Day {
        requests: 1,
        input_tokens: 10,
        cost_micros: 7,
        ..Day::default()
    };
    vault.count_use(ticket, id, counts).unwrap();
    block_on(vault.flush()).unwrap();
    vault.count_use(ticket, id, counts).unwrap();
    vault.platform().clock.advance(1000);
    let rows = block_on(vault.usage_report(0)).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].counts.requests, rows[0].counts.cost_micros),
        (2, 14)
    );
    block_on(vault.flush()).unwrap();
    let tab = reopened(&vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    assert_eq!(
        block_on(tab.usage_report(0)).unwrap()[0]
            .counts
            .input_tokens,
        20
    );
    assert!(block_on(tab.list_keys()).unwrap()[0].last_used_at.is_some());
    let tomorrow = vault.platform().clock.now() + 86_400_000;
    assert!(block_on(tab.usage_report(tomorrow)).unwrap().is_empty());
}

#[test]
fn counts_stay_in_memory_when_they_cannot_be_written() {
    let (vault, id) = vault_with_key();
    block_on(vault.flush()).unwrap();
    let ticket = vault.enter().unwrap();
    vault
        .count_use(
            ticket,
            id,
            Day {
                requests: 1,
                ..Day::default()
            },
        )
        .unwrap();
    vault.platform().store.fail_writes(Some(StoreError::Quota));
    assert_eq!(block_on(vault.flush()), Err(Error::Quota));
    vault.platform().store.fail_writes(None);
    block_on(vault.flush()).unwrap();
    assert_eq!(
        block_on(vault.usage_report(0)).unwrap()[0].counts.requests,
        1
    );
}
