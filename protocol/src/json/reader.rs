//! The incremental reader: bytes in, events out.

use super::{JsonError, MAX_DEPTH};

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

/// Takes the events of a [`Reader`].
pub(crate) trait Sink {
    /// `at` is the absolute byte offset.
    fn event(&mut self, at: usize, event: Event<'_>) -> Result<(), JsonError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    /// After `-`.
    Sign,
    /// A leading `0`.
    Zero,
    Integer,
    /// After `.`: a digit must follow.
    Point,
    Fraction,
    /// After `e`.
    Marker,
    /// After the exponent's sign: a digit must follow.
    Signed,
    /// In the exponent's digits.
    Power,
}

impl Digits {
    const fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Sign, b'0') => Some(Self::Zero),
            (Self::Sign, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::Marker),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Marker, b'+' | b'-') => Some(Self::Signed),
            (Self::Marker | Self::Signed | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    const fn complete(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::Power
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value must come.
    Value,
    /// After `[`: a value or `]`.
    ValueOrClose,
    /// After `{`: a key or `}`.
    KeyOrClose,
    /// After `,` in an object.
    Key,
    Colon,
    /// After a value: `,`, a closing bracket, or the end.
    After,
    Text {
        key: bool,
    },
    Escape {
        key: bool,
    },
    Unicode {
        key: bool,
        left: u8,
    },
    Number(Digits),
    /// What is still to come of `true`, `false` or `null`.
    Literal(&'static [u8]),
}

/// Strict reader of one JSON text (RFC 8259), fed in chunks of any size.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    /// One bit per level, innermost lowest: 1 = object.
    levels: u128,
    depth: usize,
    /// Offset of the next byte.
    offset: usize,
}

const _: () = assert!(MAX_DEPTH == u128::BITS as usize);

impl Reader {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Value,
            levels: 0,
            depth: 0,
            offset: 0,
        }
    }

    const fn in_object(&self) -> bool {
        self.levels & 1 == 1
    }

    fn open(&mut self, container: Container) -> Result<(), JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.levels <<= 1;
        self.state = match container {
            Container::Object => {
                self.levels |= 1;
                State::KeyOrClose
            }
            Container::Array => State::ValueOrClose,
        };
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.levels >>= 1;
        self.state = State::After;
    }

    /// Reads a chunk. One copy for each sink, so that the two become one loop.
    ///
    /// # Errors
    /// At the first byte that is not JSON, or with what the sink returns. The reader must not be
    /// used after an error.
    #[cfg(feature = "relay")]
    pub(crate) fn feed(&mut self, chunk: &[u8], sink: &mut impl Sink) -> Result<(), JsonError> {
        self.read(chunk, sink)
    }

    /// Reads a chunk. One copy for all sinks: the WASM is to be small.
    ///
    /// # Errors
    /// At the first byte that is not JSON, or with what the sink returns. The reader must not be
    /// used after an error.
    #[cfg(not(feature = "relay"))]
    pub(crate) fn feed(&mut self, chunk: &[u8], sink: &mut dyn Sink) -> Result<(), JsonError> {
        self.read(chunk, sink)
    }

    fn read<S: Sink + ?Sized>(&mut self, chunk: &[u8], sink: &mut S) -> Result<(), JsonError> {
        let base = self.offset;
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            match self.state {
                State::Text { key } => {
                    let rest = chunk.get(at..).unwrap_or_default();
                    let run = plain_run(rest);
                    let stop = rest.get(run).copied();
                    // The backslash belongs to the part; what follows it is read in `Escape`.
                    let end = if stop == Some(b'\\') { run + 1 } else { run };
                    let part = rest.get(..end).unwrap_or_default();
                    if !part.is_empty() {
                        let event = if key {
                            Event::KeyPart(part)
                        } else {
                            Event::StringPart(part)
                        };
                        sink.event(base + at, event)?;
                    }
                    at += end;
                    match stop {
                        None => {}
                        Some(b'\\') => self.state = State::Escape { key },
                        Some(b'"') => {
                            at += 1;
                            if key {
                                self.state = State::Colon;
                                sink.event(base + at, Event::KeyEnd)?;
                                // What follows most often, without another turn.
                                if chunk.get(at) == Some(&b':') {
                                    self.state = State::Value;
                                    at += 1;
                                }
                            } else {
                                self.state = State::After;
                                sink.event(base + at, Event::StringEnd)?;
                                at += self.comma_and_quote(base, chunk, at, sink)?;
                            }
                        }
                        Some(_) => return Err(JsonError::Syntax(base + at)),
                    }
                }
                State::Escape { key } => {
                    self.state = match byte {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                            State::Text { key }
                        }
                        b'u' => State::Unicode { key, left: 4 },
                        _ => return Err(JsonError::Syntax(base + at)),
                    };
                    escape_part(chunk, base, at, key, sink)?;
                    at += 1;
                }
                State::Unicode { key, left } => {
                    if !byte.is_ascii_hexdigit() {
                        return Err(JsonError::Syntax(base + at));
                    }
                    self.state = if left == 1 {
                        State::Text { key }
                    } else {
                        State::Unicode {
                            key,
                            left: left - 1,
                        }
                    };
                    escape_part(chunk, base, at, key, sink)?;
                    at += 1;
                }
                State::Number(mut digits) => {
                    let start = at;
                    let mut ended = false;
                    while let Some(&byte) = chunk.get(at) {
                        let Some(next) = digits.next(byte) else {
                            ended = true;
                            break;
                        };
                        digits = next;
                        at += 1;
                    }
                    self.state = State::Number(digits);
                    let part = chunk.get(start..at).unwrap_or_default();
                    if !part.is_empty() {
                        sink.event(base + start, Event::ScalarPart(part))?;
                    }
                    if ended {
                        if !digits.complete() {
                            return Err(JsonError::Syntax(base + at));
                        }
                        self.state = State::After;
                        sink.event(base + at, Event::ScalarEnd)?;
                        at += self.comma_and_quote(base, chunk, at, sink)?;
                    }
                }
                State::Literal(rest) => {
                    let come = chunk.get(at..).unwrap_or_default();
                    let same = rest.iter().zip(come).take_while(|(a, b)| a == b).count();
                    let Some((part, rest)) = come.get(..same).zip(rest.get(same..)) else {
                        return Err(JsonError::Syntax(base + at));
                    };
                    at += same;
                    if !rest.is_empty() && same < come.len() {
                        return Err(JsonError::Syntax(base + at));
                    }
                    sink.event(base + at - same, Event::ScalarPart(part))?;
                    if rest.is_empty() {
                        self.state = State::After;
                        sink.event(base + at, Event::ScalarEnd)?;
                    } else {
                        self.state = State::Literal(rest);
                    }
                }
                _ => {
                    self.structure(byte, base + at, sink)?;
                    // A number's first byte is read again as part of the number.
                    if !matches!(self.state, State::Number(_)) || byte == b'-' {
                        at += 1;
                    }
                }
            }
        }
        self.offset = base + chunk.len();
        Ok(())
    }

    /// Reads `,"` when that is what stands at `at` in an object, as it does most often behind a
    /// value; how many bytes that was.
    #[inline]
    fn comma_and_quote<S: Sink + ?Sized>(
        &mut self,
        base: usize,
        chunk: &[u8],
        at: usize,
        sink: &mut S,
    ) -> Result<usize, JsonError> {
        if !self.in_object() || chunk.get(at..at + 2) != Some(b",\"") {
            return Ok(0);
        }
        self.state = State::Text { key: true };
        sink.event(base + at + 1, Event::KeyStart)?;
        Ok(2)
    }

    #[inline]
    fn structure<S: Sink + ?Sized>(
        &mut self,
        byte: u8,
        at: usize,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(());
        }
        match (self.state, byte) {
            (State::ValueOrClose, b']') => {
                self.close();
                sink.event(at + 1, Event::Close(Container::Array))
            }
            (State::KeyOrClose, b'}') => {
                self.close();
                sink.event(at + 1, Event::Close(Container::Object))
            }
            (State::KeyOrClose | State::Key, b'"') => {
                self.state = State::Text { key: true };
                sink.event(at, Event::KeyStart)
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                Ok(())
            }
            (State::After, b',') if self.depth > 0 => {
                self.state = if self.in_object() {
                    State::Key
                } else {
                    State::Value
                };
                Ok(())
            }
            (State::After, b'}') if self.depth > 0 && self.in_object() => {
                self.close();
                sink.event(at + 1, Event::Close(Container::Object))
            }
            (State::After, b']') if self.depth > 0 && !self.in_object() => {
                self.close();
                sink.event(at + 1, Event::Close(Container::Array))
            }
            (State::Value | State::ValueOrClose, _) => self.value(byte, at, sink),
            _ => Err(JsonError::Syntax(at)),
        }
    }

    fn value<S: Sink + ?Sized>(
        &mut self,
        byte: u8,
        at: usize,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        match byte {
            b'{' => {
                self.open(Container::Object)?;
                sink.event(at, Event::Open(Container::Object))
            }
            b'[' => {
                self.open(Container::Array)?;
                sink.event(at, Event::Open(Container::Array))
            }
            b'"' => {
                self.state = State::Text { key: false };
                sink.event(at, Event::StringStart)
            }
            b'-' => {
                self.state = State::Number(Digits::Sign);
                sink.event(at, Event::ScalarStart)?;
                sink.event(at, Event::ScalarPart(b"-"))
            }
            b'0'..=b'9' => {
                self.state = State::Number(Digits::Sign);
                sink.event(at, Event::ScalarStart)
            }
            b't' | b'f' | b'n' => {
                let (first, rest): (&[u8], &'static [u8]) = match byte {
                    b't' => (b"t", b"rue"),
                    b'f' => (b"f", b"alse"),
                    _ => (b"n", b"ull"),
                };
                self.state = State::Literal(rest);
                sink.event(at, Event::ScalarStart)?;
                sink.event(at, Event::ScalarPart(first))
            }
            _ => Err(JsonError::Syntax(at)),
        }
    }

    /// Ends the text.
    ///
    /// # Errors
    /// [`JsonError::Truncated`] when no whole value was read.
    pub(crate) fn finish<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Result<(), JsonError> {
        match self.state {
            State::After if self.depth == 0 => Ok(()),
            State::Number(digits) if self.depth == 0 && digits.complete() => {
                self.state = State::After;
                sink.event(self.offset, Event::ScalarEnd)
            }
            _ => Err(JsonError::Truncated),
        }
    }
}

/// Emits the one byte of an escape that stands at `at`.
fn escape_part<S: Sink + ?Sized>(
    chunk: &[u8],
    base: usize,
    at: usize,
    key: bool,
    sink: &mut S,
) -> Result<(), JsonError> {
    let part = chunk.get(at..=at).unwrap_or_default();
    sink.event(
        base + at,
        if key {
            Event::KeyPart(part)
        } else {
            Event::StringPart(part)
        },
    )
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Non-zero when a byte of `word` is zero. May also mark a byte above a true hit, never one when
/// there is none: the lowest mark is exact.
const fn has_zero(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Length of the run without quote, backslash or control byte, eight bytes at a time: bodies
/// with images are one long string.
fn plain_run(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let stops = control | has_zero(word ^ (ONES * 0x22)) | has_zero(word ^ (ONES * 0x5c));
        if stops != 0 {
            // The lowest mark is a true hit: false ones stand above one.
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = text.get(at..).unwrap_or_default();
    at + tail
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)
        .unwrap_or(tail.len())
}
