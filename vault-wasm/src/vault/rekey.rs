//! Changing the vault key: a new one is made, everything is encrypted anew under it and replaced in
//! one transaction. An old copy of the database and an old password never open what comes after.

use super::{
    Created, Ticket, Vault,
    kek::NewSlot,
    seal_all::Contents,
    session::Session,
    unlock::{find_header, read_slots},
};
use crate::{
    error::Error,
    fetch::Relay,
    format::{
        audit::Action,
        header::Header,
        id::{Id, Kind, RecordKey},
        keys::VaultKey,
        slot::{Slot, SlotInfo, Way},
    },
    lock::Reason,
    platform::{Event, Platform},
    secret::Secret,
    store::{Batch, Durability, Store, StoreError},
};

/// A passkey that was just used, so that it can be enrolled again.
#[derive(Debug)]
pub struct PasskeyProof {
    /// The credential that answered.
    pub credential_id: Vec<u8>,
    /// `prf.results.first` for the salt of its slot.
    pub prf: Secret,
}

/// Why the vault key changes.
enum Change<'a> {
    Password(&'a Secret),
    Recovery,
    RemovePasskey(Id),
}

impl<P: Platform> Vault<P> {
    /// Changes the password. Passkeys that are not among `kept` are gone; the recovery code is new.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::WeakPassword`], [`Error::WrongPasskey`],
    /// [`Error::Corrupt`] when a key is damaged (remove it first), storage errors.
    pub async fn change_password(
        &self,
        old: &Secret,
        next: &Secret,
        kept: &[PasskeyProof],
    ) -> Result<Created, Error> {
        self.rekey(old, &Change::Password(next), kept).await
    }

    /// Makes a new recovery code; the old one is void.
    ///
    /// # Errors
    /// As [`Vault::change_password`].
    pub async fn renew_recovery(
        &self,
        password: &Secret,
        kept: &[PasskeyProof],
    ) -> Result<Created, Error> {
        self.rekey(password, &Change::Recovery, kept).await
    }

    /// Removes a passkey so that it opens nothing that comes after.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as [`Vault::change_password`].
    pub async fn remove_passkey(
        &self,
        id: Id,
        password: &Secret,
        kept: &[PasskeyProof],
    ) -> Result<Created, Error> {
        self.rekey(password, &Change::RemovePasskey(id), kept).await
    }

    async fn rekey(
        &self,
        typed: &Secret,
        change: &Change<'_>,
        kept: &[PasskeyProof],
    ) -> Result<Created, Error> {
        let ticket = self.enter()?;
        self.refresh(ticket).await?;
        let next = match change {
            Change::Password(next) => Some(self.new_password(next)?),
            _ => None,
        };
        let found = self.with(ticket, Session::raw_records)?;
        let header = self.with(ticket, |session| Ok(session.header().clone()))?;
        let proven = self.prove(&header, &found, typed).await?;

        let old_slots = read_slots(&found, Way::Passkey);
        let mut removed = None;
        if let Change::RemovePasskey(id) = change {
            let slot = old_slots
                .iter()
                .find(|slot| slot.info.id == *id)
                .ok_or(Error::NotFound)?;
            removed = Some(slot.info.id);
        }
        let password = match next {
            Some(next) => next,
            None => self.normalize(typed)?,
        };
        let (slots, code) = self.new_slots(&password, &old_slots, kept, removed).await?;
        self.replace_vault(
            Some(ticket),
            &header,
            &proven,
            header.relay.clone(),
            &slots,
            &found,
        )
        .await?;
        let (action, id) = match change {
            Change::Password(_) => (Action::PasswordChanged, Id::ONLY),
            Change::Recovery => (Action::RecoveryRenewed, Id::ONLY),
            Change::RemovePasskey(id) => (Action::PasskeyRemoved, *id),
        };
        self.note(action, id, 0);
        Ok(code)
    }

    /// Binds the vault to another relay: its origin is part of every slot, so all of them are made
    /// anew. Works on a locked vault, because a vault bound elsewhere cannot be unlocked here.
    ///
    /// When `relay` is not the one this vault was opened with, it is locked afterwards.
    ///
    /// # Errors
    /// As [`Vault::change_password`].
    pub async fn rebind(
        &self,
        relay: &Relay,
        typed: &Secret,
        kept: &[PasskeyProof],
    ) -> Result<Created, Error> {
        let found = self.platform.store().read_all().await?;
        let header = find_header(&found)?;
        let proven = self.prove(&header, &found, typed).await?;
        let password = self.normalize(typed)?;
        let old_slots = read_slots(&found, Way::Passkey);
        let (slots, code) = self.new_slots(&password, &old_slots, kept, None).await?;
        self.replace_vault(None, &header, &proven, relay.base(), &slots, &found)
            .await?;
        self.note(Action::Rebound, Id::ONLY, 0);
        Ok(code)
    }

