//! Fields of the outermost object, found without building a tree.

use super::{Container, Event, JsonError, Reader, Sink, WholeTokens, unescape};
use std::borrow::Cow;
use std::ops::Range;

/// Type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

/// A field's value where it stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// Its type.
    pub kind: Kind,
    /// Its raw bytes; a string's quotes are included.
    pub raw: &'a [u8],
    /// Where `raw` stands in the body.
    pub span: Range<usize>,
}

impl<'a> Value<'a> {
    /// A string's text; `None` for other types and for strings with a lone surrogate.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        if self.kind != Kind::String {
            return None;
        }
        self.raw
            .get(1..self.raw.len().saturating_sub(1))
            .and_then(unescape)
    }

    /// `true` or `false`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.raw {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// A number that is a non-negative integer of at most 64 bits, written without fraction or
    /// exponent.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        core::str::from_utf8(self.raw).ok()?.parse().ok()
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }
}

/// Finds the named fields of the outermost object, in the order of `names`, `None` where absent.
/// Checks the whole body: JSON grammar, UTF-8, nesting.
///
/// For a field of a field, run it again on the [`Value::raw`] of an object.
///
/// # Errors
/// [`JsonError`]; a named field that occurs twice, in whatever spelling, is an error, as is one
/// that differs only in letter case: parsers disagree on which of them counts.
pub fn top_level<'a, const N: usize>(
    body: &'a [u8],
    names: [&str; N],
) -> Result<[Option<Value<'a>>; N], JsonError> {
    let mut slots = [Slot::Absent; N];
    scan(body, &names, &mut slots)?;
    values(body, slots)
}

fn values<const N: usize>(
    body: &[u8],
    slots: [Slot; N],
) -> Result<[Option<Value<'_>>; N], JsonError> {
    for slot in &slots {
        match *slot {
            Slot::Absent | Slot::Found(..) => {}
            Slot::Twice(at) => return Err(JsonError::DuplicateKey(at)),
            Slot::Alike(at) => return Err(JsonError::AmbiguousKey(at)),
        }
    }
    Ok(slots.map(|slot| {
        let Slot::Found(kind, start, end) = slot else {
            return None;
        };
        Some(Value {
            kind,
            raw: body.get(start..end)?,
            span: start..end,
        })
    }))
}

/// What is known of one of the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Absent,
    /// Type of the value, and from where to where it stands.
    Found(Kind, usize, usize),
    /// Its key stands a second time behind this offset.
    Twice(usize),
    /// A key that differs only in letter case stands before this offset.
    Alike(usize),
}

/// The named fields of an outermost object, read in one pass and asked for in groups, so that what
/// is wrong with one of them concerns only those who ask for it.
#[cfg(feature = "relay")]
#[derive(Clone, Debug)]
pub struct Members<const N: usize> {
    names: &'static [&'static str; N],
    slots: [Slot; N],
}

#[cfg(feature = "relay")]
impl<const N: usize> Members<N> {
    /// Reads `body` together with `other`, which takes every event as well.
    pub(crate) fn read(
        body: &[u8],
        names: &'static [&'static str; N],
        other: &mut impl WholeTokens,
    ) -> Result<Self, JsonError> {
        let mut slots = [Slot::Absent; N];
        check_utf8(body)?;
        let mut both = Both(Fields::new(body, names, &mut slots), other);
        let mut reader = Reader::new();
        reader.feed(body, &mut both)?;
        reader.finish(&mut both)?;
        Ok(Self { names, slots })
    }

    /// The fields with these names, which must be among those it was read for, of the body it was
    /// read from.
    ///
    /// # Errors
    /// As [`top_level()`].
    pub fn of<'a, const M: usize>(
        &self,
        body: &'a [u8],
        names: [&str; M],
    ) -> Result<[Option<Value<'a>>; M], JsonError> {
        let slot = |name: &str| {
            let mut slots = self.names.iter().zip(&self.slots);
            let found = slots.find(|(known, _)| **known == name);
            debug_assert!(found.is_some(), "{name} was not read");
            found.map_or(Slot::Absent, |(_, slot)| *slot)
        };
        values(body, names.map(slot))
    }
}

/// Two sinks of one reader.
#[cfg(feature = "relay")]
struct Both<'o, A, B>(A, &'o mut B);

#[cfg(feature = "relay")]
impl<A: Sink, B: Sink> Sink for Both<'_, A, B> {
    #[inline]
    fn event(&mut self, at: usize, event: Event<'_>) -> Result<(), JsonError> {
        self.0.event(at, event)?;
        self.1.event(at, event)
    }
}

#[cfg(feature = "relay")]
impl<A: WholeTokens, B: WholeTokens> WholeTokens for Both<'_, A, B> {
    #[inline]
    fn key(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.0.key(at, raw)?;
        self.1.key(at, raw)
    }

    #[inline]
    fn string(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.0.string(at, raw)?;
        self.1.string(at, raw)
    }

    #[inline]
    fn scalar(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.0.scalar(at, raw)?;
        self.1.scalar(at, raw)
    }
}

fn check_utf8(body: &[u8]) -> Result<(), JsonError> {
    match core::str::from_utf8(body) {
        Ok(_) => Ok(()),
        Err(_) => Err(JsonError::NotUtf8),
    }
}

