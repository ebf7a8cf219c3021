//! One request and the head of its answer.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Broken;
use super::head::{self, Head, Keep};
use super::incoming::Incoming;
use super::read::poll_read;
use super::upload::{Unsent, Upload};

/// Longest head, and all the provisional ones before it together, in bytes.
const MAX_HEAD: usize = 128 * 1024;

/// A request without an answer.
#[derive(Debug)]
pub(in crate::upstream) enum Failed {
    /// Nothing of it was sent, so it can be sent again.
    Unsent(Box<Request<Body>>),
    /// The other end may have seen some of it.
    Lost,
}

/// Sends `request` over `stream` and reads the answer's head, of which `keep` says what is kept.
/// Dropping the future closes the connection, as dropping the answer's body does.
///
/// # Errors
/// See [`Failed`].
pub(in crate::upstream) async fn exchange<S>(
    mut stream: S,
    mut request: Box<Request<Body>>,
    host: &HeaderValue,
    keep: &dyn Keep,
) -> Result<Response<Incoming<S>>, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let body = std::mem::take(request.body_mut());
    let mut waiting = Waiting {
        upload: Some(Upload::new(&request, host, body)),
        whole: true,
        text: Text::default(),
    };
    let method = request.method();
    let read = poll_fn(|cx| waiting.poll(&mut stream, cx, method, keep)).await;
    let Some(head) = read else {
        let unsent = waiting.upload.and_then(Upload::into_unsent);
        return Err(match unsent {
            Some(body) => {
                *request.body_mut() = body;
                Failed::Unsent(request)
            }
            None => Failed::Lost,
        });
    };
    let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let keeps = head.keep_alive && waiting.whole && !switched;
    let incoming = Incoming::new(
        stream,
        head.framing,
        waiting.text.rest,
        waiting.upload,
        keeps,
    );
    let mut response = Response::new(incoming);
    *response.status_mut() = head.status;
    *response.version_mut() = head.version;
    *response.headers_mut() = head.headers;
    Ok(response)
}

/// Until the head of the answer is there.
struct Waiting {
    /// `None` when all is sent, or nothing more can be.
    upload: Option<Upload>,
    /// The request was sent to its end, or still may be.
    whole: bool,
    text: Text,
}

impl Waiting {
    /// The head; `None` when there will be none.
    fn poll<S>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        method: &Method,
        keep: &dyn Keep,
    ) -> Poll<Option<Head>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if let Some(upload) = &mut self.upload {
            match upload.poll(stream, cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.upload = None,
                Poll::Ready(Err(Unsent::Write)) if upload.has_begun() => {
                    // Who refuses a request early closes, and may have said why.
                    self.upload = None;
                    self.whole = false;
                }
                Poll::Ready(Err(Unsent::Write)) => return Poll::Ready(None),
                Poll::Ready(Err(Unsent::Body)) => {
                    // There is nothing left to send again.
                    self.upload = None;
                    return Poll::Ready(None);
                }
            }
        }
        loop {
            let bytes = match ready!(poll_read(stream, cx, &mut false)) {
                Ok(bytes) if !bytes.is_empty() => bytes,
                _ => return Poll::Ready(None),
            };
            if let Some(read) = self.text.more(bytes, method, keep).transpose() {
                return Poll::Ready(read.ok());
            }
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Text {
    /// A part of a head.
    partial: Vec<u8>,
    /// What came behind the head.
    rest: Bytes,
    /// Bytes of provisional answers before it.
    passed: usize,
}

impl Text {
    /// Reads on; the head once it is all there.
    fn more(
        &mut self,
        mut bytes: Bytes,
        method: &Method,
        keep: &dyn Keep,
    ) -> Result<Option<Head>, Broken> {
        if !self.partial.is_empty() {
            // A head is looked at again only when it may have ended: byte by byte it would be
            // read as often as it has bytes.
            let from = self.partial.len().saturating_sub(2);
            self.partial.extend_from_slice(&bytes);
            if !may_end(self.partial.get(from..).unwrap_or_default()) {
                return self.bounded();
            }
            bytes = std::mem::take(&mut self.partial).into();
        }
        while let Some((head, length)) = head::read(&bytes, method, keep)? {
            bytes.advance(length);
            // Provisional answers are of no use here (RFC 9110 §15.2), but for the one that ends
            // HTTP on the connection.
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                self.rest = bytes;
                return Ok(Some(head));
            }
            self.passed += length;
        }
        self.partial = bytes.into();
        self.bounded()
    }

    fn bounded(&self) -> Result<Option<Head>, Broken> {
        if self.passed + self.partial.len() > MAX_HEAD {
            return Err(Broken::Malformed("its head is too long"));
        }
        Ok(None)
    }
}

/// Whether an empty line ends in `bytes`.
fn may_end(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"\n\r\n").is_some() || memmem::find(bytes, b"\n\n").is_some()
}
