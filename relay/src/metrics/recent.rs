//! Series that were counted in lately, so that most requests are counted without searching a
//! family by its labels.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// A busy relay counts in a few dozen series, most of the time in the same few.
const SLOTS: usize = 64;

/// A small cache of series `M` by labels `K`. Two label sets that meet in a slot take turns.
pub(super) struct Recent<K, M> {
    slots: [ArcSwapOption<(K, M)>; SLOTS],
}

impl<K, M> Default for Recent<K, M> {
    fn default() -> Self {
        Self {
            slots: [const { ArcSwapOption::const_empty() }; SLOTS],
        }
    }
}

impl<K, M> Recent<K, M> {
    /// Calls `count` with the series in the slot `hash` leads to, if its labels fit, else with what
    /// `find` finds, which takes the slot.
    pub(super) fn with(
        &self,
        hash: usize,
        fits: impl Fn(&K) -> bool,
        find: impl FnOnce() -> (K, M),
        count: impl FnOnce(&M),
    ) {
        let Some(slot) = self.slots.get(hash % SLOTS) else {
            return;
        };
        let held = slot.load();
        match held.as_deref() {
            Some((labels, series)) if fits(labels) => count(series),
            _ => {
                let found = find();
                count(&found.1);
                slot.store(Some(Arc::new(found)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn labels_that_meet_never_share_a_series() {
        let recent: Recent<usize, usize> = Recent::default();
        let searches = Cell::new(0);
        let count = |labels: usize| {
            let counted = Cell::new(None);
            let find = || {
                searches.set(searches.get() + 1);
                (labels, labels * 10)
            };
            recent.with(
                labels,
                |held| *held == labels,
                find,
                |series| counted.set(Some(*series)),
            );
            assert_eq!(counted.get(), Some(labels * 10));
        };
        for labels in [1, 1, 2, 1, 1 + SLOTS, 1, 1] {
            count(labels);
        }
        assert_eq!(searches.get(), 4);
    }
}
