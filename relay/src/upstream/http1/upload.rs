//! A request on its way out: its head and as much of its body as is there in one write.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http::{HeaderValue, Method, Request, header};
use http_body::{Body as _, Frame, SizeHint};
use sync_wrapper::SyncWrapper;
use tokio::io::AsyncWrite;

/// Pieces of a body up to this many bytes are copied behind the head or into each other.
const COPIED: usize = 16 * 1024;

/// A request being sent. Its text holds the key, so `Debug` shows none of it.
pub(super) struct Upload {
    /// Written first.
    text: Vec<u8>,
    /// Written then: a piece too large to be copied, and what ends it.
    piece: Bytes,
    end: &'static [u8],
    /// `None` once it has been read to its end. Nobody reads it but through `&mut`, so that the
    /// answer's body, of which this may be a part, can be shared between threads.
    body: Option<SyncWrapper<Body>>,
    framing: Framing,
    /// The body's first piece, as long as nothing was written.
    first: Option<Bytes>,
    begun: bool,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("framing", &self.framing)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

/// How the request's body is delimited (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// So many more bytes.
    Length(u64),
    Chunked,
}

/// Why a request was not sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The connection takes nothing more.
    Write,
    /// The body failed, or is not as long as it said.
    Body,
}

impl Upload {
    /// `head` without its body, which is `body`.
    pub(super) fn new(head: &Request<Body>, host: &HeaderValue, body: Body) -> Self {
        let (framing, announced) = framing(head, &body);
        Self {
            text: text(head, host, announced),
            piece: Bytes::new(),
            end: b"",
            body: (!body.is_end_stream()).then(|| SyncWrapper::new(body)),
            framing,
            first: None,
            begun: false,
        }
    }

    /// Some of it was written.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The body as it was given, if nothing has been written.
    pub(super) fn into_unsent(self) -> Option<Body> {
        let body = self
            .body
            .map_or_else(Body::default, SyncWrapper::into_inner);
        match self.first {
            _ if self.begun => None,
            None => Some(body),
            Some(first) if body.is_end_stream() => Some(Body::from(first)),
            Some(first) => Some(Body::new(Again::new(first, body))),
        }
    }

