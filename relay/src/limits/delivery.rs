//! What goes on beside requests: settlements on their way, heartbeats, sweeping, the backlog.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::backlog::may_repeat;
use super::service::Limits;
use crate::store::{AnyStore, CallerId, Health, Rate, Settlement, Store as _};

/// Between two rounds of the work beside requests.
const ROUND: Duration = Duration::from_millis(500);

/// Between two sweeps of what is kept in the process.
const SWEEP: Duration = Duration::from_secs(5);

impl Limits {
    pub(super) fn remember(&self, caller: CallerId) {
        self.known.insert(caller);
    }

    /// Counts one failure; nobody waits for it.
    pub(super) fn count_failure(self: &Arc<Self>, address: IpAddr, rate: Rate) {
        let bucket = self.pseudonyms.load().address(address);
        if let AnyStore::Local(store) = &self.store {
            let _ = store.take(bucket, rate).now_or_never();
            return;
        }
        let limits = Arc::clone(self);
        self.spawn(async move {
            let _ = limits.store.take(bucket, rate).await;
        });
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(handle) = &self.handle {
            self.running.spawn_on(work, handle);
        }
    }

    /// Delivers a settlement, now or later.
    pub(super) fn conclude(self: &Arc<Self>, settlement: Settlement, alone: bool) {
        if let Some(held) = settlement.held {
            self.heartbeats.remove(held.id);
        }
        if let AnyStore::Local(store) = &self.store {
            // Never waits: one poll completes it.
            let _ = store.settle(&settlement).now_or_never();
            return;
        }
        if alone {
            let _ = self.store.own().settle(&settlement).now_or_never();
            if !settlement.forget {
                self.backlog.push(settlement);
            }
            return;
        }
        let limits = Arc::clone(self);
        self.spawn(async move {
            if let Err(error) = limits.store.settle(&settlement).await
                && may_repeat(&settlement, error)
            {
                limits.backlog.push(settlement);
            }
        });
    }

    /// Waits until every settlement has been delivered or has failed. For shutdown, after the last
    /// request: each takes a few hundred milliseconds at most.
    pub async fn drained(&self) {
        self.running.close();
        self.running.wait().await;
        if self.store.health() == Health::Up {
            self.backlog.deliver(&self.store).await;
        }
        if self.backlog.len() > 0 {
            tracing::warn!(count = self.backlog.len(), "settlements were not delivered");
        }
    }
}

/// Heartbeats, sweeping, the backlog and the gauge, until the limits are gone.
pub(super) async fn rounds(limits: Weak<Limits>) {
    let mut every = tokio::time::interval(ROUND);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut beat, mut swept) = (tokio::time::Instant::now(), tokio::time::Instant::now());
    loop {
        every.tick().await;
        let Some(limits) = limits.upgrade() else {
            return;
        };
        let degraded = limits.is_degraded();
        limits.metrics.store_degraded(degraded);
        if swept.elapsed() >= SWEEP {
            swept = tokio::time::Instant::now();
            limits.store.own().sweep();
        }
        if degraded {
            continue;
        }
        if beat.elapsed() >= limits.store.reservation_ttl() / 3 {
            let held = limits.heartbeats.all();
            if held.is_empty() || limits.store.extend(&held).await.is_ok() {
                beat = tokio::time::Instant::now();
            }
        }
        limits.backlog.deliver(&limits.store).await;
    }
}
