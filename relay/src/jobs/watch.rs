//! Who waits for a job to change: clients that listen to its events, and the worker that has it.
//! Records in this process tell of changes themselves; those in Redis are asked for by one task per
//! process, all at once, and only while somebody waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Jobs;
use super::ledger::Ledger as _;
use crate::store::JobId;

/// Between two looks at records in Redis.
const INTERVAL: Duration = Duration::from_millis(250);
/// Jobs asked for in one operation.
const BATCH: usize = 500;

/// See the module.
#[derive(Default)]
pub(super) struct Changes {
    watched: Mutex<HashMap<JobId, watch::Sender<u64>>>,
    wanted: Notify,
}

impl Changes {
    /// The version of a job, from now on. Zero until the first look, and when it is gone.
    pub(super) fn subscribe(&self, id: JobId) -> watch::Receiver<u64> {
        let receiver = {
            let mut watched = self.lock();
            watched.retain(|_, sender| sender.receiver_count() > 0);
            watched
                .entry(id)
                .or_insert_with(|| watch::Sender::new(0))
                .subscribe()
        };
        self.wanted.notify_one();
        receiver
    }

    /// Tells those who wait.
    pub(super) fn tell(&self, id: JobId, version: u64) {
        if let Some(sender) = self.lock().get(&id) {
            sender.send_if_modified(|known| std::mem::replace(known, version) != version);
        }
    }

    /// Those somebody waits for.
    fn watched(&self) -> Vec<JobId> {
        self.lock()
            .iter()
            .filter(|(_, sender)| sender.receiver_count() > 0)
            .map(|(id, _)| *id)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<u64>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at records in Redis as long as there are jobs to serve.
pub(super) async fn look(jobs: Weak<Jobs>, changes: Arc<Changes>) {
    loop {
        let ids = changes.watched();
        if ids.is_empty() {
            changes.wanted.notified().await;
            continue;
        }
        {
            let Some(jobs) = jobs.upgrade() else { return };
            for batch in ids.chunks(BATCH) {
                // While Redis is away nothing is known to have changed.
                let Ok(versions) = jobs.ledger().versions(batch).await else {
                    continue;
                };
                for (id, version) in batch.iter().zip(versions) {
                    changes.tell(*id, version);
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_waits_for_is_asked_for() {
        let changes = Changes::default();
        let (one, other) = (JobId::new([1; 16]), JobId::new([2; 16]));
        let first = changes.subscribe(one);
        let mut second = changes.subscribe(one);
        assert_eq!(changes.watched(), [one]);
        changes.tell(one, 3);
        // Nobody waits for it.
        changes.tell(other, 9);
        assert!(second.has_changed().unwrap());
        assert_eq!(*second.borrow_and_update(), 3);
        changes.tell(one, 3);
        assert!(!second.has_changed().unwrap());
        drop((first, second));
        assert!(changes.watched().is_empty());
        // What nobody waits for any more is forgotten with the next subscription.
        let _third = changes.subscribe(other);
        assert_eq!(changes.lock().len(), 1);
    }
}
