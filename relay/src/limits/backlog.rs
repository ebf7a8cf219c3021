//! What the store has still to be told: settlements that could not be delivered.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::store::{Settlement, Store};

/// Settlements kept for later, about 300 bytes each. Beyond this the oldest go: reservations among
/// them stand at their estimate, other calls go uncounted.
const CAPACITY: usize = 20_000;

#[derive(Default)]
pub(super) struct Backlog(Mutex<VecDeque<Settlement>>);

impl Backlog {
    pub(super) fn push(&self, settlement: Settlement) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= CAPACITY {
            waiting.pop_front();
            tracing::warn!("a settlement was given up: shared state has been away for too long");
        }
        waiting.push_back(settlement);
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Delivers what waits, in order, until the store fails again.
    pub(super) async fn deliver(&self, store: &impl Store) {
        loop {
            let next = self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            let Some(settlement) = next else { return };
            if let Err(error) = store.settle(&settlement).await {
                if may_repeat(&settlement, error) {
                    let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    waiting.push_front(settlement);
                }
                return;
            }
        }
    }
}

/// A reservation settles once however often it is told; without one, a settlement that may have
/// been counted is not counted again.
pub(super) fn may_repeat(settlement: &Settlement, error: crate::store::StoreError) -> bool {
    settlement.held.is_some() || error.outcome == crate::store::Outcome::NotDone
}
