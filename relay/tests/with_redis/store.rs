//! The Redis store does what every store must do, on one server and on a cluster.

use std::sync::Arc;

use keyferry_relay::store::{ManualClock, RedisSettings, RedisStore, Time};

use crate::conformance::store::{Fixture, NOON, RESERVATION_TTL, store_conformance};
use crate::support::redis::{RedisCluster, RedisServer};

async fn open(urls: &[String], cluster: bool) -> Fixture<RedisStore> {
    let clock = Arc::new(ManualClock::at(NOON));
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let settings = RedisSettings {
        urls: &urls,
        cluster,
    };
    let store = RedisStore::open(settings, Time::Given(Box::new(clock.clone())))
        .unwrap()
        .with_reservation_ttl(RESERVATION_TTL);
    store.first_attempt().await;
    Fixture {
        store,
        clock,
        real_expiry: true,
    }
}

mod single {
    use super::*;

    async fn redis() -> Fixture<RedisStore> {
        open(&[RedisServer::shared().url()], false).await
    }

    store_conformance!(redis);
}

mod cluster {
    use super::*;

    async fn redis() -> Fixture<RedisStore> {
        open(&RedisCluster::shared().urls(), true).await
    }

    store_conformance!(redis);
}
