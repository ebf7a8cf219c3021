//! Changing the vault key: a new one is made, everything is encrypted anew under it and replaced in
//! one transaction. An old copy of the database and an old password never open what comes after.

use super::{
    Call, Created, Ticket, Vault,
    call::{Ready, Records, Replacement},
    damage::{Damage, DamageKind},
    kek::NewSlot,
    seal_all::Contents,
    session::{Session, find_manifest},
    unlock::{Unlock, read_slots},
};
use crate::{
    error::Error,
    fetch::Relay,
    format::{
        audit::Action,
        header::Header,
        id::{Id, Kind, RecordKey},
        keys::VaultKey,
        recovery::RecoveryCode,
        settings::Settings,
        slot::{SlotInfo, Way},
    },
    lock::Reason,
    platform::{Event, Platform},
    secret::Secret,
};

/// A passkey that was just used, so that it can be enrolled again.
#[derive(Debug)]
pub struct PasskeyProof {
    /// The credential that answered.
    pub credential_id: Vec<u8>,
    /// `prf.results.first` for the salt of its slot.
    pub prf: Secret,
}

impl PasskeyProof {
    /// A copy, for an operation that outlives the call; wiped with it.
    fn copied(&self) -> Self {
        Self {
            credential_id: self.credential_id.clone(),
            prf: Secret::copy_of(self.prf.expose()),
        }
    }
}

/// Why the vault key changes.
#[derive(Clone, Copy)]
enum Change {
    Password,
    Recovery,
    RemovePasskey(Id),
}

impl Change {
    /// As it stands in the audit log.
    fn noted(self) -> (Action, Id) {
        match self {
            Self::Password => (Action::PasswordChanged, Id::ONLY),
            Self::Recovery => (Action::RecoveryRenewed, Id::ONLY),
            Self::RemovePasskey(id) => (Action::PasskeyRemoved, id),
        }
    }
}

/// The slots of the new vault key, but for the password's.
struct NewSlots {
    recovery: NewSlot,
    /// Passkeys that were just used.
    kept: Vec<PasskeyProof>,
    /// A passkey that is not enrolled again, though it was used.
    removed: Option<Id>,
}

