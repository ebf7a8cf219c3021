//! The client side of HTTP/1.1 (RFC 9112): one request and its answer on a connection that nobody
//! else uses meanwhile.
//!
//! ```text
//! Request ─► upload (head and body in one write) ─► stream ─► head ─► Incoming (length, chunked, close)
//! ```
//!
//! A connection has no task and no buffer of its own. It is read by whoever waits for its answer,
//! into memory of that moment, and dropping what waits closes it.

mod chunked;
mod exchange;
mod framing;
mod head;
mod incoming;
mod read;
mod upload;

#[cfg(test)]
mod tests;

pub(super) use exchange::{Failed, exchange};
pub use head::{Everything, Keep};
pub(super) use incoming::Incoming;
pub(super) use upload::Again;

/// What came over the connection is no answer, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The bytes break a rule of RFC 9112.
    #[error("the answer is not well-formed HTTP/1.1: {0}")]
    Malformed(&'static str),
    /// The other end closed the connection before the answer's end.
    #[error("the connection was closed before the end of the answer")]
    Early,
    /// The request's own body failed, so that the request can never be whole.
    #[error("the request's body broke off")]
    Request,
    /// Reading failed.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
}

/// Reads an answer as if it had arrived in pieces of `piece` bytes, for fuzzing: its status, its
/// body, and how many bytes belong to neither. `None` when it breaks a rule or is not whole.
#[doc(hidden)]
#[must_use]
pub fn read_answer(bytes: &[u8], piece: usize) -> Option<(u16, Vec<u8>, usize)> {
    let mut text = Vec::new();
    let mut at: usize = 0;
    let mut step = |text: &mut Vec<u8>| {
        let end = at.saturating_add(piece.max(1)).min(bytes.len());
        let more = bytes.get(at..end).unwrap_or_default();
        at = end;
        text.extend_from_slice(more);
        !more.is_empty()
    };
    let (head, mut rest) = loop {
        let seen = bytes::Bytes::from(text.clone());
        match head::read(&seen, &http::Method::GET, &Everything).ok()? {
            Some((head, length)) if head.status.is_informational() && head.status != 101 => {
                text.drain(..length);
            }
            Some((head, length)) => break (head, text.split_off(length)),
            None if step(&mut text) => {}
            None => return None,
        }
    };
    let mut framing = framing::Remaining::new(head.framing);
    let mut body = Vec::new();
    loop {
        let used = framing.take(&rest, &mut body).ok()?;
        rest.drain(..used);
        if framing.is_done() {
            let mut unread = rest.len();
            let mut more = Vec::new();
            while step(&mut more) {}
            unread += more.len();
            return Some((head.status.as_u16(), body, unread));
        }
        if !step(&mut rest) {
            return framing.may_close().then(|| (head.status.as_u16(), body, 0));
        }
    }
}
