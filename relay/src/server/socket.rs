//! A client's TCP connection, with two things hyper cannot know: that a client which takes
//! nothing for too long holds a provider connection open, and that a client is gone while nobody
//! is reading from it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::idle::IdleTimer;

/// How often a connection nobody reads from is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The server's side of a client connection.
pub(super) struct Socket {
    /// Knows that a read which filled only a part of its buffer has found all there was, and
    /// spares the one that would find nothing.
    reading: OwnedReadHalf,
    writing: Arc<OwnedWriteHalf>,
    write: IdleTimer,
}

/// Tells whether the client of a request is still there.
#[derive(Clone, Debug)]
pub struct Liveness(Arc<OwnedWriteHalf>);

impl Socket {
    pub(super) fn new(stream: TcpStream, write_idle: Duration) -> Self {
        let (reading, writing) = stream.into_split();
        Self {
            reading,
            writing: Arc::new(writing),
            write: IdleTimer::new(write_idle),
        }
    }

    fn stream(&self) -> &TcpStream {
        self.reading.as_ref()
    }

    pub(super) fn liveness(&self) -> Liveness {
        Liveness(Arc::clone(&self.writing))
    }

    /// Tries `write` until the socket takes something, or has taken nothing for too long.
    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.stream().poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(self.write.poll_expired(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            match write(self.stream()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    self.write.progressed();
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl Liveness {
    /// Returns when the client has closed its side or the connection broke. Needed only while
    /// nobody reads: a provider that stops taking an upload stops the relay from reading, and the
    /// close would wait behind unread bytes. A client whose own buffers are still full cannot tell
    /// that it is gone; the limits on silence end that case.
    pub async fn gone(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.0.ready(Interest::READABLE | Interest::WRITABLE).await {
                Ok(state) if !state.is_read_closed() && !state.is_write_closed() => {}
                _ => return,
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().reading).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_progress(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_progress(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TCP has no buffer of its own above the kernel's.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = rustix::net::shutdown(self.stream(), rustix::net::Shutdown::Write);
        match result {
            // The other end was faster.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn a_close_behind_unread_bytes_is_noticed() {
        let (mut client, server) = pair().await;
        let socket = Socket::new(server, Duration::from_secs(60));
        client.write_all(&[b'x'; 10_000]).await.unwrap();
        let liveness = socket.liveness();
        assert!(
            timeout(Duration::from_millis(700), liveness.gone())
                .await
                .is_err()
        );
        drop(client);
        assert!(
            timeout(Duration::from_secs(1), liveness.gone())
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn a_reader_that_stopped_is_given_up() {
        let (mut client, server) = pair().await;
        let mut socket = Socket::new(server, Duration::from_millis(200));
        let block = vec![b'x'; 1 << 20];
        let error = loop {
            match socket.write_all(&block).await {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut some = [0; 10];
        client.read_exact(&mut some).await.unwrap();
    }

    #[tokio::test]
    async fn both_directions_carry_bytes() {
        let (mut client, server) = pair().await;
        let mut socket = Socket::new(server, Duration::from_secs(1));
        client.write_all(b"ping").await.unwrap();
        let mut some = [0; 4];
        socket.read_exact(&mut some).await.unwrap();
        assert_eq!(&some, b"ping");
        socket.write_all(b"pong").await.unwrap();
        socket.shutdown().await.unwrap();
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"pong");
    }
}