impl<P: Platform> Vault<P> {
    /// Changes the password. Passkeys that are not among `kept` are gone; the recovery code is new.
    ///
    /// `old` is the password, or the recovery code of whoever has forgotten it.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::WrongRecoveryCode`] when `old` is a recovery code, but not
    /// this vault's, [`Error::WeakPassword`], [`Error::WrongPasskey`], [`Error::Corrupt`] when a key
    /// is damaged (the snapshot then says which; remove it first), storage errors.
    pub fn change_password(
        &self,
        old: &Secret,
        next: &Secret,
        kept: &[PasskeyProof],
    ) -> Call<'_, P, Created> {
        self.rekey(old, Some(next), Change::Password, kept)
    }

    /// Makes a new recovery code; the old one is void.
    ///
    /// # Errors
    /// As [`Vault::change_password`], but for recovery codes: the password is asked for.
    pub fn renew_recovery(&self, password: &Secret, kept: &[PasskeyProof]) -> Call<'_, P, Created> {
        self.rekey(password, None, Change::Recovery, kept)
    }

    /// Removes a passkey so that it opens nothing that comes after.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as [`Vault::change_password`].
    pub fn remove_passkey(
        &self,
        id: Id,
        password: &Secret,
        kept: &[PasskeyProof],
    ) -> Call<'_, P, Created> {
        self.rekey(password, None, Change::RemovePasskey(id), kept)
    }

    fn rekey(
        &self,
        typed: &Secret,
        next: Option<&Secret>,
        change: Change,
        kept: &[PasskeyProof],
    ) -> Call<'_, P, Created> {
        Call::new(self, || {
            let wait = self.begin(Records::Fresh)?;
            // Without a new password the one that is proven is kept, so it must be the password.
            let (wait, password) = match next {
                Some(next) => (
                    wait.proof(Unlock::password_or_code(typed)),
                    self.new_password(next)?,
                ),
                None => (wait.proof_of(typed), self.normalize(typed)?),
            };
            let removed = match change {
                Change::RemovePasskey(id) => Some(id),
                _ => None,
            };
            let (slots, code) = self.new_slots(kept, removed)?;
            let wait = wait
                .slot_for(password)
                .replace(move |vault, ready| vault.renewed(ready, slots, None));
            Ok(wait.then(move |vault, ready| {
                let session = ready.session.take().ok_or(Error::StorageFailed)?;
                vault.put_in_place(ready.ticket, session)?;
                let (action, id) = change.noted();
                vault.note(action, id, 0);
                Ok(Created {
                    recovery_code: code.to_text(),
                })
            }))
        })
    }

    /// Binds the vault to another relay: its origin is part of every slot, so all of them are made
    /// anew. Works on a locked vault, because a vault bound elsewhere cannot be unlocked here.
    ///
    /// When `relay` is not the one this vault was opened with, it is locked afterwards.
    ///
    /// # Errors
    /// As [`Vault::change_password`].
    pub fn rebind(
        &self,
        relay: &Relay,
        typed: &Secret,
        kept: &[PasskeyProof],
    ) -> Call<'_, P, Created> {
        let relay = relay.base();
        Call::new(self, || {
            let wait = self.begin_closed(Records::Stored).proof_of(typed);
            let (slots, code) = self.new_slots(kept, None)?;
            let bound_elsewhere = relay != self.config.relay.base();
            let wait = wait
                .slot_for(self.normalize(typed)?)
                .replace(move |vault, ready| vault.renewed(ready, slots, Some(relay)));
            Ok(wait.then(move |vault, ready| {
                vault.state.borrow_mut().blocking.clear();
                if bound_elsewhere {
                    vault.lock(Reason::Requested);
                } else {
                    let session = ready.session.take().ok_or(Error::StorageFailed)?;
                    vault.put_in_place(ready.ticket, session)?;
                    vault.note(Action::Rebound, Id::ONLY, 0);
                }
                Ok(Created {
                    recovery_code: code.to_text(),
                })
            }))
        })
    }

    /// Slots for a new vault key, and the recovery code that opens one of them.
    fn new_slots(
        &self,
        kept: &[PasskeyProof],
        removed: Option<Id>,
    ) -> Result<(NewSlots, RecoveryCode), Error> {
        let (recovery, code) = self.new_recovery_slot()?;
        let slots = NewSlots {
            recovery,
            kept: kept.iter().map(PasskeyProof::copied).collect(),
            removed,
        };
        Ok((slots, code))
    }

    /// Everything that was found, encrypted anew under another vault key, to replace what is stored
    /// if that is still what was found.
    fn renewed(
        &self,
        ready: &mut Ready<P>,
        new: NewSlots,
        relay: Option<String>,
    ) -> Result<Replacement, Error> {
        let old = ready.header()?.clone();
        let old_passkeys = read_slots(&ready.found, Way::Passkey);
        let find = |wanted: &dyn Fn(&SlotInfo) -> bool| {
            let mut infos = old_passkeys.iter().map(|slot| &slot.info);
            infos.find(|info| wanted(info))
        };
        if let Some(id) = new.removed {
            find(&|info| info.id == id).ok_or(Error::NotFound)?;
        }
        let mut slots = vec![new.recovery];
        slots.extend(ready.slot.take());
        for proof in &new.kept {
            let old = find(&|info| info.credential_id == proof.credential_id)
                .ok_or(Error::WrongPasskey)?;
            if Some(old.id) != new.removed {
                slots.push(self.renewed_passkey_slot(old, &proof.prf)?);
            }
        }
        let guard = find_manifest(&ready.found).ok_or(Error::Corrupt)?;
        let keys = ready.vault_key()?.derive(old.vault)?;
        let header = Header {
            vault: old.vault,
            relay: relay.unwrap_or_else(|| old.relay.clone()),
        };
        let moved = header.relay != old.relay;
        let session = Session::load(old, keys, std::mem::take(&mut ready.found))?;
        // The identity remembered is the old relay's: the new one could never have it.
        let here = header.relay == self.config.relay.base();
        let settings = moved.then(|| Settings {
            relay_key: self.config.relay_key.filter(|_| here),
            ..session.settings().clone()
        });
        let contents = |key: &VaultKey| {
            let contents = session.contents(key, settings.as_ref());
            contents.inspect_err(|_| self.tell_unreadable(ready.ticket, &session))
        };
        let revision = session.next_revision();
        self.replacement(header, slots, &contents, Some(guard), revision)
    }

    /// Tells which keys stand in the way: the person has to remove them.
    fn tell_unreadable(&self, ticket: Ticket, read: &Session) {
        let noted = self.with_mut(ticket, |current| {
            for damage in read.unreadable() {
                current.note_damage(damage.record, damage.kind);
            }
            Ok(())
        });
        if noted.is_err() {
            self.state.borrow_mut().blocking = read.unreadable().collect();
        }
        self.emit(&Event::Change);
    }
}

/// Whether losing this record would lose a key.
pub(super) fn is_precious(key: RecordKey) -> bool {
    matches!(key.kind, Kind::Metadata | Kind::Secret)
}

impl Session {
    /// Records of keys that do not open.
    fn unreadable(&self) -> impl Iterator<Item = Damage> {
        let keys = self.manifest().entries().iter().map(|(key, _)| *key);
        keys.filter(|key| is_precious(*key)).filter_map(|record| {
            let kind = DamageKind::from(self.open_text(record).err()?);
            Some(Damage { record, kind })
        })
    }

    /// Everything in the clear, to be encrypted anew, with these settings if there are any.
    ///
    /// # Errors
    /// When a key cannot be read: it would be lost. What else cannot be read is left out.
    fn contents(&self, new: &VaultKey, settings: Option<&Settings>) -> Result<Contents, Error> {
        let new = new.derive(self.header().vault)?;
        let mut contents = Contents::new();
        for (key, _) in self.manifest().entries() {
            if key.kind == Kind::Slot {
                continue;
            }
            match self.open_text(*key) {
                Ok(text) => contents.push((*key, text)),
                Err(error) if is_precious(*key) => return Err(error.into()),
                Err(_) => {}
            }
        }
        let mut renewed = Contents::new();
        if let Some(settings) = settings {
            renewed.push((RecordKey::SETTINGS, settings.encode()));
        }
        // Fingerprints are made with a key of the vault key: they change with it.
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
