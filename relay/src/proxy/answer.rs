//! A provider's answer before it is decided what becomes of it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use http::response::Parts;
use http::{Response, StatusCode};
use http_body::{Body as _, SizeHint};
use http_body_util::BodyExt as _;

use crate::upstream::AnswerBody;

/// How much of an answer is looked at to judge a key: errors of providers are below 4 KiB.
const PEEK: usize = 64 * 1024;

/// A provider's response head and unread body.
pub(crate) struct Answer<'k> {
    pub(super) head: Parts,
    pub(super) source: Source,
    /// From sending the request to the response head.
    pub(super) took: Duration,
    /// What it must not hold: what of the key is not public.
    pub(super) secret: &'k [u8],
}

impl<'k> Answer<'k> {
    pub(super) fn new(response: Response<AnswerBody>, took: Duration, secret: &'k [u8]) -> Self {
        let (head, inner) = response.into_parts();
        Self {
            head,
            source: Source {
                lead: None,
                broken: false,
                inner,
            },
            took,
            secret,
        }
    }

    /// The provider's status.
    pub(crate) fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The first [`PEEK`] bytes of the body, which stay part of it.
    pub(crate) async fn peek(&mut self, idle: Duration) -> Bytes {
        self.source.read(PEEK, idle).await;
        self.source.lead.clone().unwrap_or_default()
    }

    /// The whole body, up to `limit` bytes; whether that was all of it.
    pub(crate) async fn read(mut self, limit: usize, idle: Duration) -> (StatusCode, Bytes, bool) {
        self.source.read(limit, idle).await;
        let whole = !self.source.broken && self.source.inner.is_end_stream();
        (
            self.head.status,
            self.source.lead.unwrap_or_default(),
            whole,
        )
    }
}

/// A body of which a part may have been read already.
pub(crate) struct Source {
    lead: Option<Bytes>,
    /// Reading ahead failed: what follows the lead is a failure.
    broken: bool,
    inner: AnswerBody,
}

/// The provider's connection failed.
pub(super) struct Broken;

impl Source {
    async fn read(&mut self, limit: usize, idle: Duration) {
        let mut text = Vec::new();
        while text.len() < limit && !self.inner.is_end_stream() {
            match tokio::time::timeout(idle, self.inner.frame()).await {
                Ok(Some(Ok(frame))) => {
                    text.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                }
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => {
                    self.broken = true;
                    break;
                }
            }
        }
        self.lead = Some(text.into());
    }

    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Broken>>> {
        if let Some(lead) = self.lead.take().filter(|lead| !lead.is_empty()) {
            return Poll::Ready(Some(Ok(lead)));
        }
        if self.broken {
            return Poll::Ready(Some(Err(Broken)));
        }
        Pin::new(&mut self.inner)
            .poll_frame(cx)
            .map(|frame| match frame? {
                // Trailers are not on the allow-list, and nothing follows them.
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(_) => Some(Err(Broken)),
            })
    }

    pub(super) fn is_end(&self) -> bool {
        let read = self.lead.as_ref().is_none_or(Bytes::is_empty);
        read && !self.broken && self.inner.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.lead {
            None => self.inner.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}
