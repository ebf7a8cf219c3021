//! What keys are used for: counted in memory at once, written behind.

use super::{Ticket, Vault, change::Changes, session::Session, table::Table};
use crate::{
    error::Error,
    format::{
        audit::{Action, Event as AuditEvent},
        id::{Id, Kind, RecordKey},
        usage::{Day, Usage, day_of},
    },
    lock::Reason,
    platform::Platform,
    store::{Batch, Durability, Store, StoreError},
};

impl<P: Platform> Vault<P> {
    /// Counts a use of a key.
    pub(crate) fn count_use(&self, ticket: Ticket, id: Id, counts: Day) -> Result<(), Error> {
        let now = self.now();
        self.with_mut(ticket, |session| {
            let mut usage = session.unsaved.usage.remove(id).unwrap_or_default();
            usage.last_used_at = Some(now);
            usage.add(&Day {
                day: day_of(now),
                ..counts
            });
            session.unsaved.usage.insert(id, usage);
            Ok(())
        })
    }

    /// Counts a request that is about to be made with a key; `false` when what is under way with that
    /// key may reach its cap. Looked at here, where nothing comes between looking and counting.
    pub(crate) fn begin_use(&self, ticket: Ticket, id: Id) -> Result<bool, Error> {
        let today = day_of(self.now());
        let begun = self.with_mut(ticket, |session| {
            let cap = session.key_record(id).and_then(|key| key.daily_cap_micros);
            if let Some(cap) = cap {
                let usage = session.usage(id);
                let running = session.running.iter().filter(|other| **other == id);
                let running = running.fold(0, |count, _| count + 1);
                let expected = usage.mean_cost(running).saturating_mul(running);
                if usage.spent_on(today).saturating_add(expected) >= cap {
                    return Ok(false);
                }
            }
            session.running.push(id);
            Ok(true)
        })?;
        if begun {
            self.count_use(ticket, id, Day::default())?;
        }
        Ok(begun)
    }

    /// A request has ended, or nothing more will be known of what it costs.
    pub(crate) fn end_use(&self, ticket: Ticket, id: Id) {
        // A lock has ended them all.
        drop(self.with_mut(ticket, |session| {
            if let Some(at) = session.running.iter().position(|other| *other == id) {
                session.running.swap_remove(at);
            }
            Ok(())
        }));
    }

    /// Writes what has been counted and noted, and what a lock left to be written. Calls made at
    /// once take turns: each comes back when everything known at its beginning is written.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`] when the vault is not open; storage errors: the counts
    /// stay in memory then.
    pub async fn flush(&self) -> Result<(), Error> {
        let _turn = self.flushing.next().await;
        let parting = self.parting.take();
        let mut turn = None;
        for batch in parting {
            if turn.is_none() {
                turn = Some(self.platform.store().turn().await);
            }
            // Once the keys are gone it cannot be made anew: when another tab was faster, or the
            // store fails, it is lost.
            if self.platform.store().write(&batch).await != Err(StoreError::Conflict) {
                break;
            }
        }
        drop(turn);
        self.flush_open().await
    }

    async fn flush_open(&self) -> Result<(), Error> {
        // Writing behind is not a use: it must not put the idle deadline off.
        self.check_open()?;
        let ticket = Ticket(self.epoch.get());
        loop {
            let unsaved = self.with(ticket, |session| Ok(session.unsaved.clone()))?;
            if unsaved.is_empty() {
                return Ok(());
            }
            self.commit(ticket, Durability::Relaxed, &|session| {
                session.with_unsaved(&unsaved)
            })
            .await?;
        }
    }

    /// What a session leaves to be written when it is locked: its keys are there for the last time.
    /// A change on its way may arrive or not, so there is one for either case.
    pub(super) fn parting_of(&self, session: &mut Session, reason: Reason, at: u64) -> Vec<Batch> {
        if matches!(
            reason,
            Reason::Rekeyed | Reason::StorageLost | Reason::RolledBack
        ) {
            // Another vault is in its place, an older one, or none.
            return Vec::new();
        }
        session.unsaved.events.push(AuditEvent {
            at,
            action: Action::Locked,
            id: Id::ONLY,
            number: reason as u16,
        });
        let mut parting = Vec::new();
        parting.extend(self.parting_now(session));
        for staged in self.in_flight.borrow().iter() {
            session.adopt(staged);
            parting.extend(self.parting_now(session));
        }
        parting
    }

    fn parting_now(&self, session: &Session) -> Option<Batch> {
        let changes = session.with_unsaved(&session.unsaved).ok()?;
        let staged = session.stage(changes, Durability::Relaxed, self.platform.random());
        staged.ok().map(|staged| staged.batch)
    }
}

/// What is counted and noted, and not written yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsaved {
    /// By key.
    pub(super) usage: Table<Id, Usage>,
    /// Oldest first.
    pub(super) events: Vec<AuditEvent>,
}

impl Unsaved {
    pub(super) fn is_empty(&self) -> bool {
        self.usage.is_empty() && self.events.is_empty()
    }

    /// Takes out what was written, leaving what came meanwhile.
    pub(super) fn subtract(&mut self, written: &Self) {
        subtract(&mut self.usage, &written.usage);
        // Events come at the end only: what was written stands in front.
        self.events
            .drain(..written.events.len().min(self.events.len()));
    }
}

impl Session {
    /// The change that writes what is unsaved.
    fn with_unsaved(&self, unsaved: &Unsaved) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        for (id, counted) in unsaved.usage.iter() {
            if self.key_record(id).is_none() {
                continue;
            }
            let mut usage = self.stored_usage(id);
            usage.last_used_at = usage.last_used_at.max(counted.last_used_at);
            counted.days.iter().for_each(|day| usage.add(day));
            changes.put(RecordKey::new(Kind::Usage, id), usage.encode()?);
        }
        self.append_events(&unsaved.events, &mut changes)?;
        changes.unsaved = unsaved.clone();
        Ok(changes)
    }
}

/// Takes what was written out of what waits, leaving what came meanwhile.
fn subtract(unsaved: &mut Table<Id, Usage>, written: &Table<Id, Usage>) {
    for (id, written) in written.iter() {
        let Some(waiting) = unsaved.get_mut(id) else {
            continue;
        };
        if waiting == written {
            unsaved.remove(id);
            continue;
        }
        for day in &mut waiting.days {
            if let Some(done) = written.days.iter().find(|done| done.day == day.day) {
                day.subtract(done);
            }
        }
    }
}
