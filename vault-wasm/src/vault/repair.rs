//! Repair: the list of records (the manifest) made anew from the records there are.
//!
//! For a vault whose list is damaged or gone, or does not fit its records. An explicit act, because
//! without the list, or against it, nobody can tell whether a record is the latest one:
//!
//! | a record | becomes |
//! | --- | --- |
//! | opens in its place, as listed | kept |
//! | opens, and is older than listed | kept, told; a key is switched off |
//! | opens, and is newer than the list | kept: the list is the older one |
//! | opens, and was not listed when there was a later list | left out: it had been removed |
//! | does not open | left as it is and told; deleted only when that is asked for |
//! | was written by a newer version | left as it is and told |
//!
//! Without a list every record that opens is kept, and nothing can be told of its age but that the
//! two records of one key do not fit each other.

use std::{cell::RefCell, rc::Rc};

use super::{
    Call, Stage, Ticket, Vault,
    call::{Found, Ready, Records, Replacement},
    change::Changes,
    damage::{Damage, DamageKind},
    keys::{KeyInfo, preview},
    rekey::is_precious,
    session::{Session, find_manifest},
    unlock::Unlock,
};
use crate::{
    error::Error,
    format::{
        FormatError,
        audit::{self, Action, Event as AuditEvent},
        envelope,
        header::Header,
        id::{Id, Kind, RecordKey},
        keys::VaultKeys,
        manifest::Manifest,
    },
    lock::Input,
    platform::{Event, Platform},
    store::Durability,
};

/// How far the revision is raised: past those of records that are gone, of which none is known.
const AHEAD: u64 = 1 << 32;

/// What a repair found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// There was no list that the records could be held against, or it was older than they are: no
    /// record is known to be the latest.
    pub relisted: bool,
    /// What was wrong, and in the case of records that do not open still is, unless they were deleted.
    pub found: Vec<Damage>,
    /// All keys as they are now.
    pub keys: Vec<KeyInfo>,
    /// Keys that were deleted.
    pub dropped: Vec<KeyInfo>,
}

impl<P: Platform> Vault<P> {
    /// Makes the list of records anew and opens the vault, if it is bound to this relay; otherwise it
    /// stays locked. With `drop`, deletes what does not open, or is not listed, except what a newer
    /// version wrote.
    ///
    /// # Errors
    /// As [`Vault::unlock`], but for [`Error::RelayChanged`]; [`Error::FutureVersion`] also when the
    /// list is of a newer version. Nothing has changed then.
    pub fn repair(&self, way: &Unlock, drop: bool) -> Call<'_, P, Repaired> {
        Call::new(self, || {
            // A vault past its deadline is not open, though nobody has looked since.
            self.handle(Input::Woken);
            let wait = self.begin_closed(Records::Stored).proof(way.copied());
            let told = Rc::new(RefCell::new(Repaired::default()));
            let tell = Rc::clone(&told);
            let wait = wait.replace(move |vault, ready| {
                let (repaired, replacement) = vault.repaired(ready, drop)?;
                *tell.borrow_mut() = repaired;
                Ok(replacement)
            });
            Ok(wait.then(move |vault, ready| {
                let mut repaired = told.take();
                let mut session = ready.session.take().ok_or(Error::StorageFailed)?;
                session.note_unopened(&repaired.found);
                repaired.keys = session.key_infos(vault.now());
                if vault.check_here(ready.header()?).is_ok() {
                    vault.put_in_place(ready.ticket, session)?;
                    vault.tell_expiring();
                } else {
                    vault.state.borrow_mut().blocking.clear();
                    vault.emit(&Event::Change);
                }
                Ok(repaired)
            }))
        })
    }

    /// The vault with its list made anew, to be written if the store still holds what was found.
    fn repaired(&self, ready: &mut Ready<P>, drop: bool) -> Result<(Repaired, Replacement), Error> {
        let header = ready.header()?.clone();
        let (slot, vault_key) = ready.proven.take().ok_or(Error::Corrupt)?;
        let stored = std::mem::take(&mut ready.found);
        let guard = find_manifest(&stored);
        let keys = vault_key.derive(header.vault)?;
        let old = match &guard {
            Some(bytes) => match Manifest::decode(bytes, header.vault, &keys) {
                Ok(manifest) => Some(manifest),
                // What only a newer version can read is that version's to repair.
                Err(FormatError::FutureVersion) => return Err(Error::FutureVersion),
                Err(_) => None,
            },
            None => None,
        };

        let mut session = Session::survey(header.clone(), keys, stored);
        let mut relist = Relist::new(old.as_ref());
        relist.go_through(&session);
        let highest = relist.list.revision.max(slot.revision);
        relist.list.revision = highest.saturating_add(AHEAD);
        session.manifest = relist.list;
        let mut repaired = Repaired {
            relisted: relist.relisted,
            found: relist.found,
            ..Repaired::default()
        };
        session.note_unopened(&repaired.found);

        let mut changes = Changes::default();
        for id in relist.outdated {
            session.switch_off(id, &mut changes)?;
        }
        let event = AuditEvent {
            at: self.now(),
            action: Action::Repaired,
            id: Id::ONLY,
            number: u16::try_from(repaired.found.len()).unwrap_or(u16::MAX),
        };
        session.append_events(&[event], &mut changes)?;
        if drop {
            session.drop_unopened(&repaired.found, &mut changes);
            repaired.dropped = session.key_infos(self.now());
            let deleted =
                |info: &KeyInfo| changes.deletes(RecordKey::new(Kind::Secret, info.record.id));
            repaired.dropped.retain(deleted);
        }
        let mut staged = session.stage(changes, Durability::Strict, self.platform.random())?;
        staged.batch.guard = guard;
        Ok((
            repaired,
            Replacement {
                header,
                vault_key,
                slots: Vec::new(),
                batch: staged.batch,
                first: false,
            },
        ))
    }
}

