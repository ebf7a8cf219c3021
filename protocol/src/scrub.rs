//! Takes a key out of text that passes by.
//!
//! Providers echo keys in their errors, whole or in part. What leaves the relay holds no run of 8
//! characters of a key's secret part, whether they stand there plainly, as JSON escapes (of nested
//! strings too) or URL-encoded, and wherever the text was cut into chunks.
//!
//! The text is read in two ways at once, as it stands and with its escapes resolved, because a
//! backslash or percent sign before a key need not be an escape.

mod runs;
mod skim;

pub use self::skim::Skim;
use crate::catalogue::Catalogue;
use crate::path::hex;
use crate::shape::public_prefix;
use runs::{Pattern, Runs};
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
