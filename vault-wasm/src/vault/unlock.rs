//! Opening a vault, and slowing down those who guess.

use super::{
    Call, Stage, Vault,
    call::{Found, Records, Wait},
    change::Changes,
    session::Session,
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
    platform::{Kdf as _, Platform},
    secret::{Key, Secret},
    store::Durability,
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

impl Unlock {
    /// What was typed where the password is asked for and the recovery code will do. Whether it is
    /// a code its checksum tells.
    pub(super) fn password_or_code(typed: &Secret) -> Self {
        let copy = Secret::copy_of(typed.expose());
        match RecoveryCode::parse(copy.expose()) {
            Ok(_) => Self::RecoveryCode(copy),
            Err(_) => Self::Password(copy),
        }
    }

    /// A copy, for an operation that outlives the call; wiped with it.
    pub(super) fn copied(&self) -> Self {
        let copy = |secret: &Secret| Secret::copy_of(secret.expose());
        match self {
            Self::Password(typed) => Self::Password(copy(typed)),
            Self::RecoveryCode(typed) => Self::RecoveryCode(copy(typed)),
            Self::Passkey { credential_id, prf } => Self::Passkey {
                credential_id: credential_id.clone(),
                prf: copy(prf),
            },
        }
    }
}

/// Attempts that are not delayed.
const FREE: u32 = 3;
const FIRST_MS: u64 = 1_000;
const MAX_MS: u64 = 60_000;

/// Milliseconds that an attempt waits after so many wrong ones; in memory only, because whoever can
/// reload the page can also copy the database and guess elsewhere: the KDF is the real defence.
pub(super) fn delay_after(failures: u32) -> u64 {
    match failures.checked_sub(FREE) {
        None => 0,
        Some(doublings) => (FIRST_MS << doublings.min(16)).min(MAX_MS),
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

/// An attempt at a slot.
pub(super) struct Attempt {
    pub(super) slot: Slot,
    code: Option<RecoveryCode>,
}

/// What a slot's key is made of.
pub(super) enum Kek {
    Known(Key),
    /// Still to be derived from a password, normalised.
    OfPassword(Secret),
}

impl<P: Platform> Vault<P> {
    /// Opens the vault. Opening an open vault checks the secret and changes nothing.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::WrongPassword`] and its likes, [`Error::RelayChanged`],
    /// [`Error::KdfRefused`], [`Error::Corrupt`], [`Error::FutureVersion`], storage errors, and
    /// [`Error::Locked`] when a lock came meanwhile: it wins.
    pub fn unlock(&self, way: &Unlock) -> Call<'_, P, ()> {
        Call::new(self, || {
            // A vault past its deadline is not open, though nobody has looked since.
            self.handle(Input::Woken);
            // Kept to wrap the vault key anew, where the slot is of another time.
            let typed = match way {
                Unlock::Password(typed) => Some(Secret::copy_of(typed.expose())),
                _ => None,
            };
            let wait = self.begin_closed(Records::Stored).here();
            Ok(wait.proof(way.copied()).then(move |vault, ready| {
                let (info, vault_key) = ready.proven.take().ok_or(Error::Corrupt)?;
                let header = ready.header()?.clone();
                let keys = vault_key.derive(header.vault)?;
                let session = Session::load(header, keys, std::mem::take(&mut ready.found))?;
                if !matches!(vault.state.borrow().stage, Stage::Unlocked(_)) {
                    vault.install(ready.ticket.0, session)?;
                    let failures = u16::try_from(ready.failures).unwrap_or(u16::MAX);
                    vault.note(Action::Unlocked, info.id, failures);
                    vault.tell_expiring();
                }
                if let (Some(typed), Kdf::Pbkdf2Sha256 { iterations }) = (typed, info.kdf)
                    && iterations < vault.platform.kdf().target_iterations()
                {
                    // An old parameter is no reason to refuse; trying again at the next unlock is
                    // enough.
                    ready.next = vault.rewrap(&typed, info.key(), vault_key).ok();
                }
                Ok(())
            }))
        })
    }

    /// Replaces a password slot of old parameters by one of today's, for the same vault key.
    fn rewrap(
        &self,
        typed: &Secret,
        old: RecordKey,
        vault_key: VaultKey,
    ) -> Result<Box<Wait<P>>, Error> {
        let password = self.normalize(typed)?;
        let wait = self.begin(Records::Known)?.slot_for(password);
        Ok(
            wait.change(Durability::Strict, move |vault, ready, session| {
                let mut changes = Changes::default();
                // Another tab may have been faster.
                if let Some(new) = &ready.slot
                    && session.record(old).is_some()
                {
                    vault.put_slot(&mut changes, session, new, &vault_key)?;
                    changes.delete(old);
                }
                Ok(changes)
            }),
        )
    }

    /// Finds the slot for a way of unlocking.
    pub(super) fn attempt(&self, found: &Found, way: &Unlock) -> Result<Attempt, Error> {
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
        Ok(Attempt { slot, code })
    }

    /// The key of an attempt, or what it is derived from.
    pub(super) fn kek_of(&self, attempt: &Attempt, way: &Unlock) -> Result<Kek, Error> {
        let salt = &attempt.slot.info.salt;
        // Key derivation reads the secrets.
        let key = match (way, &attempt.code) {
            (Unlock::Password(typed), _) => return self.normalize(typed).map(Kek::OfPassword),
            (Unlock::Passkey { prf, .. }, _) => derive_kek(Way::Passkey, prf.expose(), salt)?,
            (Unlock::RecoveryCode(_), Some(code)) => {
                derive_kek(Way::Recovery, code.expose(), salt)?
            }
            (Unlock::RecoveryCode(_), None) => return Err(Error::BadRecoveryCode),
        };
        Ok(Kek::Known(key))
    }

    /// Opens the slot of an attempt.
    pub(super) fn open_slot(
        &self,
        attempt: &Attempt,
        way: &Unlock,
        kek: &Key,
        header: &Header,
    ) -> Result<VaultKey, Error> {
        let opened = attempt.slot.open(kek, header.vault, &header.relay);
        opened.map_err(|_| wrong(way))
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
    fn delays_double_up_to_a_minute() {
        let delays: Vec<_> = (0..12).map(delay_after).collect();
        let expected = [
            0, 0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
        ];
        assert_eq!(delays, expected);
        assert_eq!(delay_after(u32::MAX), MAX_MS);
    }
}
