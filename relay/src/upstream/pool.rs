//! Connections to providers, kept between calls.
//!
//! HTTP/1 connections carry one call at a time and come back when its answer has been read to its
//! end; HTTP/2 connections carry up to [`UPSTREAM_CALLS_PER_CONNECTION`]. What is idle for too
//! long is closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use axum::body::Body;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use hyper::client::conn::http2;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::connect::Stream;
use crate::config::defaults::{POOL_IDLE_TIMEOUT, UPSTREAM_CALLS_PER_CONNECTION};

/// All providers that were called.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// As many as the configuration names: looking at each is the quickest way to find one.
    hosts: RwLock<Vec<Arc<Host>>>,
}

/// One origin and the connections to it.
#[derive(Debug)]
pub(super) struct Host {
    scheme: Scheme,
    authority: Authority,
    /// What `Host` says over HTTP/1: without the scheme's own port (RFC 9110 §7.2).
    header: HeaderValue,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one used last is last.
    single: Vec<(Stream, Instant)>,
    /// The first with room is taken, so that the later ones run empty.
    shared: Vec<Shared>,
    /// A task closes what is idle for too long.
    swept: bool,
}

/// An HTTP/2 connection.
#[derive(Debug)]
struct Shared {
    sender: http2::SendRequest<Body>,
    /// One reference here, and one of each call.
    calls: Arc<()>,
    used: Instant,
}

/// A call's place on an HTTP/2 connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    counted: Arc<()>,
}

impl Pool {
    /// The host of an absolute address.
    pub(super) fn host(&self, uri: &Uri) -> Option<Arc<Host>> {
        let (scheme, authority) = (uri.scheme()?, uri.authority()?);
        let find = |hosts: &[Arc<Host>]| {
            let mut hosts = hosts.iter();
            hosts
                .find(|host| host.authority == *authority && host.scheme == *scheme)
                .cloned()
        };
        // A host is added whole or not at all.
        if let Some(host) = find(&self.hosts.read().unwrap_or_else(PoisonError::into_inner)) {
            return Some(host);
        }
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = find(&hosts) {
            return Some(host);
        }
        let host = Arc::new(Host::new(scheme, authority)?);
        hosts.push(Arc::clone(&host));
        Some(host)
    }
}

impl Host {
    fn new(scheme: &Scheme, authority: &Authority) -> Option<Self> {
        let own_port = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        let header = match authority.port_u16() {
            Some(port) if port != own_port => format!("{}:{port}", authority.host()),
            _ => authority.host().to_owned(),
        };
        Some(Self {
            scheme: scheme.clone(),
            authority: authority.clone(),
            header: header.try_into().ok()?,
            idle: Mutex::default(),
        })
    }

    /// The address a connector needs.
    pub(super) fn uri(&self) -> Option<Uri> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // Nothing here panics half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An HTTP/2 connection with room for a call, if there is one, but not that of `besides`.
    pub(super) fn shared(
        &self,
        besides: Option<&Place>,
    ) -> Option<(http2::SendRequest<Body>, Place)> {
        let mut idle = self.lock();
        idle.shared.retain(Shared::is_wanted);
        idle.shared
            .iter_mut()
            .filter(|shared| besides.is_none_or(|place| !shared.is_of(place)))
            .find(|shared| shared.calls() < UPSTREAM_CALLS_PER_CONNECTION as usize)
            .map(Shared::place)
    }

    /// Keeps a new HTTP/2 connection for others too.
    pub(super) fn share(
        self: &Arc<Self>,
        sender: http2::SendRequest<Body>,
    ) -> (http2::SendRequest<Body>, Place) {
        let mut shared = Shared {
            sender,
            calls: Arc::default(),
            used: Instant::now(),
        };
        let place = shared.place();
        let mut idle = self.lock();
        idle.shared.push(shared);
        self.sweep_later(&mut idle);
        place
    }

    /// What `Host` says over HTTP/1.
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// An HTTP/1 connection that waits for a request.
    pub(super) fn take(&self) -> Option<Stream> {
        let mut idle = self.lock();
        while let Some((mut stream, since)) = idle.single.pop() {
            if since.elapsed() < POOL_IDLE_TIMEOUT && stream.is_quiet() {
                return Some(stream);
            }
        }
        None
    }

