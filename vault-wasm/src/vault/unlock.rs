//! Opening a vault, and slowing down those who guess.

use super::{
    Stage, Ticket, Vault,
    session::{Changes, Session},
};
use crate::{
    error::Error,
    format::{
        audit::Action,
        header::Header,
        id::{Kind, RecordKey},
        keys::VaultKey,
        recovery::RecoveryCode,
        slot::{Kdf, Slot, Way, derive_kek},
    },
    lock::Input,
    platform::{Clock, Kdf as _, Platform, random_bytes},
    secret::Secret,
    store::{Durability, Store},
};

/// A way of opening the vault.
#[derive(Debug)]
pub enum Unlock {
    /// As typed.
    Password(Secret),
    /// As typed.
    RecoveryCode(Secret),
    /// The outcome of a WebAuthn assertion.
    Passkey {
        /// The credential that answered.
        credential_id: Vec<u8>,
        /// `prf.results.first`.
        prf: Secret,
    },
}

/// Delays attempts after wrong ones; in memory only, because whoever can reload the page can also
/// copy the database and guess elsewhere: the KDF is the real defence.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    failures: u32,
    next_at: u64,
}

impl Throttle {
    /// Attempts that are not delayed.
    const FREE: u32 = 3;
    const FIRST_MS: u64 = 1_000;
    const MAX_MS: u64 = 60_000;

    /// How long an attempt made now has to wait. Attempts made at once queue up behind each other.
    fn reserve(&mut self, now: u64) -> u64 {
        let delay = match self.failures.checked_sub(Self::FREE) {
            None => return 0,
            Some(doublings) => (Self::FIRST_MS << doublings.min(16)).min(Self::MAX_MS),
        };
        // A clock set backwards does not make anyone wait longer than the longest delay in a row.
        let start = self.next_at.clamp(now, now + Self::MAX_MS);
        self.next_at = start + delay;
        self.next_at - now
    }

    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }
}

/// The header among what was found.
///
/// # Errors
/// [`Error::Empty`] when there is nothing, [`Error::Corrupt`] when there is something else.
pub(super) fn find_header(found: &[(RecordKey, Vec<u8>)]) -> Result<Header, Error> {
    match found.iter().find(|(key, _)| *key == RecordKey::HEADER) {
        Some((_, bytes)) => Ok(Header::decode(bytes)?),
        None if found.is_empty() => Err(Error::Empty),
        None => Err(Error::Corrupt),
    }
}

/// The readable slots for one way of unlocking.
pub(super) fn read_slots(found: &[(RecordKey, Vec<u8>)], way: Way) -> Vec<Slot> {
    found
        .iter()
        .filter(|(key, _)| key.kind == Kind::Slot)
        .filter_map(|(key, bytes)| Slot::decode(key.id, bytes).ok())
        .filter(|slot| slot.info.way == way)
        .collect()
}

/// Why no slot could be read, when one could not.
fn unreadable_slot(found: &[(RecordKey, Vec<u8>)]) -> Option<Error> {
    found
        .iter()
        .filter(|(key, _)| key.kind == Kind::Slot)
        .find_map(|(key, bytes)| Slot::decode(key.id, bytes).err())
        .map(Error::from)
}

impl<P: Platform> Vault<P> {
    /// Opens the vault. Opening an open vault checks the secret and changes nothing.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::WrongPassword`] and its likes, [`Error::RelayChanged`],
    /// [`Error::KdfRefused`], [`Error::Corrupt`], [`Error::FutureVersion`], storage errors, and
    /// [`Error::Locked`] when a lock came meanwhile: it wins.
    pub async fn unlock(&self, way: &Unlock) -> Result<(), Error> {
        // A vault past its deadline is not open, though nobody has looked since.
        self.handle(Input::Woken);
        let epoch = self.epoch.get();
        let found = self.platform.store().read_all().await?;
        let header = find_header(&found)?;
        // Another tab may have created it since this one looked.
        if matches!(self.state.borrow().stage, Stage::Empty) {
            self.state.borrow_mut().stage = Stage::Locked;
        }
        if header.relay != self.config.relay.base() {
            return Err(Error::RelayChanged);
        }
        let failures = self.state.borrow().throttle.failures;
        let (slot, vault_key) = self.open_slot(&header, &found, way).await?;
        if self.epoch.get() != epoch {
            return Err(Error::Locked);
        }
        let keys = vault_key.derive(header.vault)?;
        let session = Session::load(header, keys, found)?;
        if !matches!(self.state.borrow().stage, Stage::Unlocked(_)) {
            self.install(epoch, session)?;
            self.note(
                Action::Unlocked,
                slot.info.id,
                u16::try_from(failures).unwrap_or(u16::MAX),
            );
            self.tell_expiring();
        }
        if let (Unlock::Password(typed), Kdf::Pbkdf2Sha256 { iterations }) = (way, slot.info.kdf)
            && iterations < self.platform.kdf().target_iterations()
        {
            // An old parameter is no reason to refuse; trying again at the next unlock is enough.
            drop(self.rewrap(typed, &slot, &vault_key).await);
        }
        Ok(())
    }

