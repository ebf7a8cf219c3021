//! The open vault in memory: derived keys, the records as they lie at rest, and the metadata read
//! from them. Provider keys stay encrypted here too.

use zeroize::Zeroizing;

use super::{
    call::Found,
    damage::{Damage, DamageKind},
    table::Table,
    usage::Unsaved,
};
use crate::{
    error::Error,
    format::{
        FormatError,
        codec::Reader,
        envelope::{self, Prefix},
        header::Header,
        id::{Id, Kind, RecordKey},
        key_record::KeyRecord,
        keys::VaultKeys,
        manifest::Manifest,
        settings::Settings,
        usage::{Usage, day_of},
    },
    lock::DEFAULT_IDLE_MINUTES,
    secret::Secret,
};

/// The open vault.
pub(crate) struct Session {
    pub(super) header: Header,
    pub(super) keys: VaultKeys,
    pub(super) manifest: Manifest,
    pub(super) manifest_bytes: Vec<u8>,
    pub(super) records: Table<RecordKey, Vec<u8>>,
    settings: Settings,
    pub(super) key_records: Vec<KeyRecord>,
    pub(super) usage: Table<Id, Usage>,
    pub(super) damage: Vec<Damage>,
    /// Not yet written.
    pub(super) unsaved: Unsaved,
    /// The key of each request under way.
    pub(super) running: Vec<Id>,
}

impl Session {
    /// Checks and reads everything that was found in the store.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::FutureVersion`] when the manifest itself cannot be trusted:
    /// without it nobody can tell an old record from a current one.
    pub(super) fn load(header: Header, keys: VaultKeys, found: Found) -> Result<Self, Error> {
        let manifest_bytes = find_manifest(&found).ok_or(Error::Corrupt)?;
        let manifest = Manifest::decode(&manifest_bytes, header.vault, &keys)?;
        Ok(Self::listed(header, keys, manifest, manifest_bytes, found))
    }

    /// Reads everything that was found, held against this list.
    pub(super) fn listed(
        header: Header,
        keys: VaultKeys,
        manifest: Manifest,
        manifest_bytes: Vec<u8>,
        found: Found,
    ) -> Self {
        let mut session = Self {
            header,
            keys,
            manifest,
            manifest_bytes,
            records: without_heads(found),
            settings: Settings {
                auto_lock_minutes: DEFAULT_IDLE_MINUTES,
                lock_on_hide: false,
                created_at: 0,
                exported_at: None,
                relay_key: None,
            },
            key_records: Vec::new(),
            usage: Table::default(),
            damage: Vec::new(),
            unsaved: Unsaved::default(),
            running: Vec::new(),
        };
        session.read_records();
        session
    }

    fn read_records(&mut self) {
        let listed = self.manifest.entries().to_vec();
        for (key, _) in &listed {
            if let Err(kind) = self.read_record(*key) {
                self.damage.push(Damage { record: *key, kind });
            }
        }
        for (record, _) in self.records.iter() {
            if self.manifest.revision_of(record).is_none() {
                self.damage.push(Damage {
                    record,
                    kind: DamageKind::Foreign,
                });
            }
        }
    }

    /// Oldest first; the name decides between those of one moment.
    fn insert_key(&mut self, record: KeyRecord) {
        let later = |other: &KeyRecord| {
            (other.created_at, &other.name, other.id) > (record.created_at, &record.name, record.id)
        };
        let at = self
            .key_records
            .iter()
            .position(later)
            .unwrap_or(self.key_records.len());
        self.key_records.insert(at, record);
    }

