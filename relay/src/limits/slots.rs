//! How many calls of one caller run at a time on this instance.
//!
//! Kept in the process, also with shared state: what it guards is this instance's memory and
//! connections, and it must not cost a round trip.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::{CallerId, IdHash};

/// Enough that two callers seldom wait for the same lock.
const SHARDS: usize = 32;

type Running = HashMap<CallerId, u32, IdHash>;
type Shard = Mutex<Running>;

/// The calls that run now, by caller.
#[derive(Debug)]
pub(super) struct Slots {
    shards: Vec<Arc<Shard>>,
}

/// One running call; given back when it is dropped.
#[derive(Debug)]
pub struct Slot {
    shard: Arc<Shard>,
    caller: CallerId,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Arc::default()).collect(),
        }
    }
}

impl Slots {
    /// Takes a slot; `None` when `limit` calls of the caller run already.
    pub(super) fn enter(&self, caller: CallerId, limit: u32) -> Option<Slot> {
        // The name is a hash already: any byte of it spreads evenly.
        let shard = self.shards.get(caller.first_byte() % self.shards.len())?;
        let mut running = lock(shard);
        let count = running.entry(caller).or_insert(0);
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Slot {
            shard: Arc::clone(shard),
            caller,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(&self.shard).entry(self.caller) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

fn lock(shard: &Shard) -> MutexGuard<'_, Running> {
    // Nothing here panics half-way; a poisoned count is still a count.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_a_time_and_no_trace_after() {
        let slots = Slots::default();
        let (one, other) = (CallerId::new([1; 16]), CallerId::new([2; 16]));
        let first = slots.enter(one, 2).unwrap();
        let second = slots.enter(one, 2).unwrap();
        assert!(slots.enter(one, 2).is_none());
        assert!(slots.enter(other, 2).is_some());
        drop(first);
        let third = slots.enter(one, 2).unwrap();
        assert!(slots.enter(one, 2).is_none());
        drop((second, third));
        assert!(slots.shards.iter().all(|shard| lock(shard).is_empty()));
        assert!(slots.enter(one, 0).is_none());
    }
}
