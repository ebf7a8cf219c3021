//! What a reader tells of a text.

use super::JsonError;

/// What a nesting level is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Object,
    Array,
}

/// One step through a text. Parts hold raw bytes, escapes included; a string or scalar may come
/// in any number of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    Open(Container),
    /// Its offset is the one after the bracket.
    Close(Container),
    KeyStart,
    KeyPart(&'a [u8]),
    KeyEnd,
    /// Its offset is that of the opening quote.
    StringStart,
    StringPart(&'a [u8]),
    /// Its offset is the one after the closing quote.
    StringEnd,
    /// A number, `true`, `false` or `null`.
    ScalarStart,
    ScalarPart(&'a [u8]),
    ScalarEnd,
}

/// Takes the events of a [`Reader`](super::Reader).
pub(crate) trait Sink {
    /// `at` is the absolute byte offset.
    fn event(&mut self, at: usize, event: Event<'_>) -> Result<(), JsonError>;
}

/// Takes each token that stands whole in one chunk, without escapes, by a call of its own instead
/// of its events. What a sink does here must be what it does on these.
pub(crate) trait WholeTokens: Sink {
    /// Whether it takes them; else there are events alone.
    const TAKEN: bool = true;

    /// `at` is the offset of the bracket.
    fn open(&mut self, at: usize, container: Container) -> Result<(), JsonError> {
        self.event(at, Event::Open(container))
    }

    /// `at` is the offset after the bracket.
    fn close(&mut self, at: usize, container: Container) -> Result<(), JsonError> {
        self.event(at, Event::Close(container))
    }

    /// `at` is the offset of the opening quote.
    fn key(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.event(at, Event::KeyStart)?;
        self.event(at + 1, Event::KeyPart(raw))?;
        self.event(at + raw.len() + 2, Event::KeyEnd)
    }

    /// `at` is the offset of the opening quote.
    fn string(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.event(at, Event::StringStart)?;
        self.event(at + 1, Event::StringPart(raw))?;
        self.event(at + raw.len() + 2, Event::StringEnd)
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self, at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.event(at, Event::ScalarStart)?;
        self.event(at, Event::ScalarPart(raw))?;
        self.event(at + raw.len(), Event::ScalarEnd)
    }
}

/// The one copy for all sinks: calls that are never made take no place in the WASM.
impl WholeTokens for dyn Sink + '_ {
    const TAKEN: bool = false;
}
