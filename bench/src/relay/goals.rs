//! What Keyferry has set itself, checked against a run.

use serde_json::{Value, json};

use super::sections as s;
use crate::results::{Results, Section, YARDSTICK};

/// One goal: a figure and the most, or the least, it may be.
struct Goal {
    what: &'static str,
    measured: Option<f64>,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn met(&self) -> Option<bool> {
        let measured = self.measured?;
        Some(match self.bound {
            Bound::AtMost(bound) => measured <= bound,
            Bound::AtLeast(bound) => measured >= bound,
        })
    }
}

const ROW: &str = "keyferry";
const SEALED_ROW: &str = "keyferry sealed";
const REDIS_ROW: &str = "keyferry redis";

fn goals(results: &Results) -> Vec<Goal> {
    let ratio = |section: &Section, metric| results.ratio(section, metric, ROW);
    let over = |section: &Section, metric, row, other| {
        Some(results.median(section, metric, row)? - results.median(section, metric, other)?)
    };
    let added = |section: &Section, metric| results.added(section, metric, ROW);
    vec![
        Goal {
            what: "CPU per request over nginx's",
            measured: ratio(&s::SATURATED, s::CPU),
            bound: Bound::AtMost(1.5),
        },
        Goal {
            what: "requests/s over nginx's",
            measured: ratio(&s::SATURATED, s::RATE),
            bound: Bound::AtLeast(0.75),
        },
        Goal {
            what: "p99 over nginx's, at half of its saturation",
            measured: ratio(&s::HALF, s::P99),
            bound: Bound::AtMost(1.5),
        },
        Goal {
            what: "p50 at one connection over nginx's, µs",
            measured: over(&s::SINGLE, s::P50, ROW, YARDSTICK),
            bound: Bound::AtMost(23.0),
        },
        Goal {
            what: "first event over direct, ms",
            measured: added(&s::STREAMING, s::FIRST),
            bound: Bound::AtMost(0.45),
        },
        Goal {
            what: "RSS per 1,000 open streams, MB",
            measured: results.median(&s::OPEN, s::PER_1000, ROW),
            bound: Bound::AtMost(45.0),
        },
        Goal {
            what: "sealed header, more CPU per request, µs",
            measured: over(&s::SATURATED, s::CPU, SEALED_ROW, ROW),
            bound: Bound::AtMost(2.0),
        },
        Goal {
            what: "Redis round trips per request",
            measured: results.median(&s::REDIS, s::ROUND_TRIPS, REDIS_ROW),
            bound: Bound::AtMost(2.05),
        },
    ]
}

/// The goals in lines for a terminal.
pub(super) fn describe(results: &Results) -> String {
    let mut text = String::from("Goals\n");
    for goal in goals(results) {
        let (word, bound) = match goal.bound {
            Bound::AtMost(bound) => ("at most", bound),
            Bound::AtLeast(bound) => ("at least", bound),
        };
        let verdict = match goal.met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "not measured",
        };
        let measured = goal
            .measured
            .map_or_else(|| "–".to_owned(), |measured| format!("{measured:.2}"));
        text.push_str(&format!(
            "  {verdict:<13} {}: {measured} ({word} {bound})\n",
            goal.what
        ));
    }
    text
}

/// The goals as data.
pub(super) fn json(results: &Results) -> Value {
    goals(results)
        .into_iter()
        .map(|goal| {
            let (kind, bound) = match goal.bound {
                Bound::AtMost(bound) => ("at_most", bound),
                Bound::AtLeast(bound) => ("at_least", bound),
            };
            json!({ "goal": goal.what, "measured": goal.measured, kind: bound, "met": goal.met() })
        })
        .collect()
}
