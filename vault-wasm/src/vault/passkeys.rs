//! Passkeys: what a ceremony needs to know, and adding one.

use super::{
    Call, Vault,
    call::{Found, Records},
    change::Changes,
    unlock::read_slots,
};
use crate::{
    error::{Arg, Error},
    format::{audit::Action, id::Id, slot::Way},
    platform::{Platform, random_bytes},
    secret::Secret,
    store::Durability,
};

/// Longest credential id WebAuthn allows (Level 3 §4).
const MAX_CREDENTIAL_ID: usize = 1023;

/// What a page needs for a WebAuthn ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRequest {
    /// The vault's relying party.
    pub rp_id: String,
    /// The vault's id, as user handle.
    pub user_id: Id,
    /// PRF input for a new passkey.
    pub prf_salt: [u8; 32],
    /// Those enrolled.
    pub passkeys: Vec<PasskeyInfo>,
}

/// One enrolled passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyInfo {
    /// Of its slot.
    pub id: Id,
    /// Chosen by the person.
    pub name: String,
    /// Unix milliseconds.
    pub created_at: u64,
    /// WebAuthn credential id.
    pub credential_id: Vec<u8>,
    /// PRF input.
    pub prf_salt: [u8; 32],
}

/// A passkey to be enrolled.
#[derive(Debug)]
pub struct NewPasskey {
    /// Chosen by the person.
    pub name: String,
    /// WebAuthn credential id.
    pub credential_id: Vec<u8>,
    /// The [`PasskeyRequest::prf_salt`] it answered for.
    pub prf_salt: [u8; 32],
    /// `prf.results.first`.
    pub prf: Secret,
}

impl<P: Platform> Vault<P> {
    /// What a ceremony needs, locked or not.
    ///
    /// # Errors
    /// [`Error::Empty`], storage errors.
    pub fn passkey_request(&self) -> Call<'_, P, PasskeyRequest> {
        Call::new(self, || {
            Ok(self.begin_closed(Records::Stored).then(|vault, ready| {
                Ok(PasskeyRequest {
                    rp_id: vault.rp_id(&ready.found),
                    user_id: ready.header()?.vault,
                    prf_salt: random_bytes(vault.platform.random())?,
                    passkeys: passkeys(&ready.found),
                })
            }))
        })
    }

    /// The relying party: that of the passkeys there are, else the vault's own host.
    fn rp_id(&self, found: &Found) -> String {
        match read_slots(found, Way::Passkey).into_iter().next() {
            Some(slot) => slot.info.rp_id,
            None => self.config.rp_id.clone(),
        }
    }

    /// Enrols a passkey.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::BadArgument`], storage errors (nothing has changed then).
    pub fn add_passkey(&self, typed: &Secret, new: &NewPasskey) -> Call<'_, P, PasskeyInfo> {
        Call::new(self, || {
            let wait = self.begin(Records::Fresh)?.proof_of(typed);
            let credential_len = new.credential_id.len();
            if credential_len == 0 || credential_len > MAX_CREDENTIAL_ID {
                return Err(Error::BadArgument(Arg::CredentialId));
            }
            // WebAuthn Level 3 §10.1.4: PRF outputs are 32 bytes.
            if new.prf.expose().len() != 32 {
                return Err(Error::BadArgument(Arg::Prf));
            }
            let name = super::keys::clean_name(&new.name)?.unwrap_or_else(|| "Passkey".to_owned());
            let rp_id = self.with(self.enter()?, |session| {
                Ok(self.rp_id(&session.raw_records()?))
            })?;
            let slot =
                self.new_passkey_slot(&new.credential_id, &rp_id, &name, new.prf_salt, &new.prf)?;
            let id = slot.info.id;
            let wait = wait.change(Durability::Strict, move |vault, ready, session| {
                let mut known = passkeys(&session.raw_records()?).into_iter();
                if known.any(|known| known.credential_id == slot.info.credential_id) {
                    return Err(Error::BadArgument(Arg::CredentialId));
                }
                let mut changes = Changes::default();
                vault.put_slot(&mut changes, session, &slot, ready.vault_key()?)?;
                Ok(changes)
            });
            Ok(wait.then(move |vault, ready| {
                vault.note(Action::PasskeyAdded, id, 0);
                vault.with(ready.ticket, |session| {
                    let known = passkeys(&session.raw_records()?);
                    known
                        .into_iter()
                        .find(|known| known.id == id)
                        .ok_or(Error::StorageFailed)
                })
            }))
        })
    }

    /// The enrolled passkeys of the open vault.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`].
    pub fn list_passkeys(&self) -> Call<'_, P, Vec<PasskeyInfo>> {
        Call::new(self, || {
            Ok(self.begin(Records::Fresh)?.then(|vault, ready| {
                vault.with(ready.ticket, |session| {
                    Ok(passkeys(&session.raw_records()?))
                })
            }))
        })
    }
}

fn passkeys(records: &Found) -> Vec<PasskeyInfo> {
    read_slots(records, Way::Passkey)
        .into_iter()
        .map(|slot| PasskeyInfo {
            id: slot.info.id,
            name: slot.info.label,
            created_at: slot.info.created_at,
            credential_id: slot.info.credential_id,
            prf_salt: slot.info.prf_salt,
        })
        .collect()
}
