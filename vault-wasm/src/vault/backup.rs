//! Export and import.

use super::{
    Vault,
    kek::NewSlot,
    seal_all::Contents,
    session::{Changes, Session},
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Keys that came.
    pub added: usize,
    /// Keys that were there already.
    pub known: usize,
}

impl<P: Platform> Vault<P> {
    /// All keys and what is known about them, in a file with a password of its own.
    ///
    /// # Errors
    /// [`Error::WeakPassword`], [`Error::Locked`]. Damaged keys are left out.
    pub async fn export(&self, typed: &Secret) -> Result<Vec<u8>, Error> {
        let ticket = self.enter()?;
        self.refresh(ticket).await?;
        let password = self.new_password(typed)?;
        let slot: NewSlot = self.new_password_slot(&password).await?;
        let vault_key = VaultKey::generate(self.platform.random())?;
        let header = Header {
            vault: Id::generate(self.platform.random())?,
            relay: backup::NO_RELAY.into(),
        };
        let file = self.with(ticket, |session| {
            let mut contents = Contents::new();
            for record in session.key_records() {
                let metadata = RecordKey::new(Kind::Metadata, record.id);
                let secret = RecordKey::new(Kind::Secret, record.id);
                if let (Ok(record), Ok(key)) =
                    (session.open_text(metadata), session.open_text(secret))
                {
                    contents.push((metadata, record));
                    contents.push((secret, key));
                }
            }
            let records = self.seal_all(&header, &vault_key, &[&slot], &contents, 1)?;
            Ok(backup::encode(&records)?)
        })?;
        let now = self.now();
        self.commit(ticket, Durability::Relaxed, &|session| {
            let mut settings = session.settings().clone();
            settings.exported_at = Some(now);
            let mut changes = Changes::default();
            changes.put(RecordKey::SETTINGS, settings.encode());
            Ok(changes)
        })
        .await?;
        self.note(Action::Exported, Id::ONLY, 0);
        Ok(file)
    }

    /// Takes over the keys of a file that are not here yet, known by their fingerprint.
    ///
    /// # Errors
    /// [`Error::BadBackup`], [`Error::FutureVersion`], [`Error::WrongPassword`], storage errors.
    /// Nothing has changed then.
    pub async fn import(&self, file: &[u8], typed: &Secret) -> Result<Imported, Error> {
        let ticket = self.enter()?;
        let imported = self.open_backup(file, typed).await?;
        let count = std::cell::Cell::new(Imported { added: 0, known: 0 });
        self.commit(ticket, Durability::Strict, &|session| {
            let mut changes = Changes::default();
            let mut taken: Vec<KeyRecord> = Vec::new();
            let mut known = 0;
            for record in imported.key_records() {
                let key = imported
                    .open_secret(record.id)
                    .map_err(|_| Error::BadBackup)?;
                // The fingerprint is taken of the key itself.
                let fingerprint = session.keys().fingerprint(key.expose())?;
                let twice = taken.iter().any(|taken| taken.fingerprint == fingerprint);
                if twice || session.by_fingerprint(&fingerprint).is_some() {
                    known += 1;
                    continue;
                }
                let mut record = KeyRecord {
                    fingerprint,
                    ..record.clone()
                };
                // A name may be taken here by another key.
                let wanted = record.name.clone();
                let mut number = 1_u32;
                while session.name_taken(&record.provider, &record.name, None)
                    || taken
                        .iter()
                        .any(|other| other.provider == record.provider && other.name == record.name)
                {
                    number += 1;
                    record.name = [wanted.as_str(), " ", &number.to_string()].concat();
                }
                if session.key_record(record.id).is_some() {
                    record.id = Id::generate(self.platform.random())?;
                }
                changes.put(RecordKey::new(Kind::Metadata, record.id), record.encode()?);
                // Encrypted while the change is staged, in this same call.
                changes.put(
                    RecordKey::new(Kind::Secret, record.id),
                    key.expose().to_vec().into(),
                );
                taken.push(record);
            }
            count.set(Imported {
                added: taken.len(),
                known,
            });
            Ok(changes)
        })
        .await?;
        let count = count.get();
        self.note(
            Action::Imported,
            Id::ONLY,
            u16::try_from(count.added).unwrap_or(u16::MAX),
        );
        Ok(count)
    }

    async fn open_backup(&self, file: &[u8], typed: &Secret) -> Result<Session, Error> {
        let bad = |error: Error| match error {
            Error::FutureVersion | Error::WrongPassword | Error::KdfRefused => error,
            _ => Error::BadBackup,
        };
        let records = backup::decode(file).map_err(|error| bad(error.into()))?;
        let header = find_header(&records).map_err(bad)?;
        if header.relay != backup::NO_RELAY || read_slots(&records, Way::Password).len() != 1 {
            return Err(Error::BadBackup);
        }
        let vault_key = self.prove(&header, &records, typed).await.map_err(bad)?;
        let keys = vault_key.derive(header.vault)?;
        let session = Session::load(header, keys, records).map_err(bad)?;
        // A file is taken whole or not at all.
        if session.damage().is_empty() {
            Ok(session)
        } else {
            Err(Error::BadBackup)
        }
    }
}
