//! HTTP/2 connections, and requests that come back from them.

use std::error::Error as _;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::Poll;

use axum::body::{Body, Bytes};
use http::Request;
use http::request::Parts;
use http_body::Body as _;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::connect::Stream;
use super::http1::Again;
use crate::config::defaults;

/// Makes an HTTP/2 connection of `stream`, which then lives in a task of its own.
pub(super) async fn open(stream: Stream) -> hyper::Result<SendRequest<Body>> {
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(defaults::UPSTREAM_PING_INTERVAL)
        .initial_stream_window_size(defaults::UPSTREAM_STREAM_WINDOW)
        .initial_connection_window_size(defaults::UPSTREAM_CONNECTION_WINDOW)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(async move {
        // How it ended is told to the calls on it.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Whether the provider has not begun with the request: it refused the stream (RFC 9113 §8.7), or
/// the connection goes away and the stream is above the last one it takes (§6.8). h2 tells the
/// streams up to the last one how they end themselves.
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|source| source.downcast_ref()) else {
        return false;
    };
    let error: &h2::Error = error;
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (refused || error.is_go_away())
}

/// A request as it was, to be sent once more.
pub(super) struct Replay {
    head: Parts,
    body: Bytes,
}

impl Replay {
    /// Of a request whose body is here in one piece. What is still arriving is not kept: it would
    /// have to be held in memory for a case that is rare.
    ///
    /// # Errors
    /// The body has failed, so the request cannot be sent.
    pub(super) async fn of(request: &mut Request<Body>) -> Result<Option<Self>, axum::Error> {
        let Some(body) = whole(request.body_mut()).await? else {
            return Ok(None);
        };
        let (mut head, ()) = Request::new(()).into_parts();
        head.method.clone_from(request.method());
        head.uri.clone_from(request.uri());
        head.headers.clone_from(request.headers());
        Ok(Some(Self { head, body }))
    }

    /// The request.
    pub(super) fn into_request(self) -> Request<Body> {
        Request::from_parts(self.head, self.body.into())
    }
}

/// All of `body` if it is there at once. Whatever was taken of it is put back.
async fn whole(body: &mut Body) -> Result<Option<Bytes>, axum::Error> {
    if body.is_end_stream() {
        return Ok(Some(Bytes::new()));
    }
    let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await;
    let Poll::Ready(first) = first else {
        return Ok(None);
    };
    // No body that is sent has trailers.
    let first = first.transpose()?.and_then(|frame| frame.into_data().ok());
    let Some(first) = first else {
        *body = Body::empty();
        return Ok(Some(Bytes::new()));
    };
    let rest = mem::take(body);
    if rest.is_end_stream() {
        *body = Body::from(first.clone());
        return Ok(Some(first));
    }
    *body = Body::new(Again::new(first, rest));
    Ok(None)
}