    pub(super) fn read_record(&mut self, key: RecordKey) -> Result<(), DamageKind> {
        let expected = self.manifest.revision_of(key).ok_or(DamageKind::Foreign)?;
        let bytes = self.records.get(key).ok_or(DamageKind::Missing)?;
        let revision = Prefix::read(&mut Reader::new(bytes), key.kind)?.revision;
        if revision < expected {
            return Err(DamageKind::RolledBack);
        }
        if revision > expected {
            return Err(DamageKind::Corrupt);
        }
        match key.kind {
            Kind::Settings => self.settings = Settings::decode(&self.open_text(key)?)?,
            Kind::Metadata => {
                let record = KeyRecord::decode(key.id, &self.open_text(key)?)?;
                self.insert_key(record);
            }
            Kind::Usage => {
                let usage = Usage::decode(&self.open_text(key)?)?;
                self.usage.insert(key.id, usage);
            }
            // Provider keys are decrypted at the moment of use, the audit log when it is read: that
            // they are cut shows before. Slots are decrypted when they open.
            Kind::Secret | Kind::Audit => envelope::check_length(bytes)?,
            Kind::Header | Kind::Manifest | Kind::Slot => {}
        }
        Ok(())
    }

    /// Decrypts a record.
    pub(super) fn open_text(&self, key: RecordKey) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        let bytes = self.records.get(key).ok_or(FormatError::Malformed)?;
        let revision = self
            .manifest
            .revision_of(key)
            .ok_or(FormatError::NotAuthentic)?;
        let record_key = self.keys.for_kind(key.kind).ok_or(FormatError::Malformed)?;
        envelope::open(record_key, self.header.vault, key, revision, bytes)
    }

    /// Decrypts a provider key, for the moment it is needed.
    pub(crate) fn open_secret(&self, id: Id) -> Result<Secret, Error> {
        self.check_usable(id)?;
        let text = self.open_text(RecordKey::new(Kind::Secret, id))?;
        Ok(Secret::copy_of(&text))
    }

    /// Fails when the record of a key, or its secret, is known to be damaged.
    pub(super) fn check_usable(&self, id: Id) -> Result<(), Error> {
        match self.damage_of(id) {
            Some(kind) => Err(kind.error()),
            None => Ok(()),
        }
    }

    pub(super) fn damage_of(&self, id: Id) -> Option<DamageKind> {
        self.damage
            .iter()
            .find(|damage| {
                damage.record.id == id
                    && matches!(damage.record.kind, Kind::Metadata | Kind::Secret)
                    && damage.kind != DamageKind::Foreign
            })
            .map(|damage| damage.kind)
    }

    /// Notes that a record turned out not to open.
    pub(crate) fn note_damage(&mut self, record: RecordKey, kind: DamageKind) {
        if !self.damage.iter().any(|damage| damage.record == record) {
            self.damage.push(Damage { record, kind });
        }
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn keys(&self) -> &VaultKeys {
        &self.keys
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn damage(&self) -> &[Damage] {
        &self.damage
    }

    pub(super) fn key_records(&self) -> &[KeyRecord] {
        &self.key_records
    }

    pub(super) fn key_record(&self, id: Id) -> Option<&KeyRecord> {
        self.key_records.iter().find(|record| record.id == id)
    }

    pub(super) fn record(&self, key: RecordKey) -> Option<&Vec<u8>> {
        self.records.get(key)
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Everything as it lies at rest, as far as known here.
    pub(super) fn raw_records(&self) -> Result<Vec<(RecordKey, Vec<u8>)>, Error> {
        let mut records: Vec<_> = self
            .records
            .iter()
            .map(|(key, bytes)| (key, bytes.clone()))
            .collect();
        records.push((RecordKey::HEADER, self.header.encode()?));
        records.push((RecordKey::MANIFEST, self.manifest_bytes.clone()));
        Ok(records)
    }

    /// Takes over what another session of the same vault has not written yet.
    pub(super) fn take_unsaved(&mut self, other: &mut Self) {
        self.unsaved = std::mem::take(&mut other.unsaved);
        self.running = std::mem::take(&mut other.running);
    }

    /// The bytes at rest of what every write changes.
    pub(super) fn guard(&self) -> &[u8] {
        &self.manifest_bytes
    }

    /// Usage of a key as stored.
    pub(super) fn stored_usage(&self, id: Id) -> Usage {
        self.usage.get(id).cloned().unwrap_or_default()
    }

    /// Usage of a key: what is stored and what is not yet.
    pub(super) fn usage(&self, id: Id) -> Usage {
        let mut usage = self.stored_usage(id);
        if let Some(unsaved) = self.unsaved.usage.get(id) {
            usage.last_used_at = usage.last_used_at.max(unsaved.last_used_at);
            unsaved.days.iter().for_each(|day| usage.add(day));
        }
        usage
    }

    /// Whether requests can be made with some key of this provider.
    pub(super) fn has_usable_key(&self, provider: &str, now: u64) -> bool {
        self.key_records
            .iter()
            .any(|record| record.provider == provider && self.refusal(record, now).is_none())
    }

    /// Why a key may not be used now.
    pub(super) fn refusal(&self, record: &KeyRecord, now: u64) -> Option<&'static str> {
        if self.damage_of(record.id).is_some() {
            return Some("damaged");
        }
        if !record.active {
            return Some("inactive");
        }
        if record.expires_at.is_some_and(|at| at <= now) {
            return Some("expired");
        }
        let spent = || self.usage(record.id).spent_on(day_of(now));
        record
            .daily_cap_micros
            .filter(|cap| spent() >= *cap)
            .map(|_| "daily_cap")
    }

    /// Usable keys of a provider, least recently used first; else why there is none.
    pub(super) fn usable_keys(&self, provider: &str, now: u64) -> Result<Vec<Id>, &'static str> {
        let mut reason = "missing";
        let mut usable = Vec::new();
        for record in self
            .key_records
            .iter()
            .filter(|record| record.provider == provider)
        {
            match self.refusal(record, now) {
                None => {
                    // Keys never used come first, in the order of creation.
                    let used = self.usage(record.id).last_used_at;
                    let at = usable.iter().position(|(other, _)| *other > used);
                    usable.insert(at.unwrap_or(usable.len()), (used, record.id));
                }
                Some(why) => reason = why,
            }
        }
        if usable.is_empty() {
            Err(reason)
        } else {
            Ok(usable.into_iter().map(|(_, id)| id).collect())
        }
    }

    /// The revision of a copy of this vault under its present key; nothing of any other.
    pub(super) fn revision_of(&self, found: &Found) -> Option<u64> {
        let bytes = find_manifest(found)?;
        let manifest = Manifest::decode(&bytes, self.header.vault, &self.keys);
        manifest.ok().map(|manifest| manifest.revision)
    }

    /// Gives up the records and keeps nothing but the keys, to read the records anew.
    pub(super) fn reload(&mut self, found: Found) -> Result<(), Error> {
        let manifest_bytes = find_manifest(&found).ok_or(Error::Corrupt)?;
        let manifest = Manifest::decode(&manifest_bytes, self.header.vault, &self.keys)?;
        if manifest.revision < self.manifest.revision {
            // A change of this tab's own was faster than the reading.
            return Ok(());
        }
        self.records = without_heads(found);
        self.manifest = manifest;
        self.manifest_bytes = manifest_bytes;
        self.key_records.clear();
        self.usage.clear();
        self.damage.clear();
        self.read_records();
        Ok(())
    }
}

/// The manifest among what was found, as it lies at rest.
pub(super) fn find_manifest(found: &Found) -> Option<Vec<u8>> {
    let mut found = found.iter();
    found
        .find(|(key, _)| *key == RecordKey::MANIFEST)
        .map(|(_, bytes)| bytes.clone())
}

/// The records that a manifest lists.
fn without_heads(found: Found) -> Table<RecordKey, Vec<u8>> {
    found
        .into_iter()
        .filter(|(key, _)| !matches!(key.kind, Kind::Header | Kind::Manifest))
        .collect()
}
