//! The ledger of one process does what every ledger must do, and tells of every change.

use std::sync::Arc;

use keyferry_relay::jobs::LocalLedger;
use keyferry_relay::store::ManualClock;

use crate::conformance::ledger::{Fixture, NOON, ledger_conformance};

async fn local() -> Fixture<LocalLedger> {
    let clock = Arc::new(ManualClock::at(NOON));
    Fixture {
        ledger: LocalLedger::new(clock.clone(), |_, _| ()),
        clock,
    }
}

ledger_conformance!(local);
