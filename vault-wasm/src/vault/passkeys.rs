//! Passkeys: what a ceremony needs to know, and adding one.

use super::{
    Vault,
    session::Changes,
    unlock::{find_header, read_slots},
};
use crate::{
    error::Error,
    format::{
        audit::Action,
        id::{Id, RecordKey},
        slot::Way,
    },
    platform::{Platform, random_bytes},
    secret::Secret,
    store::{Durability, Store},
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
    pub async fn passkey_request(&self) -> Result<PasskeyRequest, Error> {
        let found = self.platform.store().read_all().await?;
        let header = find_header(&found)?;
        let passkeys = passkeys(&found);
        let rp_id = read_slots(&found, Way::Passkey)
            .first()
            .map_or_else(|| self.config.rp_id.clone(), |slot| slot.info.rp_id.clone());
        let prf_salt = random_bytes(self.platform.random())?;
        Ok(PasskeyRequest {
            rp_id,
            user_id: header.vault,
            prf_salt,
            passkeys,
        })
    }

    /// Enrols a passkey.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::BadArgument`], storage errors (nothing has changed then).
    pub async fn add_passkey(
        &self,
        typed: &Secret,
        new: &NewPasskey,
    ) -> Result<PasskeyInfo, Error> {
        let ticket = self.enter()?;
        let credential_len = new.credential_id.len();
        if credential_len == 0 || credential_len > MAX_CREDENTIAL_ID {
            return Err(Error::BadArgument("credentialId"));
        }
        // WebAuthn Level 3 §10.1.4: PRF outputs are 32 bytes.
        if new.prf.expose().len() != 32 {
            return Err(Error::BadArgument("prf"));
        }
        let name = super::keys::clean_name(&new.name)?.unwrap_or_else(|| "Passkey".to_owned());
        self.refresh(ticket).await?;
        let vault_key = self.prove_open(ticket, typed).await?;
        let rp_id = self.passkey_request().await?.rp_id;
        let slot =
            self.new_passkey_slot(&new.credential_id, &rp_id, &name, new.prf_salt, &new.prf)?;
        let nonce = random_bytes(self.platform.random())?;
        self.commit(ticket, Durability::Strict, &|session| {
            let known = passkeys(&session.raw_records()?);
            if known
                .iter()
                .any(|known| known.credential_id == new.credential_id)
            {
                return Err(Error::BadArgument("credentialId"));
            }
            let header = session.header();
            let revision = session.next_revision();
            let bytes = slot.seal(&vault_key, &nonce, header.vault, &header.relay, revision)?;
            let mut changes = Changes::default();
            changes.put_sealed(slot.info.key(), bytes);
            Ok(changes)
        })
        .await?;
        self.note(Action::PasskeyAdded, slot.info.id, 0);
        self.with(ticket, |session| {
            let known = passkeys(&session.raw_records()?);
            known
                .into_iter()
                .find(|known| known.id == slot.info.id)
                .ok_or(Error::StorageFailed)
        })
    }

    /// The enrolled passkeys of the open vault.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`].
    pub async fn list_passkeys(&self) -> Result<Vec<PasskeyInfo>, Error> {
        let ticket = self.enter()?;
        self.refresh(ticket).await?;
        self.with(ticket, |session| Ok(passkeys(&session.raw_records()?)))
    }
}

fn passkeys(records: &[(RecordKey, Vec<u8>)]) -> Vec<PasskeyInfo> {
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
