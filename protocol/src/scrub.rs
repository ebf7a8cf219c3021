//! Takes a key out of text that passes by.
//!
//! Providers echo keys in their errors, whole or in part. What leaves the relay holds no run of 8
//! characters of a key's secret part, whether they stand there plainly, as JSON escapes (of nested
//! strings too) or URL-encoded, and wherever the text was cut into chunks.
//!
//! The text is read in two ways at once, as it stands and with its escapes resolved, because a
//! backslash or percent sign before a key need not be an escape.

mod skim;

pub use self::skim::Skim;
use crate::catalogue::Catalogue;
use crate::path::hex;
use crate::shape::public_prefix;
use std::borrow::Cow;
use std::ops::Range;
use zeroize::Zeroizing;

/// So many characters in a row give a key away.
pub const WINDOW: usize = 8;
/// Most bytes held back at any time. A run whose escapes take more than this shows its first
/// characters, at most seven of them, before the rest is taken out.
pub const MAX_HELD: usize = WINDOW - 1;
/// What stands in a key's place. It needs no escaping in JSON, SSE, HTML or URLs, and its ends are
/// no characters of keys: with letters there, it could make up a run with what it stands beside.
pub const REPLACEMENT: &[u8] = b"*redacted*";

/// Scrubs a text of one key.
pub struct Scrubber {
    pattern: Pattern,
    skim: Skim,
    plain: Runs,
    decoded: Runs,
    escape: Escape,
    /// Where the escape being read begins, counted from the start of the text.
    escape_start: usize,
    /// Where the last escape ended: from there on both readings of the text are the same.
    plain_since: usize,
    held: Zeroizing<Vec<u8>>,
    /// Bytes read so far.
    offset: usize,
    /// Where the last redaction ended: one that touches it needs no new replacement.
    redacted_to: Option<usize>,
}

