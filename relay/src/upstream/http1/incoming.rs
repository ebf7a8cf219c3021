//! An answer's body as it arrives.

use std::fmt;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::SizeHint;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Broken;
use super::framing::{Framing, Remaining};
use super::read::{poll_read, poll_read_with};
use super::upload::{Unsent, Upload};

/// What is left of an answer, and the connection it comes over. `Debug` shows none of its bytes:
/// providers echo keys.
pub(in crate::upstream) struct Incoming<S> {
    /// `None` after a failure: the connection is closed.
    stream: Option<S>,
    left: Remaining,
    /// Read with the head.
    read: Bytes,
    /// What is still to be sent of a request that was answered before its end.
    upload: Option<Box<Upload>>,
    /// The connection may carry another request.
    keeps: bool,
    /// The last read found more than it had room for.
    wide: bool,
}

impl<S> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("left", &self.left)
            .field("upload", &self.upload)
            .field("keeps", &self.keeps)
            .finish_non_exhaustive()
    }
}

impl<S> Incoming<S> {
    pub(super) fn new(
        stream: S,
        framing: Framing,
        read: Bytes,
        upload: Option<Upload>,
        keeps: bool,
    ) -> Self {
        Self {
            stream: Some(stream),
            left: Remaining::new(framing),
            read,
            upload: upload.map(Box::new),
            keeps,
            wide: false,
        }
    }

    /// All of it was read.
    pub(in crate::upstream) fn is_end(&self) -> bool {
        self.left.is_done()
    }

    /// The connection, once, when the answer is over and left it as a request finds it.
    pub(in crate::upstream) fn take_stream(&mut self) -> Option<S> {
        let fit = self.keeps && self.upload.is_none() && self.read.is_empty();
        self.keeps = false;
        self.stream.take_if(|_| fit && self.left.is_done())
    }

    pub(in crate::upstream) fn size_hint(&self) -> SizeHint {
        match self.left {
            Remaining::Length(left) => SizeHint::with_exact(left),
            Remaining::Chunked(_) | Remaining::UntilClose => SizeHint::default(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Incoming<S> {
    /// The next bytes of the body, never empty; `None` at its end.
    pub(in crate::upstream) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Broken>>> {
        let polled = self.poll_next(cx);
        if let Poll::Ready(Some(Err(_))) = polled {
            self.stream = None;
            self.read = Bytes::new();
        }
        polled
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if self.left.is_done() {
            return Poll::Ready(None);
        }
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Some(Err(Broken::Early)));
        };
        if let Some(upload) = &mut self.upload {
            match upload.poll(stream, cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.upload = None,
                Poll::Ready(Err(Unsent::Write)) => {
                    self.upload = None;
                    self.keeps = false;
                }
                Poll::Ready(Err(Unsent::Body)) => {
                    return Poll::Ready(Some(Err(Broken::Request)));
                }
            }
        }
        loop {
            if self.left.is_done() {
                return Poll::Ready(None);
            }
            let data = if !self.read.is_empty() {
                take(&mut self.left, &mut self.read)?
            } else if let Remaining::Chunked(chunked) = &mut self.left {
                // Taken apart where it was read: one copy, however many chunks there are.
                let decode = |bytes: &[u8]| {
                    let mut body = Vec::with_capacity(bytes.len());
                    let used = chunked.decode(bytes, &mut body);
                    used.map(|used| (body, used, bytes.len()))
                };
                let (body, used, read) = ready!(poll_read_with(stream, cx, decode))??;
                if read == 0 {
                    return Poll::Ready(Some(Err(Broken::Early)));
                }
                self.keeps &= used == read;
                body.into()
            } else {
                self.read = ready!(poll_read(stream, cx, &mut self.wide))?;
                if self.read.is_empty() {
                    if !self.left.may_close() {
                        return Poll::Ready(Some(Err(Broken::Early)));
                    }
                    self.left = Remaining::Length(0);
                    self.keeps = false;
                }
                continue;
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }
}

/// What `read` holds of the body. Bytes after its end stay.
fn take(left: &mut Remaining, read: &mut Bytes) -> Result<Bytes, Broken> {
    if let Remaining::Chunked(chunked) = left {
        let mut body = Vec::with_capacity(read.len());
        let used = chunked.decode(read, &mut body)?;
        read.advance(used);
        return Ok(body.into());
    }
    Ok(read.split_to(left.take_plain(read.len())))
}
