//! The manifest: which records there are, at which revision. Its MAC detects records that were
//! added, removed, swapped or rolled back one by one.
//!
//! ```text
//! version (2) ‖ kind (1) ‖ revision (8) ‖ vault id (16) ‖ count (4)
//!   ‖ count × [kind (1) ‖ record id (16) ‖ revision (8)], strictly ascending
//!   ‖ HMAC-SHA256 over all before (32)
//! ```

use super::{
    FormatError,
    codec::{Reader, Writer},
    envelope::Prefix,
    id::{Id, Kind, RecordKey},
    keys::VaultKeys,
};
use crate::hazmat;

const MAC_LEN: usize = 32;

/// The set of records, and a revision that counts every write to the vault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Of the last write.
    pub revision: u64,
    entries: Vec<(RecordKey, u64)>,
}

impl Manifest {
    /// A manifest without records yet.
    #[must_use]
    pub fn at_revision(revision: u64) -> Self {
        Self {
            revision,
            entries: Vec::new(),
        }
    }

    /// Records and their revisions, ascending.
    #[must_use]
    pub fn entries(&self) -> &[(RecordKey, u64)] {
        &self.entries
    }

    /// The revision of one record.
    #[must_use]
    pub fn revision_of(&self, key: RecordKey) -> Option<u64> {
        let at = self.find(key).ok()?;
        self.entries.get(at).map(|&(_, revision)| revision)
    }

    /// Adds a record or gives it another revision.
    pub fn set(&mut self, key: RecordKey, revision: u64) {
        match self.find(key) {
            Ok(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    entry.1 = revision;
                }
            }
            Err(at) => self.entries.insert(at, (key, revision)),
        }
    }

    /// Takes a record out.
    pub fn remove(&mut self, key: RecordKey) {
        self.entries.retain(|(entry, _)| *entry != key);
    }

    fn find(&self, key: RecordKey) -> Result<usize, usize> {
        self.entries.binary_search_by(|(entry, _)| entry.cmp(&key))
    }

    /// The bytes at rest.
    ///
    /// # Errors
    /// None in practice: a vault has fewer than 2^32 records.
    pub fn encode(&self, vault: Id, keys: &VaultKeys) -> Result<Vec<u8>, FormatError> {
        let mut writer = Writer::new();
        Prefix::write(&mut writer, Kind::Manifest, self.revision);
        writer.bytes(vault.as_bytes());
        writer.u32(u32::try_from(self.entries.len()).map_err(|_| FormatError::Malformed)?);
        for (key, revision) in &self.entries {
            writer
                .u8(key.kind.byte())
                .bytes(key.id.as_bytes())
                .u64(*revision);
        }
        let mut bytes = writer.finish_public();
        // HMAC needs the key itself.
        let tag = hazmat::hmac_sha256(keys.manifest.expose(), &[&bytes])?;
        bytes.extend_from_slice(&tag);
        Ok(bytes)
    }

    /// Reads the bytes at rest and checks their MAC before anything in them is believed.
    ///
    /// # Errors
    /// [`FormatError`]: of the future, malformed, or not authentic.
    pub fn decode(bytes: &[u8], vault: Id, keys: &VaultKeys) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let revision = Prefix::read(&mut reader, Kind::Manifest)?.revision;
        let signed_len = bytes
            .len()
            .checked_sub(MAC_LEN)
            .ok_or(FormatError::Malformed)?;
        let (signed, tag) = bytes
            .split_at_checked(signed_len)
            .ok_or(FormatError::Malformed)?;
        // HMAC needs the key itself.
        hazmat::verify_hmac_sha256(keys.manifest.expose(), &[signed], tag)?;
        if reader.array()? != *vault.as_bytes() {
            return Err(FormatError::NotAuthentic);
        }
        let count = reader.u32()?;
        let mut manifest = Self::at_revision(revision);
        for _ in 0..count {
            let kind = Kind::from_byte(reader.u8()?).ok_or(FormatError::Malformed)?;
            let key = RecordKey::new(kind, Id::from_bytes(reader.array()?));
            if manifest
                .entries
                .last()
                .is_some_and(|(last, _)| *last >= key)
            {
                return Err(FormatError::Malformed);
            }
            manifest.entries.push((key, reader.u64()?));
        }
        reader.take(MAC_LEN)?;
        reader.finish()?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{format::keys::VaultKey, secret::Key};

    const VAULT: Id = Id::from_bytes([1; 16]);

    fn keys(seed: u8) -> VaultKeys {
        VaultKey(Key::copy_of(&[seed; 32]).unwrap())
            .derive(VAULT)
            .unwrap()
    }

    fn sample() -> Manifest {
        let mut manifest = Manifest::at_revision(9);
        manifest.set(RecordKey::new(Kind::Secret, Id::from_bytes([2; 16])), 3);
        manifest.set(RecordKey::new(Kind::Metadata, Id::from_bytes([2; 16])), 4);
        manifest.set(RecordKey::SETTINGS, 1);
        manifest.set(RecordKey::new(Kind::Secret, Id::from_bytes([2; 16])), 5);
        manifest
    }

    #[test]
    fn entries_are_sorted_and_replaced() {
        let manifest = sample();
        assert_eq!(manifest.entries().len(), 3);
        assert!(manifest.entries().is_sorted());
        assert_eq!(
            manifest.revision_of(RecordKey::new(Kind::Secret, Id::from_bytes([2; 16]))),
            Some(5)
        );
    }

    #[test]
    fn round_trip() {
        let bytes = sample().encode(VAULT, &keys(1)).unwrap();
        assert_eq!(Manifest::decode(&bytes, VAULT, &keys(1)), Ok(sample()));
    }

    #[test]
    fn refuses_every_single_bit_flip_and_truncation() {
        let bytes = sample().encode(VAULT, &keys(1)).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(Manifest::decode(&altered, VAULT, &keys(1)).is_err());
            assert!(Manifest::decode(&bytes[..at], VAULT, &keys(1)).is_err());
        }
        assert!(Manifest::decode(&bytes, VAULT, &keys(2)).is_err());
        assert!(Manifest::decode(&bytes, Id::from_bytes([8; 16]), &keys(1)).is_err());
    }
}
