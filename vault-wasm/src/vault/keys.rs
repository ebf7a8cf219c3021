//! Provider keys: add, list, remove.

use keyferry_protocol::{Provider, shape, text};

use super::{Call, Ticket, Vault, call::Records, change::Changes, session::Session};
use crate::{
    error::{Arg, Error},
    format::{
        audit::Action,
        id::{Id, Kind, RecordKey},
        key_record::{KeyRecord, Status},
    },
    platform::Platform,
    secret::Secret,
    store::Durability,
};

/// Longest accepted name in bytes.
const MAX_NAME: usize = 200;

/// A key to be stored.
#[derive(Debug)]
pub struct NewKey {
    /// Catalogue id.
    pub provider: String,
    /// As pasted.
    pub key: Secret,
    /// Chosen by the person; a default is found otherwise.
    pub name: Option<String>,
    /// Unix milliseconds.
    pub expires_at: Option<u64>,
    /// Millionths of a US dollar per UTC day.
    pub daily_cap_micros: Option<u64>,
}

/// What is shown of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key's record; empty texts when it cannot be read.
    pub record: KeyRecord,
    /// Unix milliseconds.
    pub last_used_at: Option<u64>,
    /// `damaged`, `inactive`, `expired`, `daily_cap` when requests cannot use it.
    pub refusal: Option<&'static str>,
    /// What is wrong at rest.
    pub damaged: Option<&'static str>,
}

impl Session {
    pub(super) fn key_info(&self, record: &KeyRecord, now: u64) -> KeyInfo {
        KeyInfo {
            record: record.clone(),
            last_used_at: self.usage(record.id).last_used_at,
            refusal: self.refusal(record, now),
            damaged: self.damage_of(record.id).map(super::DamageKind::name),
        }
    }

    /// All keys, oldest first, those that cannot be read at the end.
    pub(super) fn key_infos(&self, now: u64) -> Vec<KeyInfo> {
        let mut keys = Vec::new();
        for record in self.key_records() {
            keys.push(self.key_info(record, now));
        }
        keys.extend(self.unreadable_keys());
        keys
    }

    /// Keys whose metadata cannot be read: shown, so that they can be removed.
    fn unreadable_keys(&self) -> impl Iterator<Item = KeyInfo> {
        self.damage()
            .iter()
            .filter(|damage| {
                damage.record.kind == Kind::Metadata
                    && self.manifest().revision_of(damage.record).is_some()
                    && self.key_record(damage.record.id).is_none()
            })
            .map(|damage| KeyInfo {
                record: KeyRecord {
                    id: damage.record.id,
                    provider: String::new(),
                    name: String::new(),
                    preview: String::new(),
                    active: false,
                    known_shape: false,
                    created_at: 0,
                    updated_at: 0,
                    expires_at: None,
                    daily_cap_micros: None,
                    tested_at: None,
                    status: Status::Unknown,
                    fingerprint: [0; 32],
                },
                last_used_at: None,
                refusal: Some("damaged"),
                damaged: Some(damage.kind.name()),
            })
    }

    /// A name no other key of the provider has, those of `also` included: the wanted one, numbered
    /// from the second on.
    pub(super) fn free_name(&self, provider: &str, wanted: &str, also: &[KeyRecord]) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1_u64;
        while self.name_taken(provider, &name, None)
            || also
                .iter()
                .any(|other| other.provider == provider && other.name == name)
        {
            number += 1;
            name = [wanted, " ", &text::decimal(number)].concat();
        }
        name
    }

    pub(super) fn name_taken(&self, provider: &str, name: &str, except: Option<Id>) -> bool {
        self.key_records().iter().any(|record| {
            record.provider == provider && record.name == name && Some(record.id) != except
        })
    }

    /// The key with this fingerprint.
    pub(super) fn by_fingerprint(&self, fingerprint: &[u8; 32]) -> Option<&KeyRecord> {
        self.key_records()
            .iter()
            .find(|record| record.fingerprint == *fingerprint)
    }

    /// Whether there is a key with this fingerprint, here or in `also`.
    pub(super) fn knows_key(&self, fingerprint: &[u8; 32], also: &[KeyRecord]) -> bool {
        self.by_fingerprint(fingerprint).is_some()
            || also.iter().any(|other| other.fingerprint == *fingerprint)
    }
}

/// A name as it is stored.
pub(super) fn clean_name(name: &str) -> Result<Option<String>, Error> {
    let name = name.trim();
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Error::BadArgument(Arg::Name));
    }
    Ok(if name.is_empty() {
        None
    } else {
        Some(name.to_owned())
    })
}

/// What was pasted, without what is around the key.
pub(super) fn clean_key(pasted: &Secret) -> Result<Secret, Error> {
    // Reads the text to trim it; the copy is the key that is stored.
    match shape::clean(pasted.expose()) {
        Ok(key) => Ok(Secret::copy_of(key.as_bytes())),
        Err(_) => Err(Error::BadKeyFormat),
    }
}

/// `sk-p…wxyz`: four characters at each end, for keys long enough that this tells nothing.
pub(super) fn preview(key: &str) -> String {
    shape::preview(key).unwrap_or_default()
}

