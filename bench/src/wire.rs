//! HTTP/1.1 as far as a benchmark needs it: one connection, one message after the other.
//!
//! A client library costs more per request than nginx does, and would then be what is measured.

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAX_HEADERS: usize = 64;
/// Enough for a whole small answer in one read.
const SMALL_READ: usize = 8 * 1024;
/// Large bodies come in as few reads as the socket allows.
const LARGE_READ: usize = 256 * 1024;

/// How a body's end is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    /// The body ends with the connection.
    Close,
}

/// What the generator needs to know of an answer's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
}

/// One side of an open connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
        })
    }

    pub(crate) async fn connect(address: std::net::SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("could not connect to {address}"))?;
        Self::new(stream)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads more into the buffer; false at the end of the connection.
    async fn fill(&mut self, size: usize) -> Result<bool> {
        self.buffer.reserve(size);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// Reads a request's head and hands it to `look`; `None` when the client has left.
    pub(crate) async fn request<T>(
        &mut self,
        look: impl Fn(&httparse::Request<'_, '_>) -> T,
    ) -> Result<Option<(Framing, T)>> {
        loop {
            if !self.buffer.is_empty() {
                let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
                let mut request = httparse::Request::new(&mut headers);
                if let httparse::Status::Complete(length) = request.parse(&self.buffer)? {
                    // A request without either field has no body.
                    let framing = framing(request.headers)?.unwrap_or(Framing::Length(0));
                    let seen = look(&request);
                    self.buffer.advance(length);
                    return Ok(Some((framing, seen)));
                }
            }
            if !self.fill(SMALL_READ).await? {
                return Ok(None);
            }
        }
    }

    /// Reads an answer's head.
    pub(crate) async fn response(&mut self) -> Result<ResponseHead> {
        loop {
            if !self.buffer.is_empty() {
                let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
                let mut response = httparse::Response::new(&mut headers);
                if let httparse::Status::Complete(length) = response.parse(&self.buffer)? {
                    let framing = framing(response.headers)?.unwrap_or(Framing::Close);
                    let close = header(response.headers, "connection")
                        .is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
                    let head = ResponseHead {
                        status: response.code.unwrap_or_default(),
                        framing,
                        keep_alive: !close && framing != Framing::Close,
                    };
                    self.buffer.advance(length);
                    return Ok(head);
                }
            }
            if !self.fill(SMALL_READ).await? {
                bail!("the connection closed before an answer");
            }
        }
    }

    /// Reads a body, handing each piece to `take` as it arrives.
    pub(crate) async fn body(
        &mut self,
        framing: Framing,
        mut take: impl FnMut(&[u8]),
    ) -> Result<()> {
        match framing {
            Framing::Length(length) => self.exactly(length, &mut take).await,
            Framing::Chunked => loop {
                let line = self.line().await?;
                // A size may be followed by extensions, which mean nothing here.
                let line = std::str::from_utf8(&line)?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16).context("a chunk without a size")?;
                if size == 0 {
                    while !self.line().await?.is_empty() {}
                    return Ok(());
                }
                self.exactly(size, &mut take).await?;
                if !self.line().await?.is_empty() {
                    bail!("a chunk longer than its size");
                }
            },
            Framing::Close => loop {
                take(&self.buffer);
                self.buffer.clear();
                if !self.fill(SMALL_READ).await? {
                    return Ok(());
                }
            },
        }
    }

    async fn exactly(&mut self, mut length: u64, take: &mut impl FnMut(&[u8])) -> Result<()> {
        loop {
            let have = usize::try_from(length)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            if let Some(piece) = self.buffer.get(..have).filter(|piece| !piece.is_empty()) {
                take(piece);
                self.buffer.advance(have);
                length = length.saturating_sub(have as u64);
            }
            if length == 0 {
                return Ok(());
            }
            let size = usize::try_from(length).unwrap_or(usize::MAX);
            if !self.fill(size.clamp(SMALL_READ, LARGE_READ)).await? {
                bail!("the connection closed in the middle of a body");
            }
        }
    }

    async fn line(&mut self) -> Result<BytesMut> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return Ok(line);
            }
            if !self.fill(SMALL_READ).await? {
                bail!("the connection closed in the middle of a body");
            }
        }
    }
}

/// The value of the header `name`, when there is one.
pub(crate) fn header<'b>(headers: &[httparse::Header<'b>], name: &str) -> Option<&'b [u8]> {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value)
}

fn framing(headers: &[httparse::Header<'_>]) -> Result<Option<Framing>> {
    if let Some(coding) = header(headers, "transfer-encoding") {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            bail!("an unknown transfer coding");
        }
        return Ok(Some(Framing::Chunked));
    }
    match header(headers, "content-length") {
        Some(length) => Ok(Some(Framing::Length(std::str::from_utf8(length)?.parse()?))),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn reply(answer: &'static [u8]) -> Result<(ResponseHead, Vec<u8>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = async {
            let (mut stream, _) = listener.accept().await?;
            // One byte at a time meets every place where a read can end.
            for byte in answer {
                stream.write_all(std::slice::from_ref(byte)).await?;
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        let client = async {
            let mut wire = Wire::connect(address).await?;
            let head = wire.response().await?;
            let mut body = Vec::new();
            wire.body(head.framing, |piece| body.extend_from_slice(piece))
                .await?;
            anyhow::Ok((head, body))
        };
        let (sent, received) = tokio::join!(server, client);
        sent?;
        received
    }

    #[tokio::test]
    async fn a_body_of_known_length() {
        let (head, body) = reply(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            .await
            .unwrap();
        assert_eq!((head.status, head.keep_alive), (200, true));
        assert_eq!(body, b"hello");
    }

    #[tokio::test]
    async fn a_chunked_body_with_extension_and_trailer() {
        let (head, body) = reply(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nt: 1\r\n\r\n",
        )
        .await
        .unwrap();
        assert_eq!(head.framing, Framing::Chunked);
        assert_eq!(body, b"abc0123456789");
    }

    #[tokio::test]
    async fn a_body_cut_short_is_an_error() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
        ] {
            assert!(reply(answer).await.is_err());
        }
    }
}
