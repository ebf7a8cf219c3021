//! The ledger of one process does what every ledger must do, and tells of every change.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod job_suite;

use std::sync::Arc;

use job_suite::{Fixture, NOON};
use keyferry_relay::jobs::LocalLedger;
use keyferry_relay::store::ManualClock;

async fn local() -> Fixture<LocalLedger> {
    let clock = Arc::new(ManualClock::at(NOON));
    Fixture {
        ledger: LocalLedger::new(clock.clone(), |_, _| ()),
        clock,
    }
}

ledger_conformance!(local);
