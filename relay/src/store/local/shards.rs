//! A map split over locks, bounded, whose entries expire.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::StoreError;
use super::super::clock::Micros;

/// Enough that callers on a machine of many cores seldom meet at one lock.
const SHARDS: usize = 64;

/// Shortest time between two searches of a full shard for something expired: a full shard under
/// load must not be walked for every request.
const SEARCH_PAUSE: Micros = 1_000_000;

/// A value and the moment from which it no longer counts.
pub(super) struct Timed<V> {
    pub(super) value: V,
    pub(super) expires: Micros,
}

/// One part of the map. Reached through [`Shards::lock`].
pub(super) struct Shard<K, V, S> {
    map: HashMap<K, Timed<V>, S>,
    capacity: usize,
    searched: Micros,
}

/// `S` hashes the keys: by default so that nobody can choose keys that meet.
pub(super) struct Shards<K, V, S = RandomState> {
    hasher: S,
    shards: Box<[Mutex<Shard<K, V, S>>]>,
}

impl<K: Hash + Eq, V, S: BuildHasher + Clone + Default> Shards<K, V, S> {
    /// For at most about `capacity` entries.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.div_ceil(SHARDS).max(1);
        let shard = || {
            Mutex::new(Shard {
                map: HashMap::default(),
                capacity,
                searched: 0,
            })
        };
        Self {
            hasher: S::default(),
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
        }
    }

    /// The part that holds `key`. Nothing may be awaited while holding it.
    pub(super) fn lock(&self, key: &K) -> MutexGuard<'_, Shard<K, V, S>> {
        // Bits that the maps do not use: theirs are the lowest and the highest.
        #[allow(clippy::cast_possible_truncation)] // the rest are as random
        let at = (self.hasher.hash_one(key) >> 32) as usize % self.shards.len();
        #[allow(clippy::indexing_slicing)] // `at` is a remainder of the length, never zero
        let shard = &self.shards[at];
        // Every change is complete before its guard goes: a panic elsewhere leaves sound state.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what has expired.
    pub(super) fn sweep(&self, now: Micros) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.map.retain(|_, entry| entry.expires > now);
            if shard.map.capacity() > 4 * shard.map.len().max(64) {
                shard.map.shrink_to_fit();
            }
        }
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Shard<K, V, S> {
    pub(super) fn get(&self, key: &K, now: Micros) -> Option<&V> {
        self.map
            .get(key)
            .filter(|entry| entry.expires > now)
            .map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, key: &K, now: Micros) -> Option<&mut V> {
        self.map
            .get_mut(key)
            .filter(|entry| entry.expires > now)
            .map(|entry| &mut entry.value)
    }

    pub(super) fn entry(&mut self, key: K) -> Entry<'_, K, Timed<V>> {
        self.map.entry(key)
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.map.remove(key);
    }

    /// Puts `value` in place of whatever was there.
    pub(super) fn insert(
        &mut self,
        key: K,
        value: V,
        now: Micros,
        expires: Micros,
    ) -> Result<(), StoreError> {
        if !self.map.contains_key(&key) {
            self.make_room(now)?;
        }
        self.map.insert(key, Timed { value, expires });
        Ok(())
    }

    /// What is there, or `make()` in its place when there is nothing or it has expired.
    pub(super) fn get_or_insert_with(
        &mut self,
        key: K,
        now: Micros,
        make: impl FnOnce() -> V,
    ) -> Result<&mut Timed<V>, StoreError> {
        if !self.map.contains_key(&key) {
            self.make_room(now)?;
        }
        match self.map.entry(key) {
            Entry::Occupied(mut entry) => {
                if entry.get().expires <= now {
                    entry.insert(Timed {
                        value: make(),
                        expires: now,
                    });
                }
                Ok(entry.into_mut())
            }
            Entry::Vacant(entry) => Ok(entry.insert(Timed {
                value: make(),
                expires: now,
            })),
        }
    }

    fn make_room(&mut self, now: Micros) -> Result<(), StoreError> {
        if self.map.len() < self.capacity {
            return Ok(());
        }
        if now.saturating_sub(self.searched) >= SEARCH_PAUSE {
            self.searched = now;
            self.map.retain(|_, entry| entry.expires > now);
        }
        // What is left still counts; dropping it would forget money or limits.
        if self.map.len() < self.capacity {
            Ok(())
        } else {
            Err(StoreError::not_done("full"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_is_refused_until_something_expires() {
        let shards: Shards<u8, u8> = Shards::new(1);
        let mut shard = shards.lock(&1);
        shard.insert(1, 1, 0, 5_000_000).unwrap();
        assert_eq!(shard.insert(2, 2, 1, 10).unwrap_err().reason, "full");
        shard.insert(1, 3, 1, 5_000_000).unwrap();
        shard.insert(2, 2, 5_000_000, 9_000_000).unwrap();
        assert_eq!(shard.get(&1, 5_000_000), None);
        assert_eq!(shard.get(&2, 5_000_000), Some(&2));
    }

    #[test]
    fn expired_entries_never_count() {
        let shards: Shards<u8, u8> = Shards::new(64);
        shards.lock(&1).insert(1, 1, 0, 10).unwrap();
        assert_eq!(shards.lock(&1).get(&1, 9), Some(&1));
        assert_eq!(shards.lock(&1).get(&1, 10), None);
        assert_eq!(
            shards
                .lock(&1)
                .get_or_insert_with(1, 10, || 7)
                .unwrap()
                .value,
            7
        );
        shards.sweep(20);
        assert!(shards.lock(&1).map.is_empty());
    }
}