    /// Checks a password against its slot, whether the vault is open or not.
    pub(super) async fn prove(
        &self,
        header: &Header,
        found: &[(RecordKey, Vec<u8>)],
        typed: &Secret,
    ) -> Result<VaultKey, Error> {
        // Copied because a way of unlocking owns its secret; wiped with it.
        let way = Unlock::Password(Secret::copy_of(typed.expose()));
        Ok(self.open_slot(header, found, &way).await?.1)
    }

    /// The same for the open vault.
    pub(super) async fn prove_open(
        &self,
        ticket: Ticket,
        typed: &Secret,
    ) -> Result<VaultKey, Error> {
        let found = self.with(ticket, Session::raw_records)?;
        let header = self.with(ticket, |session| Ok(session.header().clone()))?;
        let vault_key = self.prove(&header, &found, typed).await?;
        self.with(ticket, |_| Ok(()))?;
        Ok(vault_key)
    }

    /// Replaces a password slot of old parameters by one of today's, for the same vault key.
    async fn rewrap(&self, typed: &Secret, old: &Slot, vault_key: &VaultKey) -> Result<(), Error> {
        let ticket = self.enter()?;
        let password = self.normalize(typed)?;
        let new = self.new_password_slot(&password).await?;
        let nonce = random_bytes(self.platform.random())?;
        self.commit(ticket, Durability::Strict, &|session| {
            let mut changes = Changes::default();
            // Another tab may have been faster.
            if session.record(old.info.key()).is_some() {
                let header = session.header();
                let revision = session.next_revision();
                let bytes = new.seal(vault_key, &nonce, header.vault, &header.relay, revision)?;
                changes
                    .put_sealed(new.info.key(), bytes)
                    .delete(old.info.key());
            }
            Ok(changes)
        })
        .await
    }

    /// Finds the slot for a way of unlocking and opens it, after the delay that is due.
    async fn open_slot(
        &self,
        header: &Header,
        found: &[(RecordKey, Vec<u8>)],
        way: &Unlock,
    ) -> Result<(Slot, VaultKey), Error> {
        let wanted = match way {
            Unlock::Password(_) => Way::Password,
            Unlock::RecoveryCode(_) => Way::Recovery,
            Unlock::Passkey { .. } => Way::Passkey,
        };
        let mut slots = read_slots(found, wanted).into_iter();
        let slot = match way {
            Unlock::Passkey { credential_id, .. } => {
                slots.find(|slot| slot.info.credential_id == *credential_id)
            }
            _ => slots.next(),
        };
        let Some(slot) = slot else {
            let missing = if wanted == Way::Passkey {
                Error::WrongPasskey
            } else {
                Error::Corrupt
            };
            return Err(unreadable_slot(found).unwrap_or(missing));
        };
        // A mistyped code is found out by its checksum: it is no guess.
        let code = match way {
            Unlock::RecoveryCode(typed) => Some(RecoveryCode::parse(typed.expose())?),
            _ => None,
        };
        let delay = {
            let now = self.now();
            self.state.borrow_mut().throttle.reserve(now)
        };
        if delay > 0 {
            self.platform.clock().sleep(delay).await;
        }
        // Key derivation reads the secrets.
        let kek = match (way, &code) {
            (Unlock::Password(typed), _) => {
                let password = self.normalize(typed)?;
                self.password_kek(&slot.info, &password).await?
            }
            (Unlock::Passkey { prf, .. }, _) => {
                derive_kek(Way::Passkey, prf.expose(), &slot.info.salt)?
            }
            (Unlock::RecoveryCode(_), Some(code)) => {
                derive_kek(Way::Recovery, code.expose(), &slot.info.salt)?
            }
            (Unlock::RecoveryCode(_), None) => return Err(Error::BadRecoveryCode),
        };
        let opened = slot.open(&kek, header.vault, &header.relay);
        let mut state = self.state.borrow_mut();
        match opened {
            Ok(vault_key) => {
                state.throttle.succeeded();
                Ok((slot, vault_key))
            }
            Err(_) => {
                state.throttle.failed();
                Err(wrong(way))
            }
        }
    }
}

fn wrong(way: &Unlock) -> Error {
    match way {
        Unlock::Password(_) => Error::WrongPassword,
        Unlock::RecoveryCode(_) => Error::WrongRecoveryCode,
        Unlock::Passkey { .. } => Error::WrongPasskey,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_minute_and_queue() {
        let mut throttle = Throttle::default();
        let now = 1_000_000_000;
        for _ in 0..Throttle::FREE {
            assert_eq!(throttle.reserve(now), 0);
            throttle.failed();
        }
        assert_eq!(throttle.reserve(now), 1_000);
        assert_eq!(
            throttle.reserve(now),
            2_000,
            "two at once wait one after the other"
        );
        throttle.failed();
        let later = now + 1_000_000;
        assert_eq!(throttle.reserve(later), 2_000);
        for _ in 0..40 {
            throttle.failed();
        }
        assert_eq!(throttle.reserve(later + 1_000_000), 60_000);
        throttle.succeeded();
        assert_eq!(throttle.reserve(later), 0);
    }
}