/// The record of a new key.
pub(super) fn new_record(
    provider: &Provider,
    key: &Secret,
    id: Id,
    now: u64,
) -> Result<KeyRecord, Error> {
    // Its form and preview are taken from the text.
    let text = std::str::from_utf8(key.expose()).map_err(|_| Error::BadKeyFormat)?;
    Ok(KeyRecord {
        id,
        provider: provider.id.clone().into_owned(),
        name: String::new(),
        preview: preview(text),
        active: true,
        known_shape: shape::fits(provider, text) == Some(shape::Fit::Exact),
        created_at: now,
        updated_at: now,
        expires_at: None,
        daily_cap_micros: None,
        tested_at: None,
        status: Status::Unknown,
        fingerprint: [0; 32],
    })
}

impl<P: Platform> Vault<P> {
    /// The row of a provider.
    pub(super) fn provider(&self, id: &str) -> Result<&Provider, Error> {
        self.catalogue.get(id).ok_or(Error::UnknownProvider)
    }

    /// Stores a key.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`], [`Error::BadKeyFormat`], [`Error::DuplicateKey`],
    /// [`Error::DuplicateName`], storage errors (nothing has changed then).
    pub fn add_key(&self, new: &NewKey) -> Call<'_, P, KeyInfo> {
        Call::new(self, || {
            let wait = self.begin(Records::Known)?;
            let provider = self.provider(&new.provider)?;
            let key = clean_key(&new.key)?;
            let name = match &new.name {
                Some(name) => clean_name(name)?,
                None => None,
            };
            let id = Id::generate(self.platform.random())?;
            let mut record = new_record(provider, &key, id, self.now())?;
            record.expires_at = new.expires_at;
            record.daily_cap_micros = new.daily_cap_micros;

            let wait = wait.change(Durability::Strict, move |vault, _, session| {
                let mut record = record.clone();
                // The fingerprint is taken of the key itself.
                record.fingerprint = session.keys().fingerprint(key.expose())?;
                if session.knows_key(&record.fingerprint, &[]) {
                    return Err(Error::DuplicateKey);
                }
                record.name = match &name {
                    Some(name) if session.name_taken(&record.provider, name, None) => {
                        return Err(Error::DuplicateName);
                    }
                    Some(name) => name.clone(),
                    None => {
                        let provider = vault.provider(&record.provider)?;
                        session.free_name(&record.provider, &provider.name, &[])
                    }
                };
                let mut changes = Changes::default();
                changes.put_key(&record, Some(&key))?;
                Ok(changes)
            });
            Ok(
                wait.then(move |vault, ready| {
                    vault.changed_key(ready.ticket, Action::KeyAdded, id)
                }),
            )
        })
    }

    /// The keys a request may be made with, or why there is none.
    pub(crate) fn usable_keys(
        &self,
        ticket: Ticket,
        provider: &str,
    ) -> Result<Result<Vec<Id>, &'static str>, Error> {
        let now = self.now();
        self.with(ticket, |session| Ok(session.usable_keys(provider, now)))
    }

    /// All keys, oldest first; no key is decrypted for it.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`], [`Error::StorageLost`].
    pub fn list_keys(&self) -> Call<'_, P, Vec<KeyInfo>> {
        Call::new(self, || {
            Ok(self.begin(Records::Fresh)?.then(|vault, ready| {
                let now = vault.now();
                vault.with(ready.ticket, |session| Ok(session.key_infos(now)))
            }))
        })
    }

    /// Removes a key and what is known about it, damaged or not.
    ///
    /// # Errors
    /// [`Error::NotFound`], storage errors (nothing has changed then).
    pub fn remove_key(&self, id: Id) -> Call<'_, P, ()> {
        Call::new(self, || {
            let wait = self.begin(Records::Known)?;
            let wait = wait.change(Durability::Strict, move |_, _, session| {
                let metadata = RecordKey::new(Kind::Metadata, id);
                if session.manifest().revision_of(metadata).is_none() {
                    return Err(Error::NotFound);
                }
                let mut changes = Changes::default();
                for kind in [Kind::Metadata, Kind::Secret, Kind::Usage] {
                    changes.delete(RecordKey::new(kind, id));
                }
                Ok(changes)
            });
            Ok(wait.then(move |vault, _| {
                vault.note(Action::KeyRemoved, id, 0);
                Ok(())
            }))
        })
    }

    /// Notes what was done with a key, and shows it.
    pub(super) fn changed_key(
        &self,
        ticket: Ticket,
        action: Action,
        id: Id,
    ) -> Result<KeyInfo, Error> {
        self.note(action, id, 0);
        self.tell_expiring();
        self.key_info_of(ticket, id)
    }

    pub(super) fn key_info_of(&self, ticket: Ticket, id: Id) -> Result<KeyInfo, Error> {
        let now = self.now();
        self.with(ticket, |session| {
            let record = session.key_record(id).ok_or(Error::NotFound)?;
            Ok(session.key_info(record, now))
        })
    }
}
