//! A change of the open vault: what is to be written, its encryption, and taking it over once it is
//! written.

use zeroize::Zeroizing;

use super::{damage::Damage, session::Session, usage::Unsaved};
use crate::{
    error::Error,
    format::{
        envelope,
        id::{Kind, RecordKey},
        key_record::KeyRecord,
        manifest::Manifest,
    },
    platform::{Random, random_bytes},
    secret::Secret,
    store::{Batch, Durability},
};

/// What a change puts into a record.
pub(super) enum Content {
    /// To be encrypted.
    Text(Zeroizing<Vec<u8>>),
    /// Sealed already, for [`Session::next_revision`] (slots).
    Sealed(Vec<u8>),
}

/// One change of the vault: all of it or nothing.
#[derive(Default)]
pub(crate) struct Changes {
    puts: Vec<(RecordKey, Content)>,
    deletes: Vec<RecordKey>,
    /// What it writes of that which is counted and noted in memory.
    pub(super) unsaved: Unsaved,
}

impl Changes {
    pub(crate) fn put(&mut self, key: RecordKey, text: Zeroizing<Vec<u8>>) -> &mut Self {
        self.puts.push((key, Content::Text(text)));
        self
    }

    /// The record of a key, and the key itself where it is new.
    pub(super) fn put_key(
        &mut self,
        record: &KeyRecord,
        key: Option<&Secret>,
    ) -> Result<(), Error> {
        self.put(RecordKey::new(Kind::Metadata, record.id), record.encode()?);
        if let Some(key) = key {
            // Encrypted while the change is staged, in this same call.
            self.put(
                RecordKey::new(Kind::Secret, record.id),
                key.expose().to_vec().into(),
            );
        }
        Ok(())
    }

    pub(super) fn put_sealed(&mut self, key: RecordKey, bytes: Vec<u8>) -> &mut Self {
        self.puts.push((key, Content::Sealed(bytes)));
        self
    }

    pub(super) fn delete(&mut self, key: RecordKey) -> &mut Self {
        self.deletes.push(key);
        self
    }

    /// Whether it writes this record.
    pub(super) fn writes(&self, key: RecordKey) -> bool {
        self.puts.iter().any(|(put, _)| *put == key)
    }

    /// Whether it deletes this record.
    pub(super) fn deletes(&self, key: RecordKey) -> bool {
        self.deletes.contains(&key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty() && self.unsaved.is_empty()
    }
}

/// A change, encrypted and ready to be written.
pub(super) struct Staged {
    pub(super) batch: Batch,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    unsaved: Unsaved,
}

impl Session {
    pub(super) fn next_revision(&self) -> u64 {
        self.manifest.revision + 1
    }

    /// Encrypts a change. Nothing in memory changes until [`Session::adopt`].
    pub(super) fn stage(
        &self,
        changes: Changes,
        durability: Durability,
        random: &impl Random,
    ) -> Result<Staged, Error> {
        let revision = self.next_revision();
        let mut manifest = self.manifest.clone();
        manifest.revision = revision;
        let mut puts = Vec::with_capacity(changes.puts.len() + 1);
        for (key, content) in changes.puts {
            let bytes = match content {
                Content::Sealed(bytes) => bytes,
                Content::Text(text) => {
                    let record_key = self.keys.for_kind(key.kind).ok_or(Error::Corrupt)?;
                    let nonce = random_bytes(random)?;
                    envelope::seal(record_key, &nonce, self.header.vault, key, revision, &text)?
                }
            };
            manifest.set(key, revision);
            puts.push((key, bytes));
        }
        for key in &changes.deletes {
            manifest.remove(*key);
        }
        let manifest_bytes = manifest.encode(self.header.vault, &self.keys)?;
        puts.push((RecordKey::MANIFEST, manifest_bytes.clone()));
        Ok(Staged {
            batch: Batch {
                guard: Some(self.manifest_bytes.clone()),
                clear: false,
                puts,
                deletes: changes.deletes,
                durability,
            },
            manifest,
            manifest_bytes,
            unsaved: changes.unsaved,
        })
    }

    /// Takes over a change that has been written.
    pub(super) fn adopt(&mut self, staged: &Staged) {
        self.unsaved.subtract(&staged.unsaved);
        // A reload meanwhile may have read this change already, or a later one.
        if staged.manifest.revision <= self.manifest.revision {
            return;
        }
        self.manifest = staged.manifest.clone();
        self.manifest_bytes.clone_from(&staged.manifest_bytes);
        for key in &staged.batch.deletes {
            self.records.remove(*key);
            self.forget(*key);
        }
        for (key, bytes) in &staged.batch.puts {
            if *key == RecordKey::MANIFEST {
                continue;
            }
            self.records.insert(*key, bytes.clone());
            self.forget(*key);
            if let Err(kind) = self.read_record(*key) {
                self.damage.push(Damage { record: *key, kind });
            }
        }
    }

    /// Drops what was read from a record before.
    fn forget(&mut self, key: RecordKey) {
        self.damage.retain(|damage| damage.record != key);
        match key.kind {
            Kind::Metadata => self.key_records.retain(|record| record.id != key.id),
            Kind::Usage => {
                self.usage.remove(key.id);
            }
            _ => {}
        }
    }
}
