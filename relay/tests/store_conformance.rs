//! The in-process store does what every store must do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod store_suite;

use std::sync::Arc;

use keyferry_relay::store::{LocalStore, ManualClock};
use store_suite::{Fixture, NOON, RESERVATION_TTL};

async fn local() -> Fixture<LocalStore> {
    let clock = Arc::new(ManualClock::at(NOON));
    let store = LocalStore::new(clock.clone()).with_reservation_ttl(RESERVATION_TTL);
    Fixture {
        store,
        clock,
        real_expiry: false,
    }
}

store_conformance!(local);
