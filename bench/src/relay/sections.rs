//! The tables of a relay run.

use crate::results::{Compare, Metric, Section};

const fn metric(
    name: &'static str,
    unit: &'static str,
    decimals: usize,
    compare: Compare,
) -> Metric {
    Metric {
        name,
        unit,
        decimals,
        compare,
    }
}

pub(crate) const RATE: &str = "requests/s";
pub(crate) const CPU: &str = "CPU per request";
pub(crate) const BUSY: &str = "core busy";
pub(crate) const P50: &str = "p50";
pub(crate) const P99: &str = "p99";
pub(crate) const RSS: &str = "RSS";
pub(crate) const FIRST: &str = "first event p50";
pub(crate) const EVENT: &str = "event p50";
pub(crate) const EVENT_P99: &str = "event p99";
pub(crate) const CPU_EVENT: &str = "CPU per event";
pub(crate) const EVENT_RATE: &str = "events/s";
pub(crate) const THROUGHPUT: &str = "MB/s";
pub(crate) const PER_1000: &str = "RSS per 1,000";
pub(crate) const ROUND_TRIPS: &str = "round trips per request";
pub(crate) const COMMANDS: &str = "commands per request";
pub(crate) const REDIS_CPU: &str = "Redis CPU per request";

pub(crate) const SATURATED: Section = Section {
    id: "saturated",
    title: "Small body, 32 connections, as fast as it goes",
    metrics: &[
        metric(RATE, "", 0, Compare::Ratio),
        metric(CPU, "µs", 1, Compare::Ratio),
        metric(BUSY, "%", 0, Compare::Alone),
        metric(P50, "µs", 0, Compare::Ratio),
        metric(P99, "µs", 0, Compare::Ratio),
        metric(RSS, "MB", 1, Compare::Alone),
    ],
};
pub(crate) const SINGLE: Section = Section {
    id: "single",
    title: "Small body, one connection",
    metrics: &[
        metric(P50, "µs", 1, Compare::Added),
        metric(P99, "µs", 1, Compare::Added),
    ],
};
pub(crate) const HALF: Section = Section {
    id: "half",
    title: "Small body, random arrivals at half of nginx's saturation, 64 connections",
    metrics: &[
        metric(RATE, "", 0, Compare::Alone),
        metric(P50, "µs", 0, Compare::Ratio),
        metric(P99, "µs", 0, Compare::Ratio),
        metric(CPU, "µs", 1, Compare::Ratio),
    ],
};
pub(crate) const LARGE: Section = Section {
    id: "large",
    title: "1 MB body, 4 connections, as fast as it goes",
    metrics: &[
        metric(RATE, "", 0, Compare::Ratio),
        metric(CPU, "µs", 0, Compare::Ratio),
        metric(BUSY, "%", 0, Compare::Alone),
        metric(P50, "µs", 0, Compare::Ratio),
        metric(P99, "µs", 0, Compare::Ratio),
    ],
};
pub(crate) const STREAMING: Section = Section {
    id: "streaming",
    title: "Streaming, 20 clients, an event every 20 ms each",
    metrics: &[
        metric(FIRST, "ms", 3, Compare::Added),
        metric(EVENT, "ms", 3, Compare::Added),
        metric(EVENT_P99, "ms", 3, Compare::Added),
    ],
};
pub(crate) const STREAM_LOAD: Section = Section {
    id: "stream_load",
    title: "Streaming, 200 clients, an event every 10 ms each",
    metrics: &[
        metric(EVENT_RATE, "", 0, Compare::Alone),
        metric(CPU_EVENT, "µs", 2, Compare::Ratio),
        metric(EVENT, "ms", 3, Compare::Added),
        metric(EVENT_P99, "ms", 3, Compare::Added),
    ],
};
pub(crate) const FLOOD: Section = Section {
    id: "flood",
    title: "One stream, events without a pause",
    metrics: &[metric(THROUGHPUT, "", 1, Compare::Ratio)],
};
pub(crate) const OPEN: Section = Section {
    id: "open",
    title: "Open streams, an event a second each, freshly started",
    metrics: &[
        metric(RSS, "MB", 1, Compare::Alone),
        metric(PER_1000, "MB", 1, Compare::Ratio),
    ],
};
pub(crate) const REDIS: Section = Section {
    id: "redis",
    title: "Redis, one request after the other",
    metrics: &[
        metric(ROUND_TRIPS, "", 2, Compare::Alone),
        metric(COMMANDS, "", 2, Compare::Alone),
        metric(REDIS_CPU, "µs", 1, Compare::Alone),
    ],
};

pub(crate) const ALL: [&Section; 9] = [
    &SATURATED,
    &SINGLE,
    &HALF,
    &LARGE,
    &STREAMING,
    &STREAM_LOAD,
    &FLOOD,
    &OPEN,
    &REDIS,
];
