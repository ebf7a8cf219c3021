//! Writing a whole vault at once: at creation, when the vault key changes, and into a backup.

use zeroize::Zeroizing;

use super::{Vault, kek::NewSlot};
use crate::{
    error::Error,
    format::{envelope, header::Header, id::RecordKey, keys::VaultKey, manifest::Manifest},
    platform::{Platform, random_bytes},
};

/// The content of a vault, in the clear, for the moment it is encrypted.
pub(super) type Contents = Vec<(RecordKey, Zeroizing<Vec<u8>>)>;

impl<P: Platform> Vault<P> {
    /// Encrypts `contents` under a vault key, wraps that key in `slots`, and lists everything in a
    /// manifest at `revision`.
    pub(super) fn seal_all(
        &self,
        header: &Header,
        vault_key: &VaultKey,
        slots: &[&NewSlot],
        contents: &Contents,
        revision: u64,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, Error> {
        let random = self.platform.random();
        let keys = vault_key.derive(header.vault)?;
        let mut manifest = Manifest::at_revision(revision);
        let mut records = vec![(RecordKey::HEADER, header.encode()?)];
        for slot in slots {
            let nonce = random_bytes(random)?;
            let bytes = slot.seal(vault_key, &nonce, header.vault, &header.relay, revision)?;
            records.push((slot.info.key(), bytes));
        }
        for (key, text) in contents {
            let record_key = keys.for_kind(key.kind).ok_or(Error::Corrupt)?;
            let nonce = random_bytes(random)?;
            let bytes = envelope::seal(record_key, &nonce, header.vault, *key, revision, text)?;
            records.push((*key, bytes));
        }
        for (key, _) in records.iter().skip(1) {
            manifest.set(*key, revision);
        }
        records.push((RecordKey::MANIFEST, manifest.encode(header.vault, &keys)?));
        Ok(records)
    }
}
