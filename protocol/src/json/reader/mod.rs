//! The incremental reader: bytes in, events out.

mod input;
mod number;
mod plain;
mod tokens;

use super::{Container, Event, JsonError, MAX_DEPTH, Sink, WholeTokens};
use input::Input;
use number::Digits;

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
    /// In a string that is cut or has escapes.
    Text(Role),
    Escape(Role),
    Unicode {
        role: Role,
        left: u8,
    },
    /// In a number that is cut.
    Number(Digits),
    /// What is still to come of `true`, `false` or `null`.
    Literal(&'static [u8]),
}

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

impl Role {
    const fn start(self) -> Event<'static> {
        match self {
            Self::Key => Event::KeyStart,
            Self::Value => Event::StringStart,
        }
    }

    const fn part(self, part: &[u8]) -> Event<'_> {
        match self {
            Self::Key => Event::KeyPart(part),
            Self::Value => Event::StringPart(part),
        }
    }

    const fn end(self) -> Event<'static> {
        match self {
            Self::Key => Event::KeyEnd,
            Self::Value => Event::StringEnd,
        }
    }

    /// What comes after the string.
    const fn next(self) -> State {
        match self {
            Self::Key => State::Colon,
            Self::Value => State::After,
        }
    }
}

/// Strict reader of one JSON text (RFC 8259), fed in chunks of any size.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    /// One bit per level, innermost lowest: 1 = object.
    levels: u128,
    depth: usize,
    /// Offset of the next chunk.
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

    /// Reads a chunk. One copy for each sink, so that the two become one loop.
    ///
    /// # Errors
    /// At the first byte that is not JSON, or with what the sink returns. The reader must not be
    /// used after an error.
    #[cfg(feature = "relay")]
    pub(crate) fn feed(
        &mut self,
        chunk: &[u8],
        sink: &mut impl WholeTokens,
    ) -> Result<(), JsonError> {
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

    fn read<S: WholeTokens + ?Sized>(
        &mut self,
        chunk: &[u8],
        sink: &mut S,
    ) -> Result<(), JsonError> {
        let mut input = Input::new(chunk, self.offset);
        while let Some(byte) = input.peek() {
            match self.state {
                State::Value | State::ValueOrClose => self.value(byte, &mut input, sink)?,
                State::Key | State::KeyOrClose => self.key(byte, &mut input, sink)?,
                State::Colon if input.skip_if(b':') => self.state = State::Value,
                State::Colon => space(&mut input)?,
                State::After => self.after(byte, &mut input, sink)?,
                State::Text(role) => {
                    let run = input.plain_run();
                    self.text(&mut input, run, role, sink)?;
                }
                State::Escape(role) => {
                    self.state = match byte {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::Text(role),
                        b'u' => State::Unicode { role, left: 4 },
                        _ => return Err(JsonError::Syntax(input.offset())),
                    };
                    sink.event(input.offset(), role.part(input.take(1)))?;
                }
                State::Unicode { role, left } => {
                    if !byte.is_ascii_hexdigit() {
                        return Err(JsonError::Syntax(input.offset()));
                    }
                    self.state = match left - 1 {
                        0 => State::Text(role),
                        left => State::Unicode { role, left },
                    };
                    sink.event(input.offset(), role.part(input.take(1)))?;
                }
                State::Number(mut digits) => {
                    let taken = digits.advance(input.rest());
                    self.number(&mut input, taken, digits, sink)?;
                }
                State::Literal(word) => self.literal(&mut input, word, sink)?,
            }
        }
        self.offset = input.offset();
        Ok(())
    }

    /// Reads a value's beginning, and all of it if it is a text or scalar that is here whole.
    #[inline]
    fn value<S: WholeTokens + ?Sized>(
        &mut self,
        byte: u8,
        input: &mut Input<'_>,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        let at = input.offset();
        match byte {
            b'"' => {
                let run = input.begin_string();
                if S::TAKEN
                    && let Some(raw) = input.take_string(run)
                {
                    self.state = State::After;
                    sink.string(at, raw)?;
                    self.comma(input);
                    return Ok(());
                }
                self.begin_text(input, run, Role::Value, sink)
            }
            b'-' | b'0'..=b'9' => self.begin_number(input, sink),
            b'{' => self.open(input, Container::Object, sink),
            b'[' => self.open(input, Container::Array, sink),
            b't' => self.begin_literal(input, b"true", sink),
            b'f' => self.begin_literal(input, b"false", sink),
            b'n' => self.begin_literal(input, b"null", sink),
            b']' if self.state == State::ValueOrClose => self.close(input, Container::Array, sink),
            _ => space(input),
        }
    }

    #[inline]
    fn key<S: WholeTokens + ?Sized>(
        &mut self,
        byte: u8,
        input: &mut Input<'_>,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        let at = input.offset();
        match byte {
            b'"' => {
                let run = input.begin_string();
                if S::TAKEN
                    && let Some(raw) = input.take_string(run)
                {
                    sink.key(at, raw)?;
                    self.state = if input.skip_if(b':') {
                        State::Value
                    } else {
                        State::Colon
                    };
                    return Ok(());
                }
                self.begin_text(input, run, Role::Key, sink)
            }
            b'}' if self.state == State::KeyOrClose => self.close(input, Container::Object, sink),
            _ => space(input),
        }
    }

    #[inline]
    fn after<S: WholeTokens + ?Sized>(
        &mut self,
        byte: u8,
        input: &mut Input<'_>,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        match byte {
            b',' if self.depth > 0 => {
                self.comma(input);
                Ok(())
            }
            b'}' if self.depth > 0 && self.in_object() => {
                self.close(input, Container::Object, sink)
            }
            b']' if self.depth > 0 && !self.in_object() => {
                self.close(input, Container::Array, sink)
            }
            _ => space(input),
        }
    }

    /// Goes over the comma after a value if it comes next.
    #[inline]
    fn comma(&mut self, input: &mut Input<'_>) {
        if self.depth > 0 && input.skip_if(b',') {
            self.state = if self.in_object() {
                State::Key
            } else {
                State::Value
            };
        }
    }

    fn open<S: WholeTokens + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        container: Container,
        sink: &mut S,
    ) -> Result<(), JsonError> {
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
        sink.open(input.offset(), container)?;
        input.skip();
        Ok(())
    }

    fn close<S: WholeTokens + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        container: Container,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        self.depth -= 1;
        self.levels >>= 1;
        self.state = State::After;
        input.skip();
        sink.close(input.offset(), container)?;
        self.comma(input);
        Ok(())
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

/// Goes over space, which may stand between any two tokens and is all that may.
fn space(input: &mut Input<'_>) -> Result<(), JsonError> {
    if input.skip_space() {
        return Ok(());
    }
    Err(JsonError::Syntax(input.offset()))
}