    async fn new_slots(
        &self,
        password: &Secret,
        old_passkeys: &[Slot],
        kept: &[PasskeyProof],
        removed: Option<Id>,
    ) -> Result<(Vec<NewSlot>, Created), Error> {
        let (by_code, code) = self.new_recovery_slot()?;
        let mut slots = vec![self.new_password_slot(password).await?, by_code];
        for proof in kept {
            let old: &SlotInfo = old_passkeys
                .iter()
                .map(|slot| &slot.info)
                .find(|info| info.credential_id == proof.credential_id)
                .ok_or(Error::WrongPasskey)?;
            if Some(old.id) != removed {
                slots.push(self.renewed_passkey_slot(old, &proof.prf)?);
            }
        }
        Ok((
            slots,
            Created {
                recovery_code: code.to_text(),
            },
        ))
    }

    /// Encrypts everything anew and replaces what is stored, if that is still what was read.
    async fn replace_vault(
        &self,
        ticket: Option<Ticket>,
        old: &Header,
        proven: &VaultKey,
        relay: String,
        slots: &[NewSlot],
        found: &[(RecordKey, Vec<u8>)],
    ) -> Result<(), Error> {
        let epoch = ticket.map_or(self.epoch.get(), |ticket| ticket.0);
        let guard = found
            .iter()
            .find(|(key, _)| *key == RecordKey::MANIFEST)
            .map(|(_, bytes)| bytes.clone())
            .ok_or(Error::Corrupt)?;
        let session = Session::load(old.clone(), proven.derive(old.vault)?, found.to_vec())?;

        let vault_key = VaultKey::generate(self.platform.random())?;
        let header = Header {
            vault: old.vault,
            relay,
        };
        let slots: Vec<&NewSlot> = slots.iter().collect();
        let contents = session.contents(&vault_key)?;
        let revision = session.next_revision();
        let puts = self.seal_all(&header, &vault_key, &slots, &contents, revision)?;
        drop(contents);

        if self.epoch.get() != epoch {
            return Err(Error::Locked);
        }
        let batch = Batch {
            guard: Some(guard),
            clear: true,
            puts,
            deletes: Vec::new(),
            durability: Durability::Strict,
        };
        match self.platform.store().write(&batch).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Err(Error::Busy),
            Err(error) => return Err(error.into()),
        }
        let bound_elsewhere = header.relay != self.config.relay.base();
        let mut session = self.read_back(header, &vault_key, &slots).await?;
        if bound_elsewhere {
            self.lock(Reason::Requested);
            return Ok(());
        }
        match ticket {
            // Deadlines go on as they were: a change of password is no new unlock.
            Some(ticket) => self.with_mut(ticket, |current| {
                session.take_unsaved(current);
                *current = session;
                Ok(())
            })?,
            None => self.install(epoch, session)?,
        }
        self.emit(&Event::Change);
        Ok(())
    }
}

impl Session {
    /// Everything in the clear, to be encrypted anew.
    ///
    /// # Errors
    /// When a key cannot be read: it would be lost. What else cannot be read is left out.
    fn contents(&self, new: &VaultKey) -> Result<Contents, Error> {
        let new = new.derive(self.header().vault)?;
        let mut contents = Contents::new();
        for (key, _) in self.manifest().entries() {
            if key.kind == Kind::Slot {
                continue;
            }
            let precious = matches!(key.kind, Kind::Metadata | Kind::Secret);
            match self.open_text(*key) {
                Ok(text) => contents.push((*key, text)),
                Err(error) if precious => return Err(error.into()),
                Err(_) => {}
            }
        }
        // Fingerprints are made with a key of the vault key: they change with it.
        let mut renewed = Contents::new();
        for record in self.key_records() {
            let mut record = record.clone();
            // The fingerprint is taken of the key itself.
            record.fingerprint = new.fingerprint(self.open_secret(record.id)?.expose())?;
            renewed.push((RecordKey::new(Kind::Metadata, record.id), record.encode()?));
        }
        for (key, text) in renewed {
            if let Some(entry) = contents.iter_mut().find(|(known, _)| *known == key) {
                entry.1 = text;
            }
        }
        Ok(contents)
    }
}
