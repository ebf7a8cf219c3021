//! Fields of the outermost object, found without building a tree.

use super::{Container, Event, JsonError, Reader, Sink, unescape};
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
    let mut spans: [Option<(Kind, usize, usize)>; N] = [const { None }; N];
    scan(body, &names, &mut spans)?;
    Ok(spans.map(|found| {
        let (kind, start, end) = found?;
        Some(Value {
            kind,
            raw: body.get(start..end)?,
            span: start..end,
        })
    }))
}

/// The part that does not depend on `N`, so that it exists once in the WASM.
fn scan(
    body: &[u8],
    names: &[&str],
    spans: &mut [Option<(Kind, usize, usize)>],
) -> Result<(), JsonError> {
    if core::str::from_utf8(body).is_err() {
        return Err(JsonError::NotUtf8);
    }
    let mut fields = Fields {
        names,
        spans,
        depth: 0,
        key: Vec::new(),
        current: None,
        started: None,
    };
    let mut reader = Reader::new();
    reader.feed(body, &mut fields)?;
    reader.finish(&mut fields)
}

struct Fields<'s, 'n> {
    names: &'s [&'n str],
    spans: &'s mut [Option<(Kind, usize, usize)>],
    depth: usize,
    /// Raw bytes of the key being read at depth 1.
    key: Vec<u8>,
    /// Which of the names the current top-level value belongs to.
    current: Option<usize>,
    started: Option<(Kind, usize)>,
}

/// No watched name is longer than this when every letter is written as `\uXXXX`.
const LONGEST_KEY: usize = 6 * 32;

impl Fields<'_, '_> {
    fn key_end(&mut self, at: usize) -> Result<(), JsonError> {
        self.current = None;
        if self.key.len() > LONGEST_KEY {
            return Ok(());
        }
        let Some(key) = unescape(&self.key) else {
            return Ok(());
        };
        if let Some(index) = self.names.iter().position(|name| *name == key) {
            if self.spans.get(index).is_none_or(Option::is_some) {
                return Err(JsonError::DuplicateKey(at));
            }
            self.current = Some(index);
        } else if self.names.iter().any(|name| folds_to(&key, name)) {
            return Err(JsonError::AmbiguousKey(at));
        }
        Ok(())
    }

    fn begin(&mut self, kind: Kind, at: usize) {
        if self.depth == 1 && self.current.is_some() {
            self.started = Some((kind, at));
        }
    }

    fn end(&mut self, at: usize) {
        if self.depth != 1 {
            return;
        }
        if let (Some((kind, start)), Some(index)) = (self.started.take(), self.current.take())
            && let Some(slot) = self.spans.get_mut(index)
        {
            *slot = Some((kind, start, at));
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
            Event::KeyStart if self.depth == 1 => self.key.clear(),
            Event::KeyPart(part) if self.depth == 1 && self.key.len() <= LONGEST_KEY => {
                self.key.extend_from_slice(part);
            }
            Event::KeyEnd if self.depth == 1 => self.key_end(at)?,
            Event::StringStart | Event::ScalarStart if self.depth == 0 => {
                return Err(JsonError::NotAnObject);
            }
            Event::StringStart => self.begin(Kind::String, at),
            // The first byte of a scalar tells its type.
            Event::ScalarPart(part) if self.depth == 1 && self.started.is_none() => {
                let kind = match part.first() {
                    Some(b't' | b'f') => Kind::Bool,
                    Some(b'n') => Kind::Null,
                    _ => Kind::Number,
                };
                self.begin(kind, at);
            }
            Event::StringEnd | Event::ScalarEnd => self.end(at),
            _ => {}
        }
        Ok(())
    }
}