/// The part that does not depend on `N`, so that it exists once in the WASM.
fn scan(body: &[u8], names: &[&str], slots: &mut [Slot]) -> Result<(), JsonError> {
    check_utf8(body)?;
    let mut fields = Fields::new(body, names, slots);
    let mut reader = Reader::new();
    reader.feed(body, &mut fields)?;
    reader.finish(&mut fields)
}

pub(super) struct Fields<'s, 'n> {
    /// The whole of what is read.
    body: &'s [u8],
    names: &'s [&'n str],
    slots: &'s mut [Slot],
    depth: usize,
    /// Where the key being read at depth 1 begins, behind its quote.
    key: usize,
    /// Which of the names the current top-level value belongs to.
    current: Option<usize>,
    started: Option<(Kind, usize)>,
}

/// No watched name is longer than this when every letter is written as `\uXXXX`.
const LONGEST_KEY: usize = 6 * 32;

impl<'s, 'n> Fields<'s, 'n> {
    pub(super) fn new(body: &'s [u8], names: &'s [&'n str], slots: &'s mut [Slot]) -> Self {
        Self {
            body,
            names,
            slots,
            depth: 0,
            key: 0,
            current: None,
            started: None,
        }
    }

    /// A key of the outermost object, which ends before `at`.
    fn key_end(&mut self, raw: &[u8], at: usize) {
        self.current = None;
        if raw.len() > LONGEST_KEY {
            return;
        }
        let plain = raw.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
        let decoded = if plain { None } else { unescape(raw) };
        if decoded.is_none() && !plain {
            return;
        }
        let is_like = |name: &str| match &decoded {
            None => raw.eq_ignore_ascii_case(name.as_bytes()),
            Some(key) => folds_to(key, name),
        };
        let Some(index) = self.names.iter().position(|name| is_like(name)) else {
            return;
        };
        let exact = self.names.get(index).is_some_and(|name| match &decoded {
            None => raw == name.as_bytes(),
            Some(key) => key == name,
        });
        if let Some(slot) = self.slots.get_mut(index) {
            match *slot {
                Slot::Absent if exact => self.current = Some(index),
                Slot::Found(..) if exact => *slot = Slot::Twice(at),
                Slot::Absent | Slot::Found(..) => *slot = Slot::Alike(at),
                Slot::Twice(_) | Slot::Alike(_) => {}
            }
        }
    }

    fn begin(&mut self, kind: Kind, at: usize) {
        if self.depth == 1 && self.current.is_some() {
            self.started = Some((kind, at));
        }
    }

    /// A value that is no container.
    #[inline]
    fn whole(&mut self, kind: Kind, start: usize, end: usize) -> Result<(), JsonError> {
        if self.depth == 0 {
            return Err(JsonError::NotAnObject);
        }
        self.begin(kind, start);
        self.end(end);
        Ok(())
    }

    fn end(&mut self, at: usize) {
        if self.depth != 1 {
            return;
        }
        if let (Some((kind, start)), Some(index)) = (self.started.take(), self.current.take())
            && let Some(slot) = self.slots.get_mut(index)
        {
            *slot = Slot::Found(kind, start, at);
        }
    }
}

/// Equality as case-insensitive JSON decoders see it (Go's `encoding/json` folds the Kelvin sign
/// and the long s too).
fn folds_to(key: &str, name: &str) -> bool {
    key.chars()
        .map(|char| match char {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .eq(name.chars().map(|char| char.to_ascii_lowercase()))
}

impl Sink for Fields<'_, '_> {
    fn event(&mut self, at: usize, event: Event<'_>) -> Result<(), JsonError> {
        match event {
            Event::Open(container) => {
                if self.depth == 0 && container == Container::Array {
                    return Err(JsonError::NotAnObject);
                }
                let kind = match container {
                    Container::Object => Kind::Object,
                    Container::Array => Kind::Array,
                };
                self.begin(kind, at);
                self.depth += 1;
            }
            Event::Close(_) => {
                self.depth -= 1;
                self.end(at);
            }
            Event::KeyStart if self.depth == 1 => self.key = at + 1,
            Event::KeyEnd if self.depth == 1 => {
                let raw = self.body.get(self.key..at - 1).unwrap_or_default();
                self.key_end(raw, at);
            }
            Event::StringStart | Event::ScalarStart if self.depth == 0 => {
                return Err(JsonError::NotAnObject);
            }
            Event::StringStart => self.begin(Kind::String, at),
            Event::ScalarPart(part) if self.depth == 1 && self.started.is_none() => {
                self.begin(scalar_kind(part), at);
            }
            Event::StringEnd | Event::ScalarEnd => self.end(at),
            _ => {}
        }
        Ok(())
    }
}

impl WholeTokens for Fields<'_, '_> {
    #[inline]
    fn key(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        if self.depth == 1 {
            self.key_end(raw, at + raw.len() + 2);
        }
        Ok(())
    }

    #[inline]
    fn string(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.whole(Kind::String, at, at + raw.len() + 2)
    }

    #[inline]
    fn scalar(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.whole(scalar_kind(raw), at, at + raw.len())
    }
}

/// The first byte of a scalar tells its type.
fn scalar_kind(raw: &[u8]) -> Kind {
    match raw.first() {
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}
