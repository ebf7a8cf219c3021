//! What a person does with stored keys besides adding and removing: change, test, rotate, reveal;
//! the vault's settings; its end.

use keyferry_protocol::{Verdict, json};

use super::{
    Call, KeyInfo, Stage, Ticket, Vault,
    call::Records,
    change::Changes,
    keys::{clean_key, clean_name, new_record},
    relay::{ContextOf, Question},
    session::Session,
};
use crate::{
    error::{Arg, Error},
    format::{
        audit::Action,
        id::{Id, RecordKey},
        key_record::{KeyRecord, Status},
        settings::Settings,
    },
    lock::{Input, MAX_IDLE_MINUTES, Policy, Reason},
    platform::{Event, Platform},
    secret::Secret,
    store::Durability,
};

/// Changes of a key; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyChanges {
    /// Another name.
    pub name: Option<String>,
    /// Whether requests may use it.
    pub active: Option<bool>,
    /// Unix milliseconds, or never.
    pub expires_at: Option<Option<u64>>,
    /// Millionths of a US dollar per UTC day, or no cap.
    pub daily_cap_micros: Option<Option<u64>>,
}

/// What a test of a key found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// The verdict.
    pub status: Status,
    /// The relay's whole answer, a JSON object.
    pub answer: Vec<u8>,
}

fn status_of(verdict: Verdict) -> Status {
    match verdict {
        Verdict::Valid => Status::Valid,
        Verdict::Invalid => Status::Invalid,
        Verdict::WrongScope => Status::WrongScope,
        Verdict::NoCredit => Status::NoCredit,
        Verdict::RateLimited => Status::RateLimited,
        Verdict::DeprecatedFormat => Status::DeprecatedFormat,
        Verdict::Unreachable => Status::Unreachable,
    }
}

/// What the relay found out about a key.
fn verdict_of(answer: &[u8]) -> Result<Status, Error> {
    let [verdict] = json::top_level(answer, ["verdict"]).map_err(|_| Error::RelayRefused)?;
    verdict
        .and_then(|value| value.as_str())
        .and_then(|text| Verdict::parse(&text))
        .map(status_of)
        .ok_or(Error::RelayRefused)
}

/// The question whether a key works.
fn test_of(provider: String, key: Secret, deep: bool) -> Question {
    let deep = if deep { ",\"deep\":true}" } else { "}" };
    let body = ["{\"provider\":", &json::quote(&provider), deep].concat();
    Question {
        path: "/v1/keys/test",
        provider,
        key,
        body,
    }
}

impl Session {
    /// The record of a key that can be used.
    fn usable(&self, id: Id) -> Result<&KeyRecord, Error> {
        self.check_usable(id)?;
        self.key_record(id).ok_or(Error::NotFound)
    }
}

