//! A process that works on jobs: the relay without its public listeners.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::jobs::Worker;
use crate::reload::reload;
use crate::routes;
use crate::run::{ServeError, bind};
use crate::server::Server;
use crate::state::{Bound, Relay, StartError};

/// Works on jobs until SIGTERM or SIGINT, then ends those it has.
///
/// # Errors
/// See [`ServeError`]; when there is no store in Redis to take jobs from.
pub async fn work(
    config: Config,
    reread: impl Fn() -> Result<Config, crate::ConfigError>,
) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Signal)?;

    // Nothing listens there; its own calls come in under one of the relay's names.
    let bound = Bound {
        page: config.server.listen,
        vault: config.vault.listen,
    };
    let admin = match config.server.admin_listen {
        Some(address) => Some(bind("server.admin_listen", address).await?.0),
        None => None,
    };
    let relay = Relay::new(config, bound)?;
    if let Some(listener) = admin {
        // Served to the end of the process: probes must see a worker that drains.
        let admin = Arc::new(Server::new(&relay.live().config));
        let app = routes::admin(Arc::clone(&relay));
        tokio::spawn(async move { admin.run(listener, app).await });
    }
    relay.limits().warm_up().await;
    let worker = tokio::select! {
        worker = Worker::start(&relay) => worker.map_err(StartError::from)?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "working");

    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&relay, None, &reread),
        }
    }
    let deadline = relay.live().config.server.drain_deadline;
    tracing::info!("draining");
    relay.start_draining();
    let whole = tokio::select! {
        whole = worker.close(deadline) => whole,
        // Asked twice: whoever asks does not want to wait.
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
    };
    relay.limits().drained().await;
    tracing::info!(whole, "stopped");
    Ok(())
}
