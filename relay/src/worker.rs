//! A process that works on jobs: the relay without its public listeners.

use crate::config::Config;
use crate::jobs::Worker;
use crate::reload::reload;
use crate::run::{ServeError, bind_admin, serve_admin};
use crate::signals::Signals;
use crate::state::{Bound, Relay, StartError};

/// Works on jobs until SIGTERM or SIGINT, then ends those it has.
///
/// # Errors
/// See [`ServeError`]; when there is no store in Redis to take jobs from.
pub async fn work(
    config: Config,
    reread: impl Fn() -> Result<Config, crate::ConfigError>,
) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Signal)?;

    // Nothing listens there; its own calls come in under one of the relay's names.
    let bound = Bound {
        page: config.server.listen,
        vault: config.vault.listen,
    };
    let admin = bind_admin(&config).await?;
    let relay = Relay::new(config, bound)?;
    serve_admin(&relay, admin);
    relay.limits().warm_up().await;
    let worker = tokio::select! {
        worker = Worker::start(&relay) => worker.map_err(StartError::from)?,
        () = signals.end() => return Ok(()),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "working");

    signals
        .end_or_reload(|| reload(&relay, None, &reread))
        .await;
    let deadline = relay.live().config.server.drain_deadline;
    tracing::info!("draining");
    relay.start_draining();
    let whole = tokio::select! {
        whole = worker.close(deadline) => whole,
        // Asked twice: whoever asks does not want to wait.
        () = signals.end() => false,
    };
    relay.limits().drained().await;
    tracing::info!(whole, "stopped");
    Ok(())
}
