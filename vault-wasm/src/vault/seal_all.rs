//! Writing a whole vault at once: at creation, when the vault key changes, and into a backup.

use zeroize::Zeroizing;

use super::{
    Vault,
    call::{Found, Replacement},
    kek::NewSlot,
};
use crate::{
    error::Error,
    format::{envelope, header::Header, id::RecordKey, keys::VaultKey, manifest::Manifest},
    platform::{Platform, random_bytes},
    store::{Batch, Durability},
};

/// The content of a vault, in the clear, for the moment it is encrypted.
pub(super) type Contents = Vec<(RecordKey, Zeroizing<Vec<u8>>)>;

impl<P: Platform> Vault<P> {
    /// A vault under a new vault key, with the contents it is to have under that, to be written if
    /// the store still holds the manifest `guard`; `None`: nothing.
    pub(super) fn replacement(
        &self,
        header: Header,
        slots: Vec<NewSlot>,
        contents: &dyn Fn(&VaultKey) -> Result<Contents, Error>,
        guard: Option<Vec<u8>>,
        revision: u64,
    ) -> Result<Replacement, Error> {
        let vault_key = VaultKey::generate(self.platform.random())?;
        let contents = contents(&vault_key)?;
        let puts = self.seal_all(&header, &vault_key, &slots, &contents, revision)?;
        Ok(Replacement {
            header,
            vault_key,
            slots,
            first: guard.is_none(),
            batch: Batch {
                clear: guard.is_some(),
                guard,
                puts,
                deletes: Vec::new(),
                durability: Durability::Strict,
            },
        })
    }

    /// Encrypts `contents` under a vault key, wraps that key in `slots`, and lists everything in a
    /// manifest at `revision`.
    pub(super) fn seal_all(
        &self,
        header: &Header,
        vault_key: &VaultKey,
        slots: &[NewSlot],
        contents: &Contents,
        revision: u64,
    ) -> Result<Found, Error> {
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