impl Scrubber {
    /// Scrubs `secret`: a key without its public prefix. One shorter than [`WINDOW`] is looked
    /// for as a whole.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let pattern = Pattern::new(secret);
        Self {
            plain: Runs::new(&pattern),
            decoded: Runs::new(&pattern),
            pattern,
            skim: Skim::new(secret),
            escape: Escape::None,
            escape_start: 0,
            plain_since: 0,
            held: Zeroizing::new(Vec::new()),
            offset: 0,
            redacted_to: None,
        }
    }

    /// Scrubs a whole key; its public prefix (`sk-proj-`) may stay.
    #[must_use]
    pub fn for_key(catalogue: &Catalogue, key: &str) -> Self {
        Self::new(secret_part(catalogue, key))
    }

    /// Scrubs a text that is there as a whole.
    pub fn scrub<'a>(&mut self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let passed = self.feed(text);
        let rest = self.finish();
        match passed {
            Cow::Borrowed(part) if part.len() + rest.len() == text.len() => Cow::Borrowed(text),
            _ => Cow::Owned([&*passed, &*rest].concat()),
        }
    }

    /// Reads a chunk; the answer is what to pass on now.
    pub fn feed<'a>(&mut self, chunk: &'a [u8]) -> Cow<'a, [u8]> {
        if self.pattern.window == 0 {
            return Cow::Borrowed(chunk);
        }
        let base = self.offset - self.held.len();
        let mut cuts: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        // Where to look for a leap again: past the window that stopped the last one.
        let mut leap_from = 0;
        while let Some(&byte) = chunk.get(at) {
            if at >= leap_from
                && self.skim.is_usable()
                && let Some(back) = self.rewind(at)
            {
                at -= back;
                let clear = self.skim.clear(chunk.get(at..).unwrap_or_default());
                at += clear;
                self.offset += clear;
                leap_from = at + WINDOW + back + 1;
                continue;
            }
            self.byte(byte, &mut cuts);
            at += 1;
        }
        let cuts = merge(cuts, base);
        let hold_from = self
            .hold_start()
            .max(cuts.last().map_or(base, |cut| cut.end));
        if cuts.is_empty() && self.held.is_empty() {
            let (passed, held) = chunk
                .split_at_checked(hold_from - base)
                .unwrap_or((chunk, &[]));
            self.held.extend_from_slice(held);
            return Cow::Borrowed(passed);
        }
        let mut text = core::mem::replace(&mut self.held, Zeroizing::new(Vec::new()));
        text.extend_from_slice(chunk);
        let part = |from: usize, to: usize| text.get(from - base..to - base).unwrap_or_default();
        let mut out = Vec::with_capacity(text.len());
        let mut from = base;
        for cut in cuts {
            out.extend_from_slice(part(from, cut.start));
            if self.redacted_to != Some(cut.start) {
                out.extend_from_slice(REPLACEMENT);
            }
            from = cut.end;
            self.redacted_to = Some(cut.end);
        }
        out.extend_from_slice(part(from, hold_from));
        self.held.extend_from_slice(part(hold_from, self.offset));
        Cow::Owned(out)
    }

    /// Ends the text: what was still held back. The scrubber can then take another text.
    pub fn finish(&mut self) -> Vec<u8> {
        self.plain.clear();
        self.decoded.clear();
        self.escape = Escape::None;
        self.plain_since = self.offset;
        self.redacted_to = None;
        core::mem::take(&mut *self.held)
    }

    /// Goes back to where the longest unfinished run begins, so that reading goes on as at the
    /// start of a text; by how many bytes. `None` when an escape is being read or stands in that
    /// run, or the run began before the last `within` bytes.
    fn rewind(&mut self, within: usize) -> Option<usize> {
        let back = self.plain.longest;
        let begins = self.offset - back.min(self.offset);
        let same = self.escape == Escape::None
            && self.decoded.longest == back
            && begins >= self.plain_since
            && back < self.pattern.window
            && back <= within;
        if !same {
            return None;
        }
        self.plain.clear();
        self.decoded.clear();
        self.offset = begins;
        Some(back)
    }

    /// Where the bytes that must wait begin.
    fn hold_start(&self) -> usize {
        let escape = if self.escape == Escape::None {
            self.offset
        } else {
            self.escape_start
        };
        let plain = self.plain.starts.first().copied().unwrap_or(self.offset);
        let decoded = self.decoded.starts.first().copied().unwrap_or(escape);
        // Only a chain of `%2525…` could be longer; it is no key.
        plain.min(decoded).max(self.offset.saturating_sub(MAX_HELD))
    }

    fn byte(&mut self, byte: u8, cuts: &mut Vec<Range<usize>>) {
        let at = self.offset;
        self.offset += 1;
        self.plain
            .character(&self.pattern, Some(byte), at, self.offset, cuts);
        match self.escape {
            Escape::None => self.unescaped(byte, at, cuts),
            Escape::Backslash => match byte {
                // `\\u0041`: an escape inside an escaped string. The last backslash counts.
                b'\\' => self.escape_start = at,
                b'u' => {
                    self.escape = Escape::Unicode {
                        digits: 0,
                        value: 0,
                    }
                }
                // Control characters: no key has them.
                b'b' | b'f' | b'n' | b'r' | b't' => self.resolved(None, cuts),
                _ => self.unescaped(byte, at, cuts),
            },
            Escape::Unicode { digits, value } => match hex(byte) {
                Some(digit) if digits == 3 => {
                    let unit = value << 4 | u16::from(digit);
                    self.resolved(u8::try_from(unit).ok(), cuts);
                }
                Some(digit) => {
                    let value = value << 4 | u16::from(digit);
                    self.escape = Escape::Unicode {
                        digits: digits + 1,
                        value,
                    };
                }
                None => self.failed(byte, at, cuts),
            },
            Escape::Percent => match hex(byte) {
                Some(high) => self.escape = Escape::PercentDigit(high),
                None => self.failed(byte, at, cuts),
            },
            Escape::PercentDigit(high) => match hex(byte) {
                // Encoded twice.
                Some(low) if high << 4 | low == b'%' => self.escape = Escape::Percent,
                Some(low) => self.resolved(Some(high << 4 | low), cuts),
                None => self.failed(byte, at, cuts),
            },
        }
        self.plain.release(self.offset);
        self.decoded.release(self.offset);
    }

    fn unescaped(&mut self, byte: u8, at: usize, cuts: &mut Vec<Range<usize>>) {
        let start = if self.escape == Escape::None {
            at
        } else {
            self.plain_since = self.offset;
            self.escape_start
        };
        self.escape = match byte {
            b'\\' => Escape::Backslash,
            b'%' => Escape::Percent,
            _ => Escape::None,
        };
        if self.escape == Escape::None {
            self.decoded
                .character(&self.pattern, Some(byte), start, self.offset, cuts);
        } else {
            self.escape_start = at;
        }
    }

    fn resolved(&mut self, char: Option<u8>, cuts: &mut Vec<Range<usize>>) {
        self.escape = Escape::None;
        self.plain_since = self.offset;
        self.decoded
            .character(&self.pattern, char, self.escape_start, self.offset, cuts);
    }

    /// What looked like an escape is none: [`Self::plain`] has seen it as what it is.
    fn failed(&mut self, byte: u8, at: usize, cuts: &mut Vec<Range<usize>>) {
        self.resolved(None, cuts);
        self.unescaped(byte, at, cuts);
    }
}

