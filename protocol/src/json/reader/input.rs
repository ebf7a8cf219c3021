//! A chunk, and how far it has been read.

use super::plain::plain_run;

/// A chunk being read.
pub(super) struct Input<'a> {
    chunk: &'a [u8],
    /// How much of the chunk has been read.
    read: usize,
    /// Where the chunk begins in the whole text.
    base: usize,
}

impl<'a> Input<'a> {
    pub(super) const fn new(chunk: &'a [u8], base: usize) -> Self {
        Self {
            chunk,
            read: 0,
            base,
        }
    }

    /// Where the next byte stands in the whole text.
    #[inline]
    pub(super) const fn offset(&self) -> usize {
        self.base + self.read
    }

    /// The next byte.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.chunk.get(self.read).copied()
    }

    /// What has not been read.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.chunk.get(self.read..).unwrap_or_default()
    }

    /// Goes over the next byte, which is there.
    #[inline]
    pub(super) const fn skip(&mut self) {
        self.read += 1;
    }

    /// Goes over the next byte if it is this one.
    #[inline]
    pub(super) fn skip_if(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.read += usize::from(is_next);
        is_next
    }

    /// Goes over the space that comes next, if any does.
    #[inline]
    pub(super) fn skip_space(&mut self) -> bool {
        let from = self.read;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.skip();
        }
        self.read > from
    }

    /// Takes the next `count` bytes, which are there.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> &'a [u8] {
        let from = self.read;
        self.read += count;
        self.chunk.get(from..self.read).unwrap_or_default()
    }

    /// Goes over an opening quote, which is next; how many plain bytes follow.
    #[inline]
    pub(super) fn begin_string(&mut self) -> usize {
        self.skip();
        self.plain_run()
    }

    /// Takes the next `run` bytes and a closing quote, if that comes after them.
    #[inline]
    pub(super) fn take_string(&mut self, run: usize) -> Option<&'a [u8]> {
        let from = self.read;
        let end = from + run;
        if self.chunk.get(end) != Some(&b'"') {
            return None;
        }
        self.read = end + 1;
        self.chunk.get(from..end)
    }

    /// Length of the run without quote, backslash or control byte that comes next.
    #[inline]
    pub(super) fn plain_run(&self) -> usize {
        plain_run(self.rest())
    }
}
