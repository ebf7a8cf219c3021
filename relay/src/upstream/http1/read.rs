//! Reading from a connection without keeping a buffer for it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

/// Most bytes of one read, on the stack: a stream that waits for its next event holds none of it.
const ONE_READ: usize = 16 * 1024;

/// Most bytes of one read while the connection has more ready than fits into [`ONE_READ`].
const WIDE_READ: usize = 64 * 1024;

/// What is there, given to `take` before it is gone; none of it at the connection's end.
pub(super) fn poll_read_with<S, T>(
    stream: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>>
where
    S: AsyncRead + Unpin,
{
    let mut storage = [const { MaybeUninit::uninit() }; ONE_READ];
    let mut buffer = ReadBuf::uninit(&mut storage);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(take(buffer.filled())))
}

/// What is there, in memory of its own; empty at the connection's end. `wide` remembers whether
/// the last read filled what it was given.
pub(super) fn poll_read<S>(
    stream: &mut S,
    cx: &mut Context<'_>,
    wide: &mut bool,
) -> Poll<io::Result<Bytes>>
where
    S: AsyncRead + Unpin,
{
    if *wide {
        let mut buffer = BytesMut::with_capacity(WIDE_READ);
        let read = ready!(pin!(stream.read_buf(&mut buffer)).poll(cx))?;
        *wide = read > ONE_READ;
        return Poll::Ready(Ok(buffer.freeze()));
    }
    poll_read_with(stream, cx, |bytes| {
        *wide = bytes.len() == ONE_READ;
        Bytes::copy_from_slice(bytes)
    })
}
