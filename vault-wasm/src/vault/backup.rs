//! Export and import.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::{
    Call, Vault,
    call::{Ready, Records},
    change::Changes,
    seal_all::Contents,
    session::Session,
    unlock::{find_header, read_slots},
};
use crate::{
    error::Error,
    format::{
        audit::Action,
        backup,
        header::Header,
        id::{Id, Kind, RecordKey},
        key_record::KeyRecord,
        keys::VaultKey,
        slot::Way,
    },
    platform::Platform,
    secret::Secret,
    store::Durability,
};

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Keys that came.
    pub added: usize,
    /// Keys that were there already.
    pub known: usize,
}

/// What the failure to open a backup is called.
pub(super) fn bad_backup(error: Error) -> Error {
    match error {
        Error::FutureVersion | Error::WrongPassword | Error::KdfRefused => error,
        _ => Error::BadBackup,
    }
}

impl<P: Platform> Vault<P> {
    /// All keys and what is known about them, in a file with a password of its own. Whoever chooses
    /// that one can read the keys, so the vault's is asked for as when a key is revealed.
    ///
    /// # Errors
    /// [`Error::WeakPassword`], [`Error::WrongPassword`], [`Error::Locked`]. Damaged keys are left
    /// out.
    pub fn export(&self, file_password: &Secret, typed: &Secret) -> Call<'_, P, Vec<u8>> {
        Call::new(self, || {
            let wait = self.begin(Records::Fresh)?.proof_of(typed);
            let wait = wait.slot_for(self.new_password(file_password)?);
            let written = Rc::new(RefCell::new(Vec::new()));
            let file = Rc::clone(&written);
            let wait = wait.change(Durability::Relaxed, move |vault, ready, session| {
                *written.borrow_mut() = vault.backup_of(session, ready)?;
                let mut settings = session.settings().clone();
                settings.exported_at = Some(vault.now());
                let mut changes = Changes::default();
                changes.put(RecordKey::SETTINGS, settings.encode());
                Ok(changes)
            });
            Ok(wait.then(move |vault, _| {
                vault.note(Action::Exported, Id::ONLY, 0);
                Ok(file.take())
            }))
        })
    }

    /// The file, under a vault key of its own.
    fn backup_of(&self, session: &Session, ready: &Ready<P>) -> Result<Vec<u8>, Error> {
        let random = self.platform.random();
        let vault_key = VaultKey::generate(random)?;
        let header = Header {
            vault: Id::generate(random)?,
            relay: backup::NO_RELAY.into(),
        };
        let mut contents = Contents::new();
        for record in session.key_records() {
            let metadata = RecordKey::new(Kind::Metadata, record.id);
            let secret = RecordKey::new(Kind::Secret, record.id);
            if let (Ok(record), Ok(key)) = (session.open_text(metadata), session.open_text(secret))
            {
                contents.push((metadata, record));
                contents.push((secret, key));
            }
        }
        let records = self.seal_all(&header, &vault_key, ready.slot.as_slice(), &contents, 1)?;
        Ok(backup::encode(&records)?)
    }

    /// Takes over the keys of a file that are not here yet, known by their fingerprint.
    ///
    /// # Errors
    /// [`Error::BadBackup`], [`Error::FutureVersion`], [`Error::WrongPassword`], storage errors.
    /// Nothing has changed then.
    pub fn import(&self, file: &[u8], typed: &Secret) -> Call<'_, P, Imported> {
        Call::new(self, || {
            self.enter()?;
            let records = backup::decode(file).map_err(|error| bad_backup(error.into()))?;
            let header = find_header(&records).map_err(bad_backup)?;
            if header.relay != backup::NO_RELAY || read_slots(&records, Way::Password).len() != 1 {
                return Err(Error::BadBackup);
            }
            let counted = Rc::new(Cell::new(Imported::default()));
            let count = Rc::clone(&counted);
            let wait = self.begin(Records::Given(records))?.proof_of(typed);
            let wait = wait.change(Durability::Strict, move |vault, ready, session| {
                let (imported, changes) = vault.merge(&opened(ready)?, session)?;
                counted.set(imported);
                Ok(changes)
            });
            Ok(wait.then(move |vault, _| {
                let count = count.get();
                let added = u16::try_from(count.added).unwrap_or(u16::MAX);
                vault.note(Action::Imported, Id::ONLY, added);
                Ok(count)
            }))
        })
    }

    /// What is to be added to `session` so that it has the keys of `file`.
    fn merge(&self, file: &Session, session: &Session) -> Result<(Imported, Changes), Error> {
        let mut changes = Changes::default();
        let mut taken: Vec<KeyRecord> = Vec::new();
        let mut known = 0;
        for record in file.key_records() {
            let key = file.open_secret(record.id).map_err(|_| Error::BadBackup)?;
            let mut record = record.clone();
            // The fingerprint is taken of the key itself.
            record.fingerprint = session.keys().fingerprint(key.expose())?;
            if session.knows_key(&record.fingerprint, &taken) {
                known += 1;
                continue;
            }
            // A name may be taken here by another key.
            record.name = session.free_name(&record.provider, &record.name, &taken);
            if session.key_record(record.id).is_some() {
                record.id = Id::generate(self.platform.random())?;
            }
            changes.put_key(&record, Some(&key))?;
            taken.push(record);
        }
        let added = taken.len();
        Ok((Imported { added, known }, changes))
    }
}

/// A backup whose slot has opened. It is taken whole or not at all.
fn opened<P: Platform>(ready: &Ready<P>) -> Result<Session, Error> {
    let header = ready.header()?.clone();
    let keys = ready.vault_key()?.derive(header.vault)?;
    let session = Session::load(header, keys, ready.found.clone()).map_err(bad_backup)?;
    if session.damage().is_empty() {
        Ok(session)
    } else {
        Err(Error::BadBackup)
    }
}