/// The new list on its way.
struct Relist<'a> {
    /// The list there was, if it is authentic.
    old: Option<&'a Manifest>,
    list: Manifest,
    found: Vec<Damage>,
    relisted: bool,
    /// Keys of which a record is older than listed, or does not fit the other.
    outdated: Vec<Id>,
}

impl<'a> Relist<'a> {
    fn new(old: Option<&'a Manifest>) -> Self {
        Self {
            old,
            list: Manifest::at_revision(old.map_or(0, |old| old.revision)),
            found: Vec::new(),
            relisted: old.is_none(),
            outdated: Vec::new(),
        }
    }

    fn tell(&mut self, record: RecordKey, kind: DamageKind) {
        self.found.push(Damage { record, kind });
        if kind == DamageKind::RolledBack
            && is_precious(record)
            && !self.outdated.contains(&record.id)
        {
            self.outdated.push(record.id);
        }
    }

    fn go_through(&mut self, survey: &Session) {
        for (record, claimed) in survey.manifest().entries() {
            self.place(*record, *claimed, survey.damage_at(*record));
        }
        for (record, listed) in self.old.map(Manifest::entries).unwrap_or_default() {
            if survey.record(*record).is_none() {
                self.tell(*record, DamageKind::Missing);
                if is_precious(*record) {
                    self.list.set(*record, *listed);
                }
            }
        }
        // A key is shown, and can be removed, when both its records are listed.
        for (record, _) in self.list.clone().entries() {
            let other = match record.kind {
                Kind::Metadata => RecordKey::new(Kind::Secret, record.id),
                Kind::Secret => RecordKey::new(Kind::Metadata, record.id),
                _ => continue,
            };
            if self.list.revision_of(other).is_none() {
                self.tell(other, DamageKind::Missing);
                self.list.set(other, 0);
            }
        }
        for id in survey.unlike_their_keys() {
            if !self.outdated.contains(&id) && self.lists(id) {
                self.tell(RecordKey::new(Kind::Secret, id), DamageKind::RolledBack);
            }
        }
    }

    fn lists(&self, id: Id) -> bool {
        let key = RecordKey::new(Kind::Secret, id);
        self.list.revision_of(key).is_some()
    }

    /// Decides about a record that is there, at the revision it claims; `wrong` when it does not open
    /// at that.
    fn place(&mut self, record: RecordKey, claimed: u64, wrong: Option<DamageKind>) {
        // Slots are not authenticated by the vault key: what they claim proves nothing.
        let proven = wrong.is_none() && record.kind != Kind::Slot;
        if proven {
            self.list.revision = self.list.revision.max(claimed);
        }
        let (revision, told) = match (self.old, wrong) {
            // A key that does not open stays to be seen, and removed; else nothing of it is missed.
            (None, Some(kind)) => {
                let stays = is_precious(record) || kind == DamageKind::FutureVersion;
                (stays.then_some(claimed), Some(kind))
            }
            (None, None) => (Some(claimed), None),
            (Some(old), _) => match (old.revision_of(record), wrong) {
                (Some(listed), Some(kind)) => (Some(listed), Some(kind)),
                (Some(listed), None) => {
                    self.relisted |= claimed > listed;
                    let older = (claimed < listed).then_some(DamageKind::RolledBack);
                    (Some(claimed), older)
                }
                (None, None) if claimed > old.revision && proven => {
                    self.relisted = true;
                    (Some(claimed), None)
                }
                (None, _) => (None, Some(DamageKind::Foreign)),
            },
        };
        if let Some(revision) = revision {
            self.list.set(record, revision);
        }
        if let Some(kind) = told {
            self.tell(record, kind);
        }
    }
}

