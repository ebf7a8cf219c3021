//! The other ends: providers and clients behind TLS, frame by frame where it matters.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use crate::support::authority::Authority;

/// Accepts TLS connections and hands each, numbered from one, to `connection`.
pub(super) async fn accepting<F, R>(authority: &Authority, connection: F) -> SocketAddr
where
    F: Fn(usize, TlsStream<TcpStream>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = authority.acceptor();
    tokio::spawn(async move {
        for number in 1.. {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await;
            tokio::spawn(connection(number, stream.unwrap()));
        }
    });
    address
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const NO_ERROR: u32 = 0;
pub(super) const REFUSED_STREAM: u32 = 7;

/// A provider's end of a connection, frame by frame (RFC 9113 §4.1).
pub(super) struct Frames(TlsStream<TcpStream>);

pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frames {
    pub(super) async fn open(mut stream: TlsStream<TcpStream>) -> Self {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    pub(super) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        // The other end may be gone.
        let _ = self.0.write_all(&frame).await;
        let _ = self.0.flush().await;
    }

    /// The next frame of a stream; `None` when the connection is closed.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length.try_into().unwrap()];
            self.0.read_exact(&mut payload).await.ok()?;
            let (kind, flags) = (head[3], head[4]);
            match kind {
                SETTINGS | PING if flags & ACK == 0 => {
                    let echo: &[u8] = if kind == PING { &payload } else { &[] };
                    self.send(kind, ACK, 0, echo).await;
                }
                DATA | HEADERS | RST_STREAM => {
                    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                    return Some(Frame {
                        kind,
                        flags,
                        stream,
                        payload,
                    });
                }
                _ => {}
            }
        }
    }

    /// The stream and body of the next request, read to its end.
    pub(super) async fn request(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut body = Vec::new();
        loop {
            let frame = self.next().await?;
            if frame.kind == DATA {
                body.extend_from_slice(&frame.payload);
            }
            if frame.kind != RST_STREAM && frame.flags & END_STREAM != 0 {
                return Some((frame.stream, body));
            }
        }
    }

    /// Status 200, JSON, both as RFC 7541 §6 has them.
    pub(super) async fn head(&mut self, stream: u32) {
        let fields = b"\x88\x0f\x10\x10application/json";
        self.send(HEADERS, END_HEADERS, stream, fields).await;
    }

    pub(super) async fn answer(&mut self, stream: u32) {
        self.head(stream).await;
        self.send(DATA, END_STREAM, stream, b"{}").await;
    }

    pub(super) async fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(super) async fn go_away(&mut self, last: u32) {
        let payload = [last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
        self.send(GOAWAY, 0, 0, &payload).await;
    }

    /// The code with which the other end gives a stream up.
    pub(super) async fn given_up(&mut self) -> Option<u32> {
        loop {
            let frame = self.next().await?;
            if frame.kind == RST_STREAM {
                return Some(u32::from_be_bytes(frame.payload.try_into().unwrap()));
            }
        }
    }
}

/// So many pieces of so many bytes; counts them as they are taken.
pub(super) struct Pieces {
    pub(super) left: usize,
    pub(super) piece: Bytes,
    pub(super) taken: Arc<AtomicUsize>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.left = left;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(http_body::Frame::data(self.piece.clone()))))
    }
}
