//! What keys are used for: counted in memory at once, written behind.

use super::{Ticket, Vault, session::Changes, table::Table};
use crate::{
    error::Error,
    format::{
        id::{Id, Kind, RecordKey},
        usage::{Day, Usage, day_of},
    },
    platform::Platform,
    store::Durability,
};

impl<P: Platform> Vault<P> {
    /// Counts a use of a key.
    pub(crate) fn count_use(&self, ticket: Ticket, id: Id, counts: Day) -> Result<(), Error> {
        let now = self.now();
        self.with_mut(ticket, |session| {
            let mut usage = session.unsaved_usage.remove(id).unwrap_or_default();
            usage.last_used_at = Some(now);
            usage.add(&Day {
                day: day_of(now),
                ..counts
            });
            session.unsaved_usage.insert(id, usage);
            Ok(())
        })
    }

    /// Writes what has been counted. Returns at once when another call is doing so: what is counted
    /// meanwhile is written by that call too.
    ///
    /// # Errors
    /// Storage errors; the counts stay in memory then.
    pub async fn flush(&self) -> Result<(), Error> {
        if self.flushing.replace(true) {
            return Ok(());
        }
        let result = self.flush_all().await;
        self.flushing.set(false);
        result
    }

    async fn flush_all(&self) -> Result<(), Error> {
        // Writing behind is not a use: it must not put the idle deadline off.
        self.check_open()?;
        let ticket = Ticket(self.epoch.get());
        loop {
            let (batch, events) = self.with(ticket, |session| {
                Ok((
                    session.unsaved_usage.clone(),
                    session.unsaved_events.clone(),
                ))
            })?;
            if batch.is_empty() && events.is_empty() {
                return Ok(());
            }
            self.commit(ticket, Durability::Relaxed, &|session| {
                let mut changes = Changes::default();
                for (id, unsaved) in batch.iter() {
                    if session.key_record(id).is_none() {
                        continue;
                    }
                    let mut usage = session.stored_usage(id);
                    usage.last_used_at = usage.last_used_at.max(unsaved.last_used_at);
                    unsaved.days.iter().for_each(|day| usage.add(day));
                    changes.put(RecordKey::new(Kind::Usage, id), usage.encode()?);
                }
                session.append_events(&events, &mut changes)?;
                Ok(changes)
            })
            .await?;
            self.with_mut(ticket, |session| {
                subtract(&mut session.unsaved_usage, &batch);
                // Events come at the end only: what was written stands in front.
                session
                    .unsaved_events
                    .drain(..events.len().min(session.unsaved_events.len()));
                Ok(())
            })?;
        }
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
