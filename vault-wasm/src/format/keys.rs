//! The key hierarchy: one random vault key, and one derived key per purpose.

use super::{
    FormatError,
    id::{Id, Kind},
};
use crate::{error::Error, hazmat, platform::Random, secret::Key};

/// Labels of HKDF's `info`, one per derived key. Part of the format: never changed, only added to.
mod label {
    pub(super) const SECRETS: &[u8] = b"keyferry/v1/secrets";
    pub(super) const METADATA: &[u8] = b"keyferry/v1/metadata";
    pub(super) const FINGERPRINT: &[u8] = b"keyferry/v1/fingerprint";
    pub(super) const MANIFEST: &[u8] = b"keyferry/v1/manifest";
    pub(super) const AUDIT: &[u8] = b"keyferry/v1/audit";
}

/// The key every slot wraps. Only ever in memory while a slot is opened or written.
#[derive(Debug)]
pub struct VaultKey(pub(crate) Key);

impl VaultKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(random: &impl Random) -> Result<Self, Error> {
        Key::filled(|bytes| random.fill(bytes)).map(Self)
    }

    /// Derives the keys this vault works with.
    ///
    /// # Errors
    /// None in practice: each is 32 bytes long.
    pub fn derive(&self, vault: Id) -> Result<VaultKeys, FormatError> {
        // HKDF needs the key material itself.
        let derive = |label: &[u8]| {
            Key::filled(|out| hazmat::derive_key(self.0.expose(), vault.as_bytes(), label, out))
        };
        Ok(VaultKeys {
            secrets: derive(label::SECRETS)?,
            metadata: derive(label::METADATA)?,
            fingerprint: derive(label::FINGERPRINT)?,
            manifest: derive(label::MANIFEST)?,
            audit: derive(label::AUDIT)?,
        })
    }
}

/// The derived keys, held while the vault is unlocked.
#[derive(Debug)]
pub struct VaultKeys {
    secrets: Key,
    metadata: Key,
    fingerprint: Key,
    /// Key of the manifest's MAC.
    pub(crate) manifest: Key,
    audit: Key,
}

impl VaultKeys {
    /// The key records of this kind are encrypted under; none for those that are not.
    #[must_use]
    pub fn for_kind(&self, kind: Kind) -> Option<&Key> {
        match kind {
            Kind::Header | Kind::Manifest | Kind::Slot => None,
            Kind::Secret => Some(&self.secrets),
            Kind::Metadata | Kind::Settings => Some(&self.metadata),
            Kind::Usage | Kind::Audit => Some(&self.audit),
        }
    }

    /// HMAC-SHA256 of a provider key: recognises the same key again without decrypting any.
    ///
    /// # Errors
    /// None in practice.
    pub fn fingerprint(&self, provider_key: &[u8]) -> Result<[u8; 32], FormatError> {
        // HMAC needs the key itself.
        Ok(hazmat::hmac_sha256(
            self.fingerprint.expose(),
            &[provider_key],
        )?)
    }
}
