//! Workers that are tasks of this process.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::jobs::work::{Next, work};
use crate::state::Relay;
use crate::store::JobId;

/// See the module.
pub(crate) struct Here {
    slots: Arc<Semaphore>,
    running: TaskTracker,
    stop: CancellationToken,
}

impl Here {
    /// With so many at a time.
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(concurrency)),
            running: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn add(&self, relay: &Arc<Relay>, id: JobId) {
        let (relay, slots) = (Arc::clone(relay), Arc::clone(&self.slots));
        self.running.spawn(run(relay, id, slots, self.stop.clone()));
    }

    pub(super) async fn drained(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }
}

/// Brings one job to its end, as slots are free, unless it is told to stop between two attempts.
async fn run(relay: Arc<Relay>, id: JobId, slots: Arc<Semaphore>, stop: CancellationToken) {
    loop {
        let next = {
            let waiting = relay.metrics().queued_job();
            let slot = tokio::select! {
                slot = slots.acquire() => slot,
                () = stop.cancelled() => return,
            };
            drop(waiting);
            let Ok(_slot) = slot else { return };
            work(&relay, id).await
        };
        let Next::Again(pause) = next else { return };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}