/// What of a key is secret: all but its public prefix.
#[must_use]
pub fn secret_part<'k>(catalogue: &Catalogue, key: &'k str) -> &'k [u8] {
    key.strip_prefix(public_prefix(catalogue, key))
        .unwrap_or(key)
        .as_bytes()
}

impl core::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Scrubber([redacted])")
    }
}

/// Sorts, joins what overlaps or touches, and leaves out what has been passed on already.
fn merge(mut cuts: Vec<Range<usize>>, base: usize) -> Vec<Range<usize>> {
    cuts.sort_by_key(|cut| cut.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(cuts.len());
    for cut in cuts {
        match merged.last_mut() {
            Some(last) if cut.start <= last.end => last.end = last.end.max(cut.end),
            _ => merged.push(cut.start.max(base)..cut.end),
        }
    }
    merged
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    /// After one backslash or more.
    Backslash,
    /// After `\u` and so many digits.
    Unicode {
        digits: u8,
        value: u16,
    },
    /// After `%`.
    Percent,
    /// After `%` and its first digit.
    PercentDigit(u8),
}

/// The key as sets of positions, 64 to a word (Baeza-Yates and Gonnet's Shift-And).
struct Pattern {
    /// Length of the runs to be found; 0 when there is no key.
    window: usize,
    words: usize,
    /// For each byte value, the positions at which the key has it.
    positions: Zeroizing<Vec<u64>>,
    /// The positions from which a run can go on: all but the last.
    open: Vec<u64>,
}

impl Pattern {
    fn new(secret: &[u8]) -> Self {
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
struct Runs {
    /// For each length from 1 to the window, the positions at which such a run ends.
    ends: Zeroizing<Vec<u64>>,
    /// The longest run's length.
    longest: usize,
    /// Where each character begins that a longer run would need.
    starts: Vec<usize>,
}

impl Runs {
    fn new(pattern: &Pattern) -> Self {
        Self {
            ends: Zeroizing::new(vec![0; pattern.window * pattern.words]),
            longest: 0,
            starts: Vec::with_capacity(WINDOW),
        }
    }

    fn clear(&mut self) {
        self.ends.fill(0);
        self.longest = 0;
        self.starts.clear();
    }

    /// Takes a character that stands in `start..end`; `None` is one no key has.
    fn character(
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
    fn release(&mut self, offset: usize) {
        let surplus = self
            .starts
            .iter()
            .take_while(|start| offset - **start > MAX_HELD)
            .count();
        self.starts.drain(..surplus);
    }
}
