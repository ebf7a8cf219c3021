//! The store an instance was configured with, and what it does while Redis is away.

use std::time::Duration;

use super::{
    Admission, CallerId, CallerState, Decision, Health, LeaseAction, LeaseFound, LeaseId,
    LocalStore, Micros, Proof, Rate, RedisStore, ReservationId, Settled, Settlement, Standing,
    Store, StoreError, Use,
};

/// One of the stores. An enum and no trait object: the in-process store answers without an
/// allocation and without a task switch.
///
/// While Redis is away, nonces and plain rates are kept by the instance itself: what they guard
/// goes on, and is guarded per instance. Everything else fails; what to do then depends on what is
/// at stake, which the caller knows.
pub enum AnyStore {
    /// State of this process alone.
    Local(LocalStore),
    /// State shared through Redis.
    Redis(Box<Shared>),
}

/// Redis, and what stands in for it.
pub struct Shared {
    redis: RedisStore,
    own: LocalStore,
}

macro_rules! on_either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Local($store) => $call,
            Self::Redis(shared) => {
                let $store = &shared.redis;
                $call
            }
        }
    };
}

/// [`on_either`] for what is waited for. Redis's way is boxed: a round trip makes the allocation
/// small, and every request's future would otherwise hold room for it.
macro_rules! await_either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Local($store) => $call.await,
            Self::Redis(shared) => {
                let $store = &shared.redis;
                Box::pin($call).await
            }
        }
    };
}

impl From<LocalStore> for AnyStore {
    fn from(store: LocalStore) -> Self {
        Self::Local(store)
    }
}

impl From<RedisStore> for AnyStore {
    fn from(redis: RedisStore) -> Self {
        Self::Redis(Box::new(Shared {
            redis,
            own: LocalStore::default(),
        }))
    }
}

impl AnyStore {
    /// What this instance keeps by itself: all of it, or what stands in for Redis.
    #[must_use]
    pub fn own(&self) -> &LocalStore {
        match self {
            Self::Local(store) => store,
            Self::Redis(shared) => &shared.own,
        }
    }

    /// Redis, when that is where it is kept.
    #[must_use]
    pub(crate) const fn redis(&self) -> Option<&RedisStore> {
        match self {
            Self::Local(_) => None,
            Self::Redis(shared) => Some(&shared.redis),
        }
    }

    /// True when other instances see the same state.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Waits for the first attempt to connect to end, well or not: about a second at most.
    pub async fn first_attempt(&self) {
        if let Self::Redis(shared) = self {
            shared.redis.first_attempt().await;
        }
    }

    /// How long a reservation lives without a heartbeat.
    #[must_use]
    pub fn reservation_ttl(&self) -> Duration {
        on_either!(self, store => store.reservation_ttl())
    }
}

impl Store for AnyStore {
    async fn admit(&self, admission: &Admission) -> Result<Decision, StoreError> {
        await_either!(self, store => store.admit(admission))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, StoreError> {
        await_either!(self, store => store.settle(settlement))
    }

    async fn extend(&self, held: &[(CallerId, ReservationId)]) -> Result<(), StoreError> {
        await_either!(self, store => store.extend(held))
    }

    async fn take(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        let Self::Redis(shared) = self else {
            return self.own().take(bucket, rate).await;
        };
        // Taken here, too: a storm that begins with Redis does not start anew when it goes.
        let own = shared.own.take(bucket, rate).await;
        match Box::pin(shared.redis.take(bucket, rate)).await {
            Ok(taken) => Ok(taken),
            Err(_) => own,
        }
    }

    async fn peek(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        let Self::Redis(shared) = self else {
            return self.own().peek(bucket, rate).await;
        };
        match Box::pin(shared.redis.peek(bucket, rate)).await {
            Ok(standing) => Ok(standing),
            Err(_) => shared.own.peek(bucket, rate).await,
        }
    }

    async fn state(&self, caller: CallerId) -> Result<CallerState, StoreError> {
        await_either!(self, store => store.state(caller))
    }

    async fn usage(&self, caller: CallerId, until: u32, days: u32) -> Result<Vec<Use>, StoreError> {
        await_either!(self, store => store.usage(caller, until, days))
    }

    async fn remember(&self, nonce: &[u8], ttl: Duration) -> Result<bool, StoreError> {
        let Self::Redis(shared) = self else {
            return self.own().remember(nonce, ttl).await;
        };
        match Box::pin(shared.redis.remember(nonce, ttl)).await {
            Ok(fresh) => Ok(fresh),
            Err(_) => shared.own.remember(nonce, ttl).await,
        }
    }

    async fn put_lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        await_either!(self, store => store.put_lease(id, proof, value, ttl))
    }

    async fn lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        action: LeaseAction,
    ) -> Result<Option<LeaseFound>, StoreError> {
        await_either!(self, store => store.lease(id, proof, action))
    }

    fn health(&self) -> Health {
        on_either!(self, store => store.health())
    }

    fn now(&self) -> Micros {
        on_either!(self, store => store.now())
    }
}

impl std::fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_shared() { "Redis" } else { "Local" })
    }
}
