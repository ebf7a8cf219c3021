//! Strings, numbers and literals: whole in one step, or cut.

use super::input::Input;
use super::number::Digits;
use super::{Event, JsonError, Reader, Role, Sink, State, WholeTokens};

impl Reader {
    /// Begins a string, behind its quote, that is cut or has escapes.
    pub(super) fn begin_text<S: Sink + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        run: usize,
        role: Role,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        self.state = State::Text(role);
        sink.event(input.offset() - 1, role.start())?;
        self.text(input, run, role, sink)
    }

    /// Reads on in a string of which `run` bytes are plain, up to its end or next escape.
    pub(super) fn text<S: Sink + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        run: usize,
        role: Role,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        let stop = input.rest().get(run).copied();
        // The backslash belongs to the part; what follows it is read in `Escape`.
        let end = if stop == Some(b'\\') { run + 1 } else { run };
        if end > 0 {
            sink.event(input.offset(), role.part(input.take(end)))?;
        }
        match stop {
            None => {}
            Some(b'\\') => self.state = State::Escape(role),
            Some(b'"') => {
                input.skip();
                self.state = role.next();
                sink.event(input.offset(), role.end())?;
            }
            Some(_) => return Err(JsonError::Syntax(input.offset())),
        }
        Ok(())
    }

    #[inline]
    pub(super) fn begin_number<S: WholeTokens + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        let mut digits = Digits::Start;
        let taken = digits.advance(input.rest());
        if S::TAKEN && digits.complete() && taken < input.rest().len() {
            return self.scalar(input, taken, sink);
        }
        sink.event(input.offset(), Event::ScalarStart)?;
        self.number(input, taken, digits, sink)
    }

    /// Reads on in a number to which the next `taken` bytes belong.
    pub(super) fn number<S: Sink + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        taken: usize,
        digits: Digits,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        self.state = State::Number(digits);
        if taken > 0 {
            sink.event(input.offset(), Event::ScalarPart(input.take(taken)))?;
        }
        if input.peek().is_none() {
            return Ok(());
        }
        if !digits.complete() {
            return Err(JsonError::Syntax(input.offset()));
        }
        self.state = State::After;
        sink.event(input.offset(), Event::ScalarEnd)
    }

    #[inline]
    pub(super) fn begin_literal<S: WholeTokens + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        word: &'static [u8],
        sink: &mut S,
    ) -> Result<(), JsonError> {
        if S::TAKEN && input.rest().starts_with(word) {
            return self.scalar(input, word.len(), sink);
        }
        sink.event(input.offset(), Event::ScalarStart)?;
        self.literal(input, word, sink)
    }

    /// Reads on in `true`, `false` or `null`, of which `word` is still to come.
    pub(super) fn literal<S: Sink + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        word: &'static [u8],
        sink: &mut S,
    ) -> Result<(), JsonError> {
        let same = word
            .iter()
            .zip(input.rest())
            .take_while(|(a, b)| a == b)
            .count();
        let still = word.get(same..).unwrap_or_default();
        sink.event(input.offset(), Event::ScalarPart(input.take(same)))?;
        if still.is_empty() {
            self.state = State::After;
            return sink.event(input.offset(), Event::ScalarEnd);
        }
        self.state = State::Literal(still);
        match input.peek() {
            None => Ok(()),
            Some(_) => Err(JsonError::Syntax(input.offset())),
        }
    }

    /// Reads a whole scalar of this length.
    #[inline]
    pub(super) fn scalar<S: WholeTokens + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        length: usize,
        sink: &mut S,
    ) -> Result<(), JsonError> {
        self.state = State::After;
        sink.scalar(input.offset(), input.take(length))?;
        self.comma(input);
        Ok(())
    }
}
