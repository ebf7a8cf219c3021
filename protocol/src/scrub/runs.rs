//! Runs of the key's characters that end at the character being read.

use super::{MAX_HELD, WINDOW};
use std::ops::Range;
use zeroize::Zeroizing;

/// The key as sets of positions, 64 to a word (Baeza-Yates and Gonnet's Shift-And).
pub(super) struct Pattern {
    /// Length of the runs to be found; 0 when there is no key.
    pub(super) window: usize,
    words: usize,
    /// For each byte value, the positions at which the key has it.
    positions: Zeroizing<Vec<u64>>,
    /// The positions from which a run can go on: all but the last.
    open: Vec<u64>,
}

impl Pattern {
    pub(super) fn new(secret: &[u8]) -> Self {
        let words = secret.len().div_ceil(64);
        let mut positions = Zeroizing::new(vec![0; 256 * words]);
        let mut open = vec![0; words];
        for (index, &byte) in secret.iter().enumerate() {
            let (word, bit) = (index / 64, 1u64 << (index % 64));
            if let Some(set) = positions.get_mut(usize::from(byte) * words + word) {
                *set |= bit;
            }
            if index + 1 < secret.len()
                && let Some(set) = open.get_mut(word)
            {
                *set |= bit;
            }
        }
        Self {
            window: secret.len().min(WINDOW),
            words,
            positions,
            open,
        }
    }

    fn of(&self, byte: u8) -> &[u64] {
        let from = usize::from(byte) * self.words;
        self.positions
            .get(from..from + self.words)
            .unwrap_or_default()
    }
}

/// The runs of key characters that end at the last character read.
pub(super) struct Runs {
    /// For each length from 1 to the window, the positions at which such a run ends.
    ends: Zeroizing<Vec<u64>>,
    /// The longest run's length.
    pub(super) longest: usize,
    /// Where each character begins that a longer run would need.
    pub(super) starts: Vec<usize>,
}

impl Runs {
    pub(super) fn new(pattern: &Pattern) -> Self {
        Self {
            ends: Zeroizing::new(vec![0; pattern.window * pattern.words]),
            longest: 0,
            starts: Vec::with_capacity(WINDOW),
        }
    }

    pub(super) fn clear(&mut self) {
        self.ends.fill(0);
        self.longest = 0;
        self.starts.clear();
    }

    /// Takes a character that stands in `start..end`; `None` is one no key has.
    pub(super) fn character(
        &mut self,
        pattern: &Pattern,
        char: Option<u8>,
        start: usize,
        end: usize,
        cuts: &mut Vec<Range<usize>>,
    ) {
        let Some(here) = char.map(|char| pattern.of(char)) else {
            self.clear();
            return;
        };
        let words = pattern.words;
        let top = (self.longest + 1).min(pattern.window);
        self.longest = 0;
        let mut extendable = 0;
        for length in (1..=top).rev() {
            let (shorter, this) = self.ends.split_at_mut((length - 1) * words);
            let shorter = shorter.rchunks(words).next();
            let mut carry = 0;
            let mut any = 0;
            let mut any_open = 0;
            for (word, slot) in this.iter_mut().take(words).enumerate() {
                let before = match shorter {
                    Some(shorter) => {
                        let bits = shorter.get(word).copied().unwrap_or(0);
                        let shifted = bits << 1 | carry;
                        carry = bits >> 63;
                        shifted
                    }
                    // Every character may begin a run.
                    None => u64::MAX,
                };
                *slot = before & here.get(word).copied().unwrap_or(0);
                any |= *slot;
                any_open |= *slot & pattern.open.get(word).copied().unwrap_or(0);
            }
            if any != 0 {
                self.longest = self.longest.max(length);
            }
            if any_open != 0 {
                extendable = extendable.max(length);
            }
        }
        if self.longest == pattern.window {
            let from = self.starts.first().copied().unwrap_or(start);
            cuts.push(from..end);
            self.starts.clear();
            return;
        }
        self.starts.push(start);
        let surplus = self.starts.len().saturating_sub(extendable);
        self.starts.drain(..surplus);
    }

    /// Lets go of characters that would keep more than [`MAX_HELD`] bytes waiting.
    pub(super) fn release(&mut self, offset: usize) {
        let surplus = self
            .starts
            .iter()
            .take_while(|start| offset - **start > MAX_HELD)
            .count();
        self.starts.drain(..surplus);
    }
}
