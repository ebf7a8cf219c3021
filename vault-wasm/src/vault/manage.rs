//! What a person does with stored keys besides adding and removing: change, test, rotate, reveal;
//! the vault's settings; its end.

use keyferry_protocol::{Verdict, json};

use super::{
    KeyInfo, Stage, Ticket, Vault,
    keys::{clean_key, clean_name, new_record},
    session::{Changes, Session},
};
use crate::{
    error::Error,
    fetch::Transport,
    format::{
        audit::Action,
        id::{Id, Kind, RecordKey},
        key_record::{KeyRecord, Status},
        settings::Settings,
    },
    lock::{Input, MAX_IDLE_MINUTES, Policy, Reason},
    platform::{Event, Platform},
    secret::Secret,
    store::{Durability, Store},
};

type ContextOf<P> = <<P as Platform>::Transport as Transport>::Context;

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

impl<P: Platform> Vault<P> {
    /// Changes what is known about a key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::DuplicateName`], [`Error::BadArgument`], storage errors.
    pub async fn update_key(&self, id: Id, wanted: &KeyChanges) -> Result<KeyInfo, Error> {
        let ticket = self.enter()?;
        let name = match &wanted.name {
            Some(name) => Some(clean_name(name)?.ok_or(Error::BadArgument("name"))?),
            None => None,
        };
        self.edit(ticket, id, &|session, record| {
            if let Some(name) = &name {
                if session.name_taken(&record.provider, name, Some(id)) {
                    return Err(Error::DuplicateName);
                }
                record.name.clone_from(name);
            }
            record.active = wanted.active.unwrap_or(record.active);
            record.expires_at = wanted.expires_at.unwrap_or(record.expires_at);
            record.daily_cap_micros = wanted.daily_cap_micros.unwrap_or(record.daily_cap_micros);
            Ok(())
        })
        .await?;
        self.note(Action::KeyUpdated, id, 0);
        self.tell_expiring();
        self.key_info_of(ticket, id)
    }

    /// Asks the provider, through the relay, whether a key works.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Network`], [`Error::RelayRefused`].
    pub async fn test_key(
        &self,
        id: Id,
        deep: bool,
        context: Option<&ContextOf<P>>,
    ) -> Result<TestReport, Error> {
        let ticket = self.enter()?;
        self.refresh(ticket).await?;
        let provider = self.provider_of_key(ticket, id)?;
        let key = self.secret_of(ticket, id)?;
        let report = self
            .ask_verdict(ticket, &provider, &key, deep, context)
            .await?;
        drop(key);
        let now = self.now();
        self.edit(ticket, id, &|_, record| {
            record.tested_at = Some(now);
            record.status = report.status;
            Ok(())
        })
        .await?;
        self.note(Action::KeyTested, id, report.status as u16);
        Ok(report)
    }

    /// Replaces a key by a new one, if the provider accepts that; otherwise the old one stays.
    ///
    /// # Errors
    /// [`Error::KeyRejected`], [`Error::Network`] when it cannot be tested, [`Error::BadKeyFormat`],
    /// [`Error::DuplicateKey`], [`Error::NotFound`], storage errors.
    pub async fn rotate_key(
        &self,
        id: Id,
        pasted: &Secret,
        context: Option<&ContextOf<P>>,
    ) -> Result<KeyInfo, Error> {
        let ticket = self.enter()?;
        self.refresh(ticket).await?;
        let provider_id = self.provider_of_key(ticket, id)?;
        let provider = self
            .catalogue
            .get(&provider_id)
            .ok_or(Error::UnknownProvider)?;
        let key = clean_key(pasted)?;
        self.with(ticket, |session| {
            // The fingerprint is taken of the key itself.
            let fingerprint = session.keys().fingerprint(key.expose())?;
            match session.by_fingerprint(&fingerprint) {
                Some(_) => Err(Error::DuplicateKey),
                None => Ok(()),
            }
        })?;
        let report = self
            .ask_verdict(ticket, &provider_id, &key, false, context)
            .await?;
        match report.status {
            Status::Invalid | Status::DeprecatedFormat => return Err(Error::KeyRejected),
            Status::Unreachable | Status::Unknown => return Err(Error::Network),
            _ => {}
        }
        let now = self.now();
        let shown = new_record(provider, &key, id, now)?;
        self.commit(ticket, Durability::Strict, &|session| {
            let mut record = session.key_record(id).cloned().ok_or(Error::NotFound)?;
            // The fingerprint is taken of the key itself.
            record.fingerprint = session.keys().fingerprint(key.expose())?;
            if session
                .by_fingerprint(&record.fingerprint)
                .is_some_and(|other| other.id != id)
            {
                return Err(Error::DuplicateKey);
            }
            record.preview.clone_from(&shown.preview);
            record.known_shape = shown.known_shape;
            record.updated_at = now;
            record.tested_at = Some(now);
            record.status = report.status;
            let mut changes = Changes::default();
            changes
                .put(RecordKey::new(Kind::Metadata, id), record.encode()?)
                // Encrypted while the change is staged, in this same call.
                .put(
                    RecordKey::new(Kind::Secret, id),
                    key.expose().to_vec().into(),
                );
            Ok(changes)
        })
        .await?;
        self.note(Action::KeyRotated, id, 0);
        self.key_info_of(ticket, id)
    }

