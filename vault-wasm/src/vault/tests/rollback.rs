//! A whole older copy of the stored vault put in its place. Nobody can tell who opens it anew; whoever
//! has the vault open can.

use std::{
    collections::BTreeMap,
    pin::pin,
    task::{Context, Waker},
};

use super::*;
use crate::fetch::{Outcome, Request};

type Records = BTreeMap<RecordKey, Vec<u8>>;

const GROQ: &str = "gsk_abcdefghijklmnopqrstuvwxyz";

fn records(vault: &Vault<World>) -> Records {
    vault.platform().store.with(|records| records.clone())
}

/// An open vault, and a copy of it from before a key was removed.
fn with_older_copy() -> (Vault<World>, Records) {
    let (vault, _) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    let removed = block_on(vault.add_key(&new_key("groq", GROQ))).unwrap();
    block_on(vault.flush()).unwrap();
    let older = records(&vault);
    block_on(vault.remove_key(removed.record.id)).unwrap();
    (vault, older)
}

#[test]
fn an_older_copy_is_refused_by_whoever_has_the_vault_open() {
    type Use = fn(&Vault<World>) -> Result<(), Error>;
    let uses: [(&str, Use); 7] = [
        ("list", |vault| block_on(vault.list_keys()).map(drop)),
        ("add", |vault| {
            block_on(vault.add_key(&new_key("groq", GROQ))).map(drop)
        }),
        ("flush", |vault| block_on(vault.flush())),
        ("reveal", |vault| {
            block_on(vault.reveal_key(Id::ONLY, &secret(PASSWORD))).map(drop)
        }),
        ("password", |vault| {
            let next = secret("another good password");
            block_on(vault.change_password(&secret(PASSWORD), &next, &[])).map(drop)
        }),
        ("rebind", |vault| {
            let relay = Relay::parse("https://new.example").unwrap();
            block_on(vault.rebind(&relay, &secret(PASSWORD), &[])).map(drop)
        }),
        ("unlock", |vault| {
            block_on(vault.unlock(&password(PASSWORD)))
        }),
    ];
    for (name, using) in uses {
        let (vault, older) = with_older_copy();
        vault
            .platform()
            .store
            .with(|records| records.clone_from(&older));
        drop(vault.platform().events.take());
        assert_eq!(using(&vault), Err(Error::Corrupt), "{name}");
        assert_eq!(vault.snapshot().status, Status::Locked, "{name}");
        let events = vault.platform().events.take();
        assert!(
            events.contains(&Event::Lock(Reason::RolledBack)),
            "{name}: {events:?}"
        );
        assert_eq!(block_on(vault.flush()), Err(Error::Locked));
        assert_eq!(records(&vault), older, "{name}: nothing is written over it");
        // What is there can be opened, by whoever wants it.
        block_on(vault.unlock(&password(PASSWORD))).unwrap();
        assert_eq!(block_on(vault.list_keys()).unwrap().len(), 2, "{name}");
    }
}

#[test]
fn a_request_is_refused_as_by_a_locked_vault() {
    let (vault, older) = with_older_copy();
    vault.platform().store.with(|records| *records = older);
    let request = Request {
        url: "https://api.openai.com/v1/models".into(),
        method: "GET".into(),
        headers: Vec::new(),
        body: None,
        context: None,
    };
    match block_on(vault.fetch(&request)).unwrap() {
        Outcome::Refusal(refusal) => assert_eq!(refusal.code, "locked"),
        Outcome::Answer { .. } => panic!("a key was used"),
    }
    assert!(vault.platform().transport.take().is_empty());
}

#[test]
fn what_another_tab_does_is_no_older_copy() {
    let (vault, _) = with_older_copy();
    let tab = reopened(&vault);
    let repaired = block_on(tab.repair(&password(PASSWORD), true)).unwrap();
    assert_eq!(repaired.keys.len(), 1);
    assert_eq!(block_on(vault.list_keys()).unwrap().len(), 1, "repair");

    let file = block_on(tab.export(&secret("for the file only"), &secret(PASSWORD))).unwrap();
    let id = repaired.keys[0].record.id;
    block_on(tab.remove_key(id)).unwrap();
    block_on(tab.import(&file, &secret("for the file only"))).unwrap();
    assert_eq!(block_on(vault.list_keys()).unwrap().len(), 1, "import");

    let next = secret("another good password");
    block_on(tab.change_password(&secret(PASSWORD), &next, &[])).unwrap();
    drop(vault.platform().events.take());
    assert_eq!(block_on(vault.list_keys()).unwrap_err(), Error::Locked);
    let events = vault.platform().events.take();
    assert!(events.contains(&Event::Lock(Reason::Rekeyed)), "{events:?}");
}

#[test]
fn another_vault_of_the_name_is_no_older_copy() {
    let (vault, _) = with_older_copy();
    let tab = reopened(&vault);
    block_on(tab.destroy()).unwrap();
    block_on(tab.create(&secret(PASSWORD))).unwrap();
    drop(vault.platform().events.take());
    assert_eq!(block_on(vault.list_keys()).unwrap_err(), Error::Locked);
    let events = vault.platform().events.take();
    assert!(events.contains(&Event::Lock(Reason::Rekeyed)), "{events:?}");
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    assert!(block_on(vault.list_keys()).unwrap().is_empty());
}

#[test]
fn reading_that_was_overtaken_by_ones_own_change_is_no_older_copy() {
    let (vault, _) = with_older_copy();
    let tab = reopened(&vault);
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    block_on(tab.add_key(&new_key("groq", GROQ))).unwrap();

    let mut context = Context::from_waker(Waker::noop());
    vault.platform().store.delay_reads(true);
    let mut listing = pin!(vault.list_keys().into_future());
    // The list of records, then all of them: as they are now.
    for _ in 0..2 {
        assert!(listing.as_mut().poll(&mut context).is_pending());
    }
    vault.platform().store.delay_reads(false);
    block_on(vault.add_key(&new_key("mistral", "a-key-added-while-reading"))).unwrap();
    assert_eq!(block_on(listing).unwrap().len(), 3);
    assert_eq!(block_on(tab.list_keys()).unwrap().len(), 3);
}
