//! Running the relay as a process: bind, serve, drain.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::config::Config;
use crate::jobs;
use crate::metrics::Metrics;
use crate::reload::reload;
use crate::routes;
use crate::server::Server;
use crate::signals::Signals;
use crate::state::{Bound, Live, Relay, StartError};
use crate::tls::{CertificateError, Certificates};
use crate::upstream::Upstream;

/// Why the relay stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The listeners' certificates cannot be used.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// TLS cannot be set up.
    #[error("TLS for clients: {0}")]
    Tls(#[from] rustls::Error),
    /// An address could not be bound.
    #[error("{field}: cannot listen on {address}: {source}")]
    Bind {
        /// The configuration's field.
        field: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("signals: {0}")]
    Signal(std::io::Error),
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    config: Config,
    reread: impl Fn() -> Result<Config, crate::ConfigError>,
) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Signal)?;

    let (page, page_address) = bind("server.listen", config.server.listen).await?;
    let vault = match config.vault.listen {
        Some(address) => Some(bind("vault.listen", address).await?),
        None => None,
    };
    let bound = Bound {
        page: page_address,
        vault: vault.as_ref().map(|(_, address)| *address),
    };
    let admin = bind_admin(&config).await?;
    let certificates = match (&config.tls.certificate, &config.tls.key) {
        (Some(chain), Some(key)) => Some(Certificates::load(chain, key)?),
        _ => None,
    };
    let tls = certificates
        .as_ref()
        .map(|certificates| certificates.server_config())
        .transpose()?;
    let server = Server::new(&config);
    let relay = Relay::new(config, bound)?;
    let server = Arc::new(server.counted_by(Arc::clone(relay.metrics())));
    let app = routes::app(Arc::clone(&relay));

    let vault_listener = vault.map(|(listener, _)| listener);
    for listener in std::iter::once(page).chain(vault_listener) {
        let (server, app) = (Arc::clone(&server), app.clone());
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                Some(tls) => server.run_tls(listener, app, tls).await,
                None => server.run(listener, app).await,
            }
        });
    }
    serve_admin(&relay, admin);
    // Not waited for in vain: without an answer the relay starts degraded.
    relay.limits().warm_up().await;
    let warming = relay.live();
    tokio::spawn(async move { warming.auth.warm_up().await });
    tracing::info!(listen = %bound.page, vault = bound.vault.map(tracing::field::display), version = env!("CARGO_PKG_VERSION"), "listening");

    signals
        .end_or_reload(|| reload(&relay, certificates.as_ref(), &reread))
        .await;
    let settings = relay.live();
    let (delay, deadline) = (
        settings.config.server.drain_delay,
        settings.config.server.drain_deadline,
    );
    drop(settings);
    tracing::info!("draining");
    relay.start_draining();
    tokio::time::sleep(delay).await;
    server.close();
    let until = Instant::now() + deadline;
    let drained = async {
        let whole = server.drained(deadline).await;
        // What is not done by then is done by another worker, or not at all without Redis.
        let jobs = relay.jobs().queue().drained();
        whole && tokio::time::timeout_at(until, jobs).await.is_ok()
    };
    let whole = tokio::select! {
        whole = drained => whole,
        // Asked twice: whoever asks does not want to wait.
        () = signals.end() => false,
    };
    relay.limits().drained().await;
    tracing::info!(whole, "stopped");
    Ok(())
}

/// Derives everything a start would, without binding, reading or calling anything outside the
/// files it names.
///
/// # Errors
/// What would end a start.
pub fn check(config: Config) -> Result<(), ServeError> {
    if let (Some(chain), Some(key)) = (&config.tls.certificate, &config.tls.key) {
        Certificates::load(chain, key)?;
    }
    let upstream = Upstream::new(&config).map_err(StartError::from)?;
    let bound = Bound {
        page: config.server.listen,
        vault: config.vault.listen,
    };
    jobs::check(&config.jobs, &upstream).map_err(StartError::from)?;
    Live::new(config, bound, &upstream, &Arc::new(Metrics::new()), None)
        .map_err(StartError::from)?;
    Ok(())
}

/// The listener of metrics and probes, where there is to be one.
pub(crate) async fn bind_admin(config: &Config) -> Result<Option<TcpListener>, ServeError> {
    Ok(match config.server.admin_listen {
        Some(address) => Some(bind("server.admin_listen", address).await?.0),
        None => None,
    })
}

/// Serves it to the end of the process: probes must see one that drains.
pub(crate) fn serve_admin(relay: &Arc<Relay>, listener: Option<TcpListener>) {
    if let Some(listener) = listener {
        let server = Arc::new(Server::new(&relay.live().config));
        let app = routes::admin(Arc::clone(relay));
        tokio::spawn(async move { server.run(listener, app).await });
    }
}

async fn bind(
    field: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Bind {
        field,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Asks the relay of this configuration for its readiness. True when it is ready.
///
/// # Errors
/// When it listens nowhere in plain HTTP.
pub async fn healthcheck(config: &Config) -> Result<bool, crate::ConfigError> {
    let listen = match config.server.admin_listen {
        Some(admin) => admin,
        None if config.tls.is_on() => {
            return Err(crate::ConfigError::field(
                "server.admin_listen",
                "needed for healthcheck when the other listeners speak TLS",
            ));
        }
        None => config.server.listen,
    };
    Ok(tokio::time::timeout(Duration::from_secs(5), probe(listen))
        .await
        .is_ok_and(|answer| answer.unwrap_or(false)))
}

async fn probe(listen: SocketAddr) -> std::io::Result<bool> {
    // "Every address" is for listening; calling needs one.
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let mut stream = TcpStream::connect((ip, listen.port())).await?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(&status == b"HTTP/1.1 200")
}
