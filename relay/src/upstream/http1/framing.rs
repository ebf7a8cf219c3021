//! Where an answer's body ends (RFC 9112 §6.3).

use super::Broken;
use super::chunked::Chunked;

/// How the body is delimited, as the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks, and trailers after the last one.
    Chunked,
    /// Everything until the connection is closed.
    UntilClose,
}

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum Remaining {
    /// So many bytes.
    Length(u64),
    /// Whatever the chunks say.
    Chunked(Chunked),
    /// Unknown.
    UntilClose,
}

impl Remaining {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Nothing is to come.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilClose => false,
        }
    }

    /// The connection may be closed here.
    pub(super) fn may_close(&self) -> bool {
        matches!(self, Self::UntilClose) || self.is_done()
    }

    /// Puts what `bytes` hold of the body into `body`; how many of them belong to the message.
    ///
    /// # Errors
    /// [`Broken::Malformed`] for chunks that are none.
    pub(super) fn take(&mut self, bytes: &[u8], body: &mut Vec<u8>) -> Result<usize, Broken> {
        let plain = match self {
            Self::Chunked(chunked) => return chunked.decode(bytes, body),
            Self::UntilClose | Self::Length(_) => self.take_plain(bytes.len()),
        };
        body.extend_from_slice(bytes.get(..plain).unwrap_or_default());
        Ok(plain)
    }

    /// How many of the next `available` bytes are the body's, when no chunks are among them.
    pub(super) fn take_plain(&mut self, available: usize) -> usize {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
                *left = left.saturating_sub(taken as u64);
                taken
            }
            Self::UntilClose => available,
            Self::Chunked(_) => 0,
        }
    }
}
