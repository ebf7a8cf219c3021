//! The store an instance was configured with.

use std::time::Duration;

use super::{
    Admission, CallerId, CallerState, Decision, Health, LeaseAction, LeaseFound, LeaseId,
    LocalStore, Micros, Proof, Rate, RedisStore, ReservationId, Settled, Settlement, Standing,
    Store, StoreError, Use,
};

/// One of the stores. An enum and no trait object: the in-process store answers without an
/// allocation and without a task switch.
pub enum AnyStore {
    /// State of this process alone.
    Local(LocalStore),
    /// State shared through Redis. Boxed for its size.
    Redis(Box<RedisStore>),
}

macro_rules! on_either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Local($store) => $call,
            Self::Redis($store) => $call,
        }
    };
}

impl AnyStore {
    /// True when other instances see the same state.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }
}

impl Store for AnyStore {
    async fn admit(&self, admission: &Admission) -> Result<Decision, StoreError> {
        on_either!(self, store => store.admit(admission).await)
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, StoreError> {
        on_either!(self, store => store.settle(settlement).await)
    }

    async fn extend(&self, held: &[(CallerId, ReservationId)]) -> Result<(), StoreError> {
        on_either!(self, store => store.extend(held).await)
    }

    async fn take(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        on_either!(self, store => store.take(bucket, rate).await)
    }

    async fn peek(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        on_either!(self, store => store.peek(bucket, rate).await)
    }

    async fn state(&self, caller: CallerId) -> Result<CallerState, StoreError> {
        on_either!(self, store => store.state(caller).await)
    }

    async fn usage(&self, caller: CallerId, until: u32, days: u32) -> Result<Vec<Use>, StoreError> {
        on_either!(self, store => store.usage(caller, until, days).await)
    }

    async fn remember(&self, nonce: &[u8], ttl: Duration) -> Result<bool, StoreError> {
        on_either!(self, store => store.remember(nonce, ttl).await)
    }

    async fn put_lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        on_either!(self, store => store.put_lease(id, proof, value, ttl).await)
    }

    async fn lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        action: LeaseAction,
    ) -> Result<Option<LeaseFound>, StoreError> {
        on_either!(self, store => store.lease(id, proof, action).await)
    }

    fn health(&self) -> Health {
        on_either!(self, store => store.health())
    }

    fn now(&self) -> Micros {
        on_either!(self, store => store.now())
    }
}
