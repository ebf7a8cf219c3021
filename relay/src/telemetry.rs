//! Logs: one JSON object per line on standard error.

use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging. `filter` is what `RUST_LOG` says, `info` when it is absent or malformed.
///
/// Our own targets may be set to any level: nothing secret reaches them. Dependencies are held at
/// `info` whatever the filter says: h2 prints header values it objects to and the payload of
/// GOAWAY frames at finer levels, and a dependency's next version may print more.
pub fn init(filter: Option<&str>) {
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_filter(dependency_cap())
        .with_filter(env_filter(filter));
    // A second initialisation (tests in one process) keeps the first.
    let _ = tracing_subscriber::registry().with(layer).try_init();
    std::panic::set_hook(Box::new(report_panic));
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
pub fn dependency_cap<S>() -> impl tracing_subscriber::layer::Filter<S> {
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