    /// The key itself, for the person who knows the password.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::NotFound`], [`Error::Corrupt`].
    pub async fn reveal_key(&self, id: Id, typed: &Secret) -> Result<Secret, Error> {
        let ticket = self.enter()?;
        self.refresh(ticket).await?;
        self.prove_open(ticket, typed).await?;
        self.provider_of_key(ticket, id)?;
        let key = self.secret_of(ticket, id)?;
        self.note(Action::KeyRevealed, id, 0);
        Ok(key)
    }

    /// The settings of the open vault; changing them needs the password.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::BadArgument`], storage errors.
    pub async fn change_settings(
        &self,
        typed: &Secret,
        auto_lock_minutes: Option<u16>,
        lock_on_hide: Option<bool>,
    ) -> Result<Settings, Error> {
        let ticket = self.enter()?;
        if auto_lock_minutes.is_some_and(|minutes| !(1..=MAX_IDLE_MINUTES).contains(&minutes)) {
            return Err(Error::BadArgument("autoLockMinutes"));
        }
        self.refresh(ticket).await?;
        self.prove_open(ticket, typed).await?;
        self.commit(ticket, Durability::Strict, &|session| {
            let mut settings = session.settings().clone();
            settings.auto_lock_minutes = auto_lock_minutes.unwrap_or(settings.auto_lock_minutes);
            settings.lock_on_hide = lock_on_hide.unwrap_or(settings.lock_on_hide);
            let mut changes = Changes::default();
            changes.put(RecordKey::SETTINGS, settings.encode());
            Ok(changes)
        })
        .await?;
        let settings = self.settings()?;
        let policy = Policy::new(settings.auto_lock_minutes, settings.lock_on_hide);
        self.note(Action::SettingsChanged, Id::ONLY, 0);
        self.handle(Input::Configured(policy));
        Ok(settings)
    }

    /// The settings of the open vault.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`].
    pub fn settings(&self) -> Result<Settings, Error> {
        let ticket = self.enter()?;
        self.with(ticket, |session| Ok(session.settings().clone()))
    }

    /// Deletes the vault for good, locked or not.
    ///
    /// # Errors
    /// Storage errors; the vault is then locked, and may still be there.
    pub async fn destroy(&self) -> Result<(), Error> {
        self.lock(Reason::Requested);
        self.platform.store().destroy().await?;
        self.state.borrow_mut().stage = Stage::Empty;
        self.emit(&Event::Change);
        Ok(())
    }

    async fn ask_verdict(
        &self,
        ticket: Ticket,
        provider: &str,
        key: &Secret,
        deep: bool,
        context: Option<&ContextOf<P>>,
    ) -> Result<TestReport, Error> {
        let deep = if deep { ",\"deep\":true}" } else { "}" };
        let body = ["{\"provider\":", &json::quote(provider), deep].concat();
        let answer = self
            .post(ticket, "/v1/keys/test", provider, key, body, context)
            .await?;
        let [verdict] = json::top_level(&answer, ["verdict"]).map_err(|_| Error::RelayRefused)?;
        let verdict = verdict
            .and_then(|value| value.as_str())
            .and_then(|text| Verdict::parse(&text))
            .ok_or(Error::RelayRefused)?;
        Ok(TestReport {
            status: status_of(verdict),
            answer,
        })
    }

    fn provider_of_key(&self, ticket: Ticket, id: Id) -> Result<String, Error> {
        self.with(ticket, |session| {
            session.check_usable(id)?;
            session
                .key_record(id)
                .map(|record| record.provider.clone())
                .ok_or(Error::NotFound)
        })
    }

    pub(super) fn key_info_of(&self, ticket: Ticket, id: Id) -> Result<KeyInfo, Error> {
        let now = self.now();
        self.with(ticket, |session| {
            let record = session.key_record(id).ok_or(Error::NotFound)?;
            Ok(session.key_info(record, now))
        })
    }

    /// Changes one metadata record.
    async fn edit(
        &self,
        ticket: Ticket,
        id: Id,
        change: &dyn Fn(&Session, &mut KeyRecord) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let now = self.now();
        self.commit(ticket, Durability::Relaxed, &|session| {
            session.check_usable(id)?;
            let mut record = session.key_record(id).cloned().ok_or(Error::NotFound)?;
            change(session, &mut record)?;
            record.updated_at = now;
            let mut changes = Changes::default();
            changes.put(RecordKey::new(Kind::Metadata, id), record.encode()?);
            Ok(changes)
        })
        .await
    }
}
