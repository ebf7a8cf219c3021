//! The audit log and the reports read from it and from the usage records.

use super::{Call, Vault, call::Records, change::Changes, session::Session};
use crate::{
    error::Error,
    format::{
        audit::{self, Action, CHUNK_EVENTS, Event as AuditEvent, KEPT_EVENTS},
        id::{Id, Kind, RecordKey},
        usage::Day,
    },
    platform::{Event, Platform},
};

/// Full chunks kept: with the one being filled, never fewer than [`KEPT_EVENTS`].
const KEPT_CHUNKS: usize = KEPT_EVENTS.div_ceil(CHUNK_EVENTS);
/// How long before a key expires it is told.
const EXPIRY_NOTICE_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// One row of a usage report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The key.
    pub key: Id,
    /// Its provider.
    pub provider: String,
    /// Counts of one UTC day; day 0 sums up all days too old to be kept.
    pub counts: Day,
}

impl<P: Platform> Vault<P> {
    /// Notes an event; it is written with the next flush. Nothing is noted while locked.
    pub(crate) fn note(&self, action: Action, id: Id, number: u16) {
        let at = self.now();
        if let super::Stage::Unlocked(session) = &mut self.state.borrow_mut().stage {
            session.unsaved.events.push(AuditEvent {
                at,
                action,
                id,
                number,
            });
        }
    }

    /// The newest events first.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`].
    pub fn audit(&self, limit: usize) -> Call<'_, P, Vec<AuditEvent>> {
        Call::new(self, || {
            Ok(self.begin(Records::Fresh)?.then(move |vault, ready| {
                vault.with(ready.ticket, |session| {
                    Ok(session.newest_events(limit.min(KEPT_EVENTS)))
                })
            }))
        })
    }

    /// Usage by key and day, from the day of `since` (Unix milliseconds) on.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`].
    pub fn usage_report(&self, since: u64) -> Call<'_, P, Vec<UsageRow>> {
        let since = crate::format::usage::day_of(since);
        Call::new(self, || {
            Ok(self.begin(Records::Fresh)?.then(move |vault, ready| {
                vault.with(ready.ticket, |session| Ok(session.usage_since(since)))
            }))
        })
    }

    /// Tells of keys that expire within a week or have expired.
    pub(super) fn tell_expiring(&self) {
        let soon = self.now().saturating_add(EXPIRY_NOTICE_MS);
        let due: Vec<Event> = match &self.state.borrow().stage {
            super::Stage::Unlocked(session) => session
                .key_records()
                .iter()
                .filter_map(|record| {
                    let expires_at = record.expires_at.filter(|at| *at <= soon)?;
                    Some(Event::KeyExpiring {
                        id: record.id.to_hex(),
                        expires_at,
                    })
                })
                .collect(),
            _ => Vec::new(),
        };
        due.iter().for_each(|event| self.emit(event));
    }
}

impl Session {
    /// Chunks of the log, oldest first.
    fn audit_chunks(&self) -> impl DoubleEndedIterator<Item = RecordKey> {
        self.manifest()
            .entries()
            .iter()
            .map(|(key, _)| *key)
            .filter(|key| key.kind == Kind::Audit && key.id.number().is_some())
    }

    /// At most `limit` events, the newest first.
    fn newest_events(&self, limit: usize) -> Vec<AuditEvent> {
        let mut events: Vec<AuditEvent> = self.unsaved.events.clone();
        events.reverse();
        for chunk in self.audit_chunks().rev() {
            if events.len() >= limit {
                break;
            }
            // A damaged chunk is shown in the snapshot; the others are still read.
            let chunk = self.open_text(chunk).and_then(|text| audit::decode(&text));
            events.extend(chunk.unwrap_or_default().into_iter().rev());
        }
        events.truncate(limit);
        events
    }

    /// Usage by key and day, from a day on.
    fn usage_since(&self, since: u32) -> Vec<UsageRow> {
        let mut rows = Vec::new();
        for record in self.key_records() {
            for counts in self.usage(record.id).days {
                if counts.day >= since {
                    rows.push(UsageRow {
                        key: record.id,
                        provider: record.provider.clone(),
                        counts,
                    });
                }
            }
        }
        rows
    }

    /// Appends events to the log and drops chunks beyond what is kept.
    pub(super) fn append_events(
        &self,
        events: &[AuditEvent],
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let chunks: Vec<RecordKey> = self.audit_chunks().collect();
        let newest = chunks.last().and_then(|key| key.id.number());
        let readable = chunks
            .last()
            .and_then(|key| self.open_text(*key).ok())
            .and_then(|text| audit::decode(&text).ok())
            .filter(|events| events.len() < CHUNK_EVENTS);
        // A chunk that is full or cannot be read is left as it is.
        let (mut number, mut current) = match (newest, readable) {
            (Some(number), Some(events)) => (number, events),
            (Some(number), None) => (number.saturating_add(1), Vec::new()),
            (None, _) => (1, Vec::new()),
        };
        let mut written: usize = 0;
        let mut rest = events;
        while !rest.is_empty() {
            let room = CHUNK_EVENTS.saturating_sub(current.len()).min(rest.len());
            let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            current.extend_from_slice(now);
            let key = RecordKey::new(Kind::Audit, Id::numbered(number));
            changes.put(key, audit::encode(&current)?);
            written += usize::from(Some(number) != newest);
            rest = later;
            number = number.saturating_add(1);
            current.clear();
        }
        let surplus = (chunks.len() + written).saturating_sub(KEPT_CHUNKS + 1);
        chunks.iter().take(surplus).for_each(|key| {
            changes.delete(*key);
        });
        Ok(())
    }
}
