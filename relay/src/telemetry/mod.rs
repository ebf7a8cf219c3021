//! Logs: one JSON object per line on standard error.
//!
//! ```text
//! event ─► filters ─► Lines (one JSON object) ─► Sink (batches) ─► standard error
//! ```

mod lines;
mod sink;

use std::io;
use std::panic::PanicHookInfo;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterFn, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use lines::Lines;
use sink::Sink;

/// Writes what has been logged to its end when it is dropped: to be held until the process ends.
#[derive(Debug)]
pub struct Logs(Sink);

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Starts logging. `filter` is what `RUST_LOG` says, `info` when it is absent or malformed.
///
/// Our own targets may be set to any level: nothing secret reaches them. Dependencies are held at
/// `info` whatever the filter says: h2 prints header values it objects to and the payload of
/// GOAWAY frames at finer levels, and a dependency's next version may print more.
///
/// # Errors
/// When the system gives no thread to write with.
pub fn init(filter: Option<&str>) -> io::Result<Logs> {
    let sink = Sink::start(Box::new(io::stderr()))?;
    // Filters as layers, not one per layer: with one place to write to they decide the same, and
    // an event is not marked and looked up for each.
    let subscriber = tracing_subscriber::registry()
        .with(Lines::new(sink.clone()))
        .with(dependency_cap())
        .with(env_filter(filter));
    // A second initialisation (tests in one process) keeps the first.
    let _ = subscriber.try_init();
    let last = sink.clone();
    std::panic::set_hook(Box::new(move |info| {
        report_panic(info);
        // The process may be about to abort.
        last.flush();
    }));
    Ok(Logs(sink))
}

/// `RUST_LOG`'s own grammar.
#[must_use]
pub fn env_filter(filter: Option<&str>) -> EnvFilter {
    filter
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new("info"))
}

/// Lets through our own events, and those of others from `info` up.
#[must_use]
pub fn dependency_cap() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    filter_fn(|metadata| {
        metadata.target().starts_with("keyferry") || *metadata.level() <= Level::INFO
    })
}

/// A panic's message may hold anything, so only its place is reported.
fn report_panic(info: &PanicHookInfo<'_>) {
    let (file, line) = info
        .location()
        .map_or(("", 0), |place| (place.file(), place.line()));
    tracing::error!(file, line, "panic");
}