    /// Sends what there is to send; ready when that was all of the request.
    pub(super) fn poll<S>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unsent>>
    where
        S: AsyncWrite + Unpin,
    {
        loop {
            // A body that is there leaves with its head.
            let body = self.poll_fill(cx)?;
            while self.is_waiting() {
                ready!(self.poll_write(stream, cx)).map_err(|_| Unsent::Write)?;
            }
            match body {
                Poll::Ready(true) => {}
                Poll::Ready(false) => {
                    ready!(Pin::new(&mut *stream).poll_flush(cx)).map_err(|_| Unsent::Write)?;
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {
                    if let Poll::Ready(Err(_)) = Pin::new(&mut *stream).poll_flush(cx) {
                        return Poll::Ready(Err(Unsent::Write));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_waiting(&self) -> bool {
        !(self.text.is_empty() && self.piece.is_empty() && self.end.is_empty())
    }

    /// Takes the body's next pieces, if there is room for them; whether there may be more.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Unsent>> {
        while let Some(body) = &mut self.body {
            // The first piece alone can be given back.
            let full = self.text.len() >= COPIED || self.first.is_some() && !self.begun;
            if full || !self.piece.is_empty() || !self.end.is_empty() {
                return Poll::Ready(Ok(true));
            }
            let body = body.get_mut();
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let last = body.is_end_stream();
                    if let Ok(data) = frame.into_data() {
                        self.put(data)?;
                    }
                    if last {
                        self.close()?;
                    }
                }
                Some(Err(_)) => return Poll::Ready(Err(Unsent::Body)),
                None => self.close()?,
            }
        }
        Poll::Ready(Ok(false))
    }

    fn put(&mut self, data: Bytes) -> Result<(), Unsent> {
        // An empty chunk would be the last one.
        if data.is_empty() {
            return Ok(());
        }
        if !self.begun {
            self.first = Some(data.clone());
        }
        match &mut self.framing {
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(Unsent::Body)?;
            }
            Framing::Chunked => {
                let size = format!("{:x}\r\n", data.len());
                self.text.extend_from_slice(size.as_bytes());
            }
        }
        let end: &'static [u8] = match self.framing {
            Framing::Length(_) => b"",
            Framing::Chunked => b"\r\n",
        };
        if data.len() <= COPIED {
            self.text.extend_from_slice(&data);
            self.text.extend_from_slice(end);
        } else {
            self.piece = data;
            self.end = end;
        }
        Ok(())
    }

    /// The body is over.
    fn close(&mut self) -> Result<(), Unsent> {
        self.body = None;
        match self.framing {
            Framing::Length(0) => Ok(()),
            Framing::Length(_) => Err(Unsent::Body),
            Framing::Chunked if self.piece.is_empty() => {
                self.text.extend_from_slice(b"0\r\n\r\n");
                Ok(())
            }
            Framing::Chunked => {
                self.end = b"\r\n0\r\n\r\n";
                Ok(())
            }
        }
    }

    fn poll_write<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + Unpin,
    {
        let stream = Pin::new(stream);
        let written = if self.piece.is_empty() && self.end.is_empty() {
            ready!(stream.poll_write(cx, &self.text))?
        } else if stream.is_write_vectored() {
            let slices = [&self.text, &*self.piece, self.end].map(IoSlice::new);
            ready!(stream.poll_write_vectored(cx, &slices))?
        } else {
            let parts = [&*self.text, &*self.piece, self.end];
            let first = parts.into_iter().find(|part| !part.is_empty());
            ready!(stream.poll_write(cx, first.unwrap_or_default()))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.begun = true;
        self.first = None;
        self.written(written);
        Poll::Ready(Ok(()))
    }

    fn written(&mut self, bytes: usize) {
        let text = bytes.min(self.text.len());
        if text == self.text.len() {
            self.text = Vec::new();
        } else {
            self.text.drain(..text);
        }
        let bytes = bytes - text;
        let piece = bytes.min(self.piece.len());
        drop(self.piece.split_to(piece));
        self.end = self.end.get(bytes - piece..).unwrap_or_default();
    }
}

/// What the head says of the body.
enum Announced {
    Nothing,
    Length(u64),
    Chunked,
}

fn framing(head: &Request<Body>, body: &Body) -> (Framing, Announced) {
    let known = body.size_hint().exact().or_else(|| {
        let value = head.headers().get(header::CONTENT_LENGTH)?;
        value.to_str().ok()?.parse().ok()
    });
    match known {
        // Methods that usually have a body say that this one has none (RFC 9110 §8.6).
        Some(0) => (
            Framing::Length(0),
            match *head.method() {
                Method::POST | Method::PUT | Method::PATCH => Announced::Length(0),
                _ => Announced::Nothing,
            },
        ),
        Some(length) => (Framing::Length(length), Announced::Length(length)),
        None => (Framing::Chunked, Announced::Chunked),
    }
}

/// Request line and fields. Neither a target nor a field's name or value can hold a line's end:
/// their types have seen to it.
fn text(head: &Request<Body>, host: &HeaderValue, announced: Announced) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    text.extend_from_slice(head.method().as_str().as_bytes());
    text.push(b' ');
    let target = head
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    text.extend_from_slice(target.as_bytes());
    text.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    text.extend_from_slice(host.as_bytes());
    for (name, value) in head.headers() {
        let own = *name == header::HOST
            || *name == header::CONTENT_LENGTH
            || *name == header::TRANSFER_ENCODING;
        if !own {
            text.extend_from_slice(b"\r\n");
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
        }
    }
    match announced {
        Announced::Nothing => {}
        Announced::Length(length) => {
            text.extend_from_slice(b"\r\ncontent-length: ");
            text.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        }
        Announced::Chunked => text.extend_from_slice(b"\r\ntransfer-encoding: chunked"),
    }
    text.extend_from_slice(b"\r\n\r\n");
    text
}

/// A body of which a piece was taken and has not been sent.
pub(in crate::upstream) struct Again {
    first: Option<Bytes>,
    rest: Body,
}

impl Again {
    pub(in crate::upstream) fn new(first: Bytes, rest: Body) -> Self {
        Self {
            first: Some(first),
            rest,
        }
    }
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}
