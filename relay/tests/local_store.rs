//! The in-process store does what every store must do.

use std::sync::Arc;

use keyferry_relay::store::{LocalStore, ManualClock};

use crate::conformance::store::{Fixture, NOON, RESERVATION_TTL, store_conformance};

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