impl Session {
    /// All records, each at the revision it claims, and opened: damage is what does not open then.
    fn survey(header: Header, keys: VaultKeys, found: Found) -> Self {
        let mut list = Manifest::default();
        for (key, bytes) in &found {
            if !matches!(key.kind, Kind::Header | Kind::Manifest) {
                list.set(*key, envelope::claimed_revision(bytes));
            }
        }
        let mut session = Self::listed(header, keys, list, Vec::new(), found);
        let entries = session.manifest().entries().to_vec();
        for (record, _) in entries {
            // The others have been opened when they were read.
            let opened = match record.kind {
                Kind::Secret => session.open_text(record).map(drop),
                Kind::Audit => session
                    .open_text(record)
                    .and_then(|text| audit::decode(&text))
                    .map(drop),
                _ => Ok(()),
            };
            if let Err(error) = opened {
                session.note_damage(record, error.into());
            }
        }
        session
    }

    fn damage_at(&self, record: RecordKey) -> Option<DamageKind> {
        let mut damage = self.damage().iter();
        damage
            .find(|damage| damage.record == record)
            .map(|damage| damage.kind)
    }

    /// Keys whose records both open and were written at different times: the one has not the other's
    /// fingerprint.
    fn unlike_their_keys(&self) -> impl Iterator<Item = Id> {
        let unlike = |fingerprint: &[u8; 32], id| {
            let key = self.open_text(RecordKey::new(Kind::Secret, id)).ok()?;
            Some(self.keys().fingerprint(&key).ok()? != *fingerprint)
        };
        self.key_records()
            .iter()
            .filter(move |record| unlike(&record.fingerprint, record.id) == Some(true))
            .map(|record| record.id)
    }

    /// Keeps an outdated key from being used before a person has looked at it, and makes its record
    /// fit it.
    fn switch_off(&self, id: Id, changes: &mut Changes) -> Result<(), Error> {
        let key = self.open_text(RecordKey::new(Kind::Secret, id));
        if let (Some(record), Ok(key)) = (self.key_record(id), key) {
            let mut record = record.clone();
            record.active = false;
            record.preview = std::str::from_utf8(&key).map(preview).unwrap_or_default();
            // The fingerprint is taken of the key itself.
            record.fingerprint = self.keys().fingerprint(&key)?;
            changes.put_key(&record, None)?;
        }
        Ok(())
    }

    /// Deletes what does not open or is not listed, but for what a newer version can read: keys with
    /// all that belongs to them.
    fn drop_unopened(&self, found: &[Damage], changes: &mut Changes) {
        let newer = |record: RecordKey| {
            self.damage().iter().any(|damage| {
                damage.kind == DamageKind::FutureVersion && damage.record.id == record.id
            })
        };
        for Damage { record, kind } in found {
            let kinds: &[Kind] = match kind {
                DamageKind::RolledBack | DamageKind::FutureVersion => continue,
                // Whether a slot opens only its secret can tell.
                _ if record.kind == Kind::Slot || newer(*record) => continue,
                DamageKind::Corrupt | DamageKind::Missing if is_precious(*record) => {
                    &[Kind::Metadata, Kind::Secret, Kind::Usage]
                }
                _ => &[record.kind],
            };
            for kind in kinds {
                let doomed = RecordKey::new(*kind, record.id);
                if !changes.writes(doomed) {
                    changes.delete(doomed);
                }
            }
        }
    }

    /// Notes listed records of which opening the vault does not tell that they do not open.
    fn note_unopened(&mut self, found: &[Damage]) {
        for Damage { record, kind } in found {
            let opens = matches!(kind, DamageKind::RolledBack | DamageKind::Foreign);
            if !opens && self.manifest().revision_of(*record).is_some() {
                self.note_damage(*record, *kind);
            }
        }
    }
}

impl<P: Platform> Vault<P> {
    /// Puts what was read of the vault in the place of what is known of it, or opens it with that.
    pub(super) fn put_in_place(&self, ticket: Ticket, mut session: Session) -> Result<(), Error> {
        if !matches!(self.state.borrow().stage, Stage::Unlocked(_)) {
            return self.install(ticket.0, session);
        }
        // Deadlines go on as they were: this is no new unlock.
        self.with_mut(ticket, |current| {
            session.take_unsaved(current);
            *current = session;
            Ok(())
        })?;
        self.emit(&Event::Change);
        Ok(())
    }
}
