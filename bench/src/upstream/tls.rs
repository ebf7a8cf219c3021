//! The same stand-in as real providers stand: behind TLS, over HTTP/2 for those who ask for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{COMMON_HEADERS, REFUSAL, Seen};
use crate::payload::{ANSWER, Ask, KEY, STREAM_END, event};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A certificate for the loopback address, made for one run.
pub(super) struct Certificate {
    /// For those who are to trust it.
    pub(super) pem: String,
    acceptor: TlsAcceptor,
}

impl Certificate {
    pub(super) fn make() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            pem: made.cert.pem(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }
}

/// Runs connections' tasks on the thread that accepts them.
#[derive(Clone, Copy, Debug)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here
where
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

pub(super) async fn accept(
    listener: TcpListener,
    certificate: Certificate,
    seen: Arc<Seen>,
) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, seen) = (certificate.acceptor.clone(), Arc::clone(&seen));
        tokio::task::spawn_local(async move {
            let stream = TokioIo::new(acceptor.accept(stream).await?);
            let service = hyper::service::service_fn(move |request| answer(request, seen.clone()));
            // A relay that drops its connection has been asked to: not an error here.
            let _ = hyper_util::server::conn::auto::Builder::new(Here)
                .serve_connection(stream, service)
                .await;
            anyhow::Ok(())
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Seen>,
) -> Result<Response<Body>, hyper::Error> {
    let headers = request.headers();
    let rightful = headers
        .get(AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().strip_prefix(b"Bearer ") == Some(KEY.as_bytes()))
        && !headers.contains_key("x-byok-key");
    let body = request.into_body().collect().await?.to_bytes();
    let ask = Ask::of(&body);
    if ask.is_some_and(|ask| body != *ask.body()) {
        seen.altered.fetch_add(1, Ordering::Relaxed);
    }
    let whole = |bytes| Full::new(bytes).boxed_unsync();
    let (status, kind, body) = match ask {
        _ if !rightful => (
            StatusCode::UNAUTHORIZED,
            "application/json",
            whole(Bytes::from_static(REFUSAL)),
        ),
        Some(Ask::Small | Ask::Large) => (
            StatusCode::OK,
            "application/json",
            whole(Bytes::from_static(&ANSWER)),
        ),
        Some(Ask::Stream { events, gap }) => (
            StatusCode::OK,
            "text/event-stream; charset=utf-8",
            events_of(events, gap),
        ),
        None => (
            StatusCode::BAD_REQUEST,
            "application/json",
            whole(Bytes::from_static(b"{}")),
        ),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in COMMON_HEADERS
        .lines()
        .filter_map(|line| line.split_once(": "))
    {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// `events` events, `gap` apart, and the stream's end.
fn events_of(events: u32, gap: Duration) -> Body {
    let frames = stream::unfold(0, move |number| async move {
        if number > events {
            return None;
        }
        if number > 0 && number < events && !gap.is_zero() {
            tokio::time::sleep(gap).await;
        }
        let bytes = if number < events {
            Bytes::from(event())
        } else {
            Bytes::from_static(STREAM_END)
        };
        Some((Ok(Frame::data(bytes)), number + 1))
    });
    StreamBody::new(frames).boxed_unsync()
}
