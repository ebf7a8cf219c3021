//! The ledger in Redis does what every ledger must do, on one server and on a cluster.

use std::sync::Arc;

use keyferry_relay::store::{ManualClock, RedisSettings, RedisStore, Time};

use crate::conformance::ledger::{Fixture, NOON, ledger_conformance};
use crate::support::redis::{RedisCluster, RedisServer};

async fn open(urls: &[String], cluster: bool) -> Fixture<RedisStore> {
    let clock = Arc::new(ManualClock::at(NOON));
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let settings = RedisSettings {
        urls: &urls,
        cluster,
    };
    let ledger = RedisStore::open(settings, Time::Given(Box::new(clock.clone()))).unwrap();
    ledger.first_attempt().await;
    Fixture { ledger, clock }
}

mod single {
    use super::*;

    async fn redis() -> Fixture<RedisStore> {
        open(&[RedisServer::shared().url()], false).await
    }

    ledger_conformance!(redis);
}

mod cluster {
    use super::*;

    async fn redis() -> Fixture<RedisStore> {
        open(&RedisCluster::shared().urls(), true).await
    }

    ledger_conformance!(redis);
}
