//! From what a person has to the key that opens a slot.

use super::{Vault, change::Changes, session::Session};
use crate::{
    error::Error,
    format::{
        id::Id,
        keys::VaultKey,
        recovery::RecoveryCode,
        slot::{Kdf, Slot, SlotInfo, Way, derive_kek},
    },
    password,
    platform::{Kdf as _, Platform, random_bytes},
    secret::{Key, Secret},
};

/// A slot about to be written: its clear fields and its KEK.
pub(super) struct NewSlot {
    pub(super) info: SlotInfo,
    kek: Key,
}

impl NewSlot {
    /// Wraps the vault key for a vault at a revision, and opens the result again before anyone
    /// relies on it.
    pub(super) fn seal(
        &self,
        vault_key: &VaultKey,
        nonce: &[u8; 12],
        vault: Id,
        relay: &str,
        revision: u64,
    ) -> Result<Vec<u8>, Error> {
        let info = SlotInfo {
            revision,
            ..self.info.clone()
        };
        let bytes = Slot::seal(&info, &self.kek, vault_key, nonce, vault, relay)?;
        self.check(&bytes, vault_key, vault, relay)?;
        Ok(bytes)
    }

    /// Whether the bytes at rest open to this vault key.
    pub(super) fn check(
        &self,
        bytes: &[u8],
        vault_key: &VaultKey,
        vault: Id,
        relay: &str,
    ) -> Result<(), Error> {
        let opened = Slot::decode(self.info.id, bytes)?.open(&self.kek, vault, relay)?;
        if opened.0 == vault_key.0 {
            Ok(())
        } else {
            Err(Error::Corrupt)
        }
    }
}

impl<P: Platform> Vault<P> {
    fn slot_info(&self, way: Way, kdf: Kdf) -> Result<SlotInfo, Error> {
        let random = self.platform.random();
        Ok(SlotInfo {
            id: Id::generate(random)?,
            revision: 0,
            way,
            kdf,
            salt: random_bytes(random)?,
            prf_salt: [0; 32],
            created_at: self.now(),
            credential_id: Vec::new(),
            rp_id: String::new(),
            label: String::new(),
        })
    }

    /// Adds a slot of the open vault's key to a change.
    pub(super) fn put_slot(
        &self,
        changes: &mut Changes,
        session: &Session,
        slot: &NewSlot,
        vault_key: &VaultKey,
    ) -> Result<(), Error> {
        let nonce = random_bytes(self.platform.random())?;
        let header = session.header();
        let revision = session.next_revision();
        let bytes = slot.seal(vault_key, &nonce, header.vault, &header.relay, revision)?;
        changes.put_sealed(slot.info.key(), bytes);
        Ok(())
    }

    /// A password slot at today's policy. `password` is normalised.
    pub(super) async fn new_password_slot(&self, password: &Secret) -> Result<NewSlot, Error> {
        let iterations = self.platform.kdf().target_iterations();
        let info = self.slot_info(Way::Password, Kdf::Pbkdf2Sha256 { iterations })?;
        let kek = self.password_kek(&info, password).await?;
        Ok(NewSlot { info, kek })
    }

    /// A recovery slot and the code that opens it.
    pub(super) fn new_recovery_slot(&self) -> Result<(NewSlot, RecoveryCode), Error> {
        let code = RecoveryCode::generate(self.platform.random())?;
        let info = self.slot_info(Way::Recovery, Kdf::HkdfSha256)?;
        let kek = derive_kek(Way::Recovery, code.expose(), &info.salt)?;
        Ok((NewSlot { info, kek }, code))
    }

    /// A slot for a passkey that answered for `prf_salt`.
    pub(super) fn new_passkey_slot(
        &self,
        credential_id: &[u8],
        rp_id: &str,
        label: &str,
        prf_salt: [u8; 32],
        prf: &Secret,
    ) -> Result<NewSlot, Error> {
        let info = SlotInfo {
            prf_salt,
            credential_id: credential_id.to_vec(),
            rp_id: rp_id.to_owned(),
            label: label.to_owned(),
            ..self.slot_info(Way::Passkey, Kdf::HkdfSha256)?
        };
        // Key derivation reads the PRF output.
        let kek = derive_kek(Way::Passkey, prf.expose(), &info.salt)?;
        Ok(NewSlot { info, kek })
    }

    /// A fresh slot for an enrolled passkey: same credential and PRF input, another KEK.
    pub(super) fn renewed_passkey_slot(
        &self,
        old: &SlotInfo,
        prf: &Secret,
    ) -> Result<NewSlot, Error> {
        let mut slot = self.new_passkey_slot(
            &old.credential_id,
            &old.rp_id,
            &old.label,
            old.prf_salt,
            prf,
        )?;
        slot.info.created_at = old.created_at;
        Ok(slot)
    }

    /// The KEK of a stored password slot. `password` is normalised.
    pub(super) async fn password_kek(
        &self,
        slot: &SlotInfo,
        password: &Secret,
    ) -> Result<Key, Error> {
        let Kdf::Pbkdf2Sha256 { iterations } = slot.kdf else {
            return Err(Error::KdfRefused);
        };
        // Key derivation reads the password.
        self.platform
            .kdf()
            .derive_pbkdf2(password.expose(), &slot.salt, iterations)
            .await
    }

    /// The form of a password that is derived from.
    pub(super) fn normalize(&self, typed: &Secret) -> Result<Secret, Error> {
        // Normalisation reads the text.
        password::normalize(self.platform.text(), typed.expose())
    }
}
