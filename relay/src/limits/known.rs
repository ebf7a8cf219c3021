//! Keys that have worked, remembered by this instance so that the address they come from need not
//! be looked up again.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use crate::store::{CallerId, IdHash};

/// Two generations of this many; 16 bytes each.
const GENERATION: usize = 50_000;

/// A set that forgets what was not seen for a while: when the young generation is full, the old
/// one goes.
#[derive(Default)]
pub(super) struct Known(RwLock<Generations>);

#[derive(Default)]
struct Generations {
    young: HashSet<CallerId, IdHash>,
    old: HashSet<CallerId, IdHash>,
}

impl Known {
    pub(super) fn contains(&self, id: CallerId) -> bool {
        let generations = self.0.read().unwrap_or_else(PoisonError::into_inner);
        generations.young.contains(&id) || generations.old.contains(&id)
    }

    pub(super) fn insert(&self, id: CallerId) {
        if self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .young
            .contains(&id)
        {
            return;
        }
        let mut generations = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_generation_is_forgotten() {
        let known = Known::default();
        let id = |n: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            CallerId::new(bytes)
        };
        for n in 0..2 * GENERATION + 1 {
            known.insert(id(n));
        }
        assert!(!known.contains(id(0)));
        assert!(known.contains(id(GENERATION)));
        assert!(known.contains(id(2 * GENERATION)));
    }
}
