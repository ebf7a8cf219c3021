//! The Redis store does what every store must do, on one server and on a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod redis_support;
mod store_suite;

use std::sync::{Arc, OnceLock};

use keyferry_relay::store::{ManualClock, RedisSettings, RedisStore, Time};
use redis_support::{RedisCluster, RedisServer};
use store_suite::{Fixture, NOON, RESERVATION_TTL};

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
        static SERVER: OnceLock<RedisServer> = OnceLock::new();
        let server = SERVER.get_or_init(|| RedisServer::start(&[]));
        open(&[server.url()], false).await
    }

    store_conformance!(redis);
}

mod cluster {
    use super::*;

    async fn redis() -> Fixture<RedisStore> {
        static CLUSTER: OnceLock<RedisCluster> = OnceLock::new();
        let cluster = CLUSTER.get_or_init(RedisCluster::start);
        open(&cluster.urls(), true).await
    }

    store_conformance!(redis);
}