    /// Gives an HTTP/1 connection back: its answer has been read to its end.
    pub(super) fn put(self: &Arc<Self>, stream: Stream) {
        let mut idle = self.lock();
        idle.single.push((stream, Instant::now()));
        self.sweep_later(&mut idle);
    }

    fn sweep_later(self: &Arc<Self>, idle: &mut Idle) {
        if idle.swept {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            idle.swept = true;
            let host = Arc::downgrade(self);
            runtime.spawn(async move {
                loop {
                    tokio::time::sleep(POOL_IDLE_TIMEOUT).await;
                    match host.upgrade() {
                        Some(host) if !host.sweep() => {}
                        _ => return,
                    }
                }
            });
        }
    }

    /// Closes what is idle for too long; true when nothing is left to sweep.
    fn sweep(&self) -> bool {
        let mut idle = self.lock();
        let idle = &mut *idle;
        idle.single
            .retain_mut(|(stream, since)| since.elapsed() < POOL_IDLE_TIMEOUT && stream.is_quiet());
        idle.shared.retain(Shared::is_wanted);
        idle.swept = !(idle.single.is_empty() && idle.shared.is_empty());
        !idle.swept
    }
}

impl Shared {
    fn calls(&self) -> usize {
        Arc::strong_count(&self.calls).saturating_sub(1)
    }

    fn is_of(&self, place: &Place) -> bool {
        Arc::ptr_eq(&self.calls, &place.counted)
    }

    /// Open, and carrying calls or lately taken for one.
    fn is_wanted(&self) -> bool {
        !self.sender.is_closed() && (self.calls() > 0 || self.used.elapsed() < POOL_IDLE_TIMEOUT)
    }

    fn place(&mut self) -> (http2::SendRequest<Body>, Place) {
        self.used = Instant::now();
        let place = Place {
            counted: Arc::clone(&self.calls),
        };
        (self.sender.clone(), place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn one_host_per_origin() {
        let pool = Pool::default();
        let first = pool.host(&uri("https://api.example/v1/a?b")).unwrap();
        let again = pool.host(&uri("https://api.example/v1/c")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        for other in [
            "http://api.example/",
            "https://api.example:8443/",
            "https://api2.example/",
        ] {
            assert!(!Arc::ptr_eq(&first, &pool.host(&uri(other)).unwrap()));
        }
        assert!(pool.host(&uri("/v1/a")).is_none());
    }

    #[test]
    fn the_schemes_own_port_is_not_named() {
        let pool = Pool::default();
        for (address, header) in [
            ("https://api.example/", "api.example"),
            ("https://api.example:443/", "api.example"),
            ("https://api.example:80/", "api.example:80"),
            ("http://api.example:80/", "api.example"),
            ("http://[::1]:8080/", "[::1]:8080"),
        ] {
            assert_eq!(pool.host(&uri(address)).unwrap().header, header);
        }
    }

    /// Both ends of a connection.
    async fn connection() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Stream::Plain(near.unwrap()), far.unwrap().0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_comes_back_and_is_closed_when_nobody_wants_it() {
        let host = Pool::default().host(&uri("http://api.example/")).unwrap();
        let (stream, mut far) = connection().await;
        host.put(stream);
        let stream = host.take().unwrap();
        assert!(host.take().is_none());
        host.put(stream);
        // The sweeper finds it: nobody asks again.
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        assert!(host.take().is_none());
        assert!(!host.lock().swept);
    }

    #[tokio::test]
    async fn a_connection_the_other_end_closed_is_not_handed_out() {
        let host = Pool::default().host(&uri("http://api.example/")).unwrap();
        let (stream, far) = connection().await;
        host.put(stream);
        drop(far);
        readable(&host).await;
        assert!(host.take().is_none());
    }

    #[tokio::test]
    async fn a_connection_on_which_something_arrived_unasked_is_not_handed_out() {
        let host = Pool::default().host(&uri("http://api.example/")).unwrap();
        let (stream, mut far) = connection().await;
        host.put(stream);
        far.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            .await
            .unwrap();
        readable(&host).await;
        assert!(host.take().is_none());
    }

    /// Waits until the runtime has seen what the other end did.
    async fn readable(host: &Host) {
        poll_fn(|cx| match &host.lock().single[0].0 {
            Stream::Plain(tcp) => tcp.poll_read_ready(cx),
            Stream::Tls(_) => unreachable!(),
        })
        .await
        .unwrap();
    }
}