impl<P: Platform> Vault<P> {
    /// Changes what is known about a key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::DuplicateName`], [`Error::BadArgument`], storage errors.
    pub fn update_key(&self, id: Id, wanted: &KeyChanges) -> Call<'_, P, KeyInfo> {
        Call::new(self, || {
            let wait = self.begin(Records::Known)?;
            let wanted = KeyChanges {
                name: match &wanted.name {
                    Some(name) => Some(clean_name(name)?.ok_or(Error::BadArgument(Arg::Name))?),
                    None => None,
                },
                ..*wanted
            };
            let wait = wait.change(Durability::Relaxed, move |vault, _, session| {
                let mut record = session.usable(id)?.clone();
                if let Some(name) = &wanted.name {
                    if session.name_taken(&record.provider, name, Some(id)) {
                        return Err(Error::DuplicateName);
                    }
                    record.name.clone_from(name);
                }
                record.active = wanted.active.unwrap_or(record.active);
                record.expires_at = wanted.expires_at.unwrap_or(record.expires_at);
                record.daily_cap_micros =
                    wanted.daily_cap_micros.unwrap_or(record.daily_cap_micros);
                vault.put_changed(record, None)
            });
            Ok(wait
                .then(move |vault, ready| vault.changed_key(ready.ticket, Action::KeyUpdated, id)))
        })
    }

    /// A change of one key.
    fn put_changed(&self, mut record: KeyRecord, key: Option<&Secret>) -> Result<Changes, Error> {
        record.updated_at = self.now();
        let mut changes = Changes::default();
        changes.put_key(&record, key)?;
        Ok(changes)
    }

    /// Asks the provider, through the relay, whether a key works.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Network`], [`Error::RelayRefused`].
    pub fn test_key(
        &self,
        id: Id,
        deep: bool,
        context: Option<ContextOf<P>>,
    ) -> Call<'_, P, TestReport> {
        Call::new(self, || {
            let wait = self.begin(Records::Fresh)?;
            let wait = wait.ask(context, move |vault, ready| {
                let (provider, key) = vault.key_of(ready.ticket, id)?;
                Ok(test_of(provider, key, deep))
            });
            let wait = wait.change(Durability::Relaxed, move |vault, ready, session| {
                let mut record = session.usable(id)?.clone();
                record.status = verdict_of(&ready.answer)?;
                record.tested_at = Some(vault.now());
                vault.put_changed(record, None)
            });
            Ok(wait.then(move |vault, ready| {
                let answer = std::mem::take(&mut ready.answer);
                let status = verdict_of(&answer)?;
                vault.note(Action::KeyTested, id, status as u16);
                Ok(TestReport { status, answer })
            }))
        })
    }

    /// Replaces a key by a new one, if the provider accepts that; otherwise the old one stays.
    ///
    /// # Errors
    /// [`Error::KeyRejected`], [`Error::Network`] when it cannot be tested, [`Error::BadKeyFormat`],
    /// [`Error::DuplicateKey`], [`Error::NotFound`], storage errors.
    pub fn rotate_key(
        &self,
        id: Id,
        pasted: &Secret,
        context: Option<ContextOf<P>>,
    ) -> Call<'_, P, KeyInfo> {
        Call::new(self, || {
            let wait = self.begin(Records::Fresh)?;
            let key = clean_key(pasted)?;
            // Sent to be tested, while the key itself waits to be stored.
            let sent = Secret::copy_of(key.expose());
            let wait = wait.ask(context, move |vault, ready| {
                let provider = vault.with(ready.ticket, |session| {
                    // The fingerprint is taken of the key itself.
                    let fingerprint = session.keys().fingerprint(sent.expose())?;
                    let provider = session.usable(id)?.provider.clone();
                    match session.by_fingerprint(&fingerprint) {
                        Some(_) => Err(Error::DuplicateKey),
                        None => Ok(provider),
                    }
                })?;
                vault.provider(&provider)?;
                Ok(test_of(provider, sent, false))
            });
            let wait = wait.change(Durability::Strict, move |vault, ready, session| {
                let status = verdict_of(&ready.answer)?;
                match status {
                    Status::Invalid | Status::DeprecatedFormat => return Err(Error::KeyRejected),
                    Status::Unreachable | Status::Unknown => return Err(Error::Network),
                    _ => {}
                }
                let old = session.key_record(id).ok_or(Error::NotFound)?;
                // The fingerprint is taken of the key itself.
                let fingerprint = session.keys().fingerprint(key.expose())?;
                if session
                    .by_fingerprint(&fingerprint)
                    .is_some_and(|other| other.id != id)
                {
                    return Err(Error::DuplicateKey);
                }
                let now = vault.now();
                let new = new_record(vault.provider(&old.provider)?, &key, id, now)?;
                let record = KeyRecord {
                    preview: new.preview,
                    known_shape: new.known_shape,
                    tested_at: Some(now),
                    status,
                    fingerprint,
                    ..old.clone()
                };
                vault.put_changed(record, Some(&key))
            });
            Ok(wait
                .then(move |vault, ready| vault.changed_key(ready.ticket, Action::KeyRotated, id)))
        })
    }

    /// The key itself, for the person who knows the password.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::NotFound`], [`Error::Corrupt`].
    pub fn reveal_key(&self, id: Id, typed: &Secret) -> Call<'_, P, Secret> {
        Call::new(self, || {
            let wait = self.begin(Records::Fresh)?.proof_of(typed);
            Ok(wait.then(move |vault, ready| {
                let (_, key) = vault.key_of(ready.ticket, id)?;
                vault.note(Action::KeyRevealed, id, 0);
                Ok(key)
            }))
        })
    }

    /// The settings of the open vault; changing them needs the password.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::BadArgument`], storage errors.
    pub fn change_settings(
        &self,
        typed: &Secret,
        auto_lock_minutes: Option<u16>,
        lock_on_hide: Option<bool>,
    ) -> Call<'_, P, Settings> {
        Call::new(self, || {
            let wait = self.begin(Records::Fresh)?.proof_of(typed);
            if auto_lock_minutes.is_some_and(|minutes| !(1..=MAX_IDLE_MINUTES).contains(&minutes)) {
                return Err(Error::BadArgument(Arg::AutoLockMinutes));
            }
            let wait = wait.change(Durability::Strict, move |_, _, session| {
                let mut settings = session.settings().clone();
                settings.auto_lock_minutes =
                    auto_lock_minutes.unwrap_or(settings.auto_lock_minutes);
                settings.lock_on_hide = lock_on_hide.unwrap_or(settings.lock_on_hide);
                let mut changes = Changes::default();
                changes.put(RecordKey::SETTINGS, settings.encode());
                Ok(changes)
            });
            Ok(wait.then(|vault, ready| {
                let settings = vault.settings_of(ready.ticket)?;
                let policy = Policy::new(settings.auto_lock_minutes, settings.lock_on_hide);
                vault.note(Action::SettingsChanged, Id::ONLY, 0);
                vault.handle(Input::Configured(policy));
                Ok(settings)
            }))
        })
    }

    /// The settings of the open vault.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`].
    pub fn settings(&self) -> Call<'_, P, Settings> {
        Call::new(self, || {
            Ok(self
                .begin(Records::Known)?
                .then(|vault, ready| vault.settings_of(ready.ticket)))
        })
    }

    fn settings_of(&self, ticket: Ticket) -> Result<Settings, Error> {
        self.with(ticket, |session| Ok(session.settings().clone()))
    }

    /// Deletes the vault for good, locked or not.
    ///
    /// # Errors
    /// Storage errors; the vault is then locked, and may still be there.
    pub fn destroy(&self) -> Call<'_, P, ()> {
        Call::new(self, || {
            self.lock(Reason::Requested);
            // Nothing is left to be written to what is deleted.
            drop(self.parting.take());
            Ok(self
                .begin_closed(Records::Known)
                .destroy()
                .then(|vault, _| {
                    vault.state.borrow_mut().stage = Stage::Empty;
                    vault.emit(&Event::Change);
                    Ok(())
                }))
        })
    }

    /// A key, decrypted for the moment it is needed, and its provider.
    fn key_of(&self, ticket: Ticket, id: Id) -> Result<(String, Secret), Error> {
        let provider = self.with(ticket, |session| Ok(session.usable(id)?.provider.clone()))?;
        Ok((provider, self.secret_of(ticket, id)?))
    }
}
