//! Shared state of one process: what a single instance uses without Redis, and what every instance
//! falls back to for users' own keys while Redis is down.

mod account;
mod shards;

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use self::account::{CallerEntry, Checked};
use self::shards::Shards;
use super::clock::{Clock, SystemClock, day_of, micros};
use super::{
    Admission, Admitted, CallerId, CallerState, Decision, Health, IdHash, LeaseAction, LeaseFound,
    LeaseId, MAX_LEASE_TTL, Micros, Nonce, Proof, RESERVATION_TTL, Rate, Refusal, ReservationId,
    Settled, Settlement, Standing, Store, StoreError, Use,
};

/// Callers kept at once. One takes about a kilobyte; beyond this, new ones are answered like a
/// Redis that is full.
const MAX_CALLERS: usize = 200_000;
/// Rates of their own (client addresses, key tests).
const MAX_BUCKETS: usize = 200_000;
/// Nonces within their window of two minutes.
const MAX_NONCES: usize = 1_000_000;
/// Leases; each holds one encrypted key.
const MAX_LEASES: usize = 100_000;

/// In-process state, sharded, bounded and expiring.
pub struct LocalStore {
    clock: Arc<dyn Clock>,
    callers: Shards<CallerId, CallerEntry, IdHash>,
    buckets: Shards<CallerId, Micros, IdHash>,
    nonces: Shards<Box<[u8]>, ()>,
    leases: Shards<LeaseId, Lease, IdHash>,
    reservation_ttl: Duration,
}

struct Lease {
    proof: Proof,
    value: Vec<u8>,
}

impl Default for LocalStore {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl LocalStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_capacity(clock, MAX_CALLERS)
    }

    /// An empty store for at most about `callers` callers.
    #[must_use]
    pub fn with_capacity(clock: Arc<dyn Clock>, callers: usize) -> Self {
        Self {
            clock,
            callers: Shards::new(callers),
            buckets: Shards::new(MAX_BUCKETS),
            nonces: Shards::new(MAX_NONCES),
            leases: Shards::new(MAX_LEASES),
            reservation_ttl: RESERVATION_TTL,
        }
    }

    /// Reservations live for `ttl` without a heartbeat instead of [`RESERVATION_TTL`].
    #[must_use]
    pub fn with_reservation_ttl(mut self, ttl: Duration) -> Self {
        self.reservation_ttl = ttl;
        self
    }

    pub(super) fn reservation_ttl(&self) -> Duration {
        self.reservation_ttl
    }

    /// When a reservation touched at `now` ends by itself.
    fn deadline(&self, now: Micros) -> Micros {
        now.saturating_add(micros(self.reservation_ttl))
    }

    /// Drops what has expired. Expired entries never count, swept or not; this gives their memory
    /// back. Meant to be called every few seconds.
    pub fn sweep(&self) {
        let now = self.clock.now();
        self.callers.sweep(now);
        self.buckets.sweep(now);
        self.nonces.sweep(now);
        self.leases.sweep(now);
    }

    fn bucket(
        &self,
        bucket: CallerId,
        rate: Rate,
        take: bool,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        let now = self.clock.now();
        let mut shard = self.buckets.lock(&bucket);
        let tat = shard.get(&bucket, now).copied().unwrap_or(0);
        let moved = match rate.take(now, tat, rate.cost(1)) {
            Ok(moved) => moved,
            Err(wait) => return Ok(Err(wait)),
        };
        if take {
            shard.insert(bucket, moved, now, moved)?;
        }
        Ok(Ok(rate.standing(now, if take { moved } else { tat })))
    }

    /// Whether a nonce was not seen before; from now on it was.
    fn is_fresh(&self, nonce: &[u8], ttl: Duration) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let nonce: Box<[u8]> = nonce.into();
        let mut shard = self.nonces.lock(&nonce);
        if shard.get(&nonce, now).is_some() {
            return Ok(false);
        }
        shard.insert(nonce, (), now, now.saturating_add(micros(ttl)))?;
        Ok(true)
    }
}

impl Store for LocalStore {
    async fn admit(&self, admission: &Admission) -> Result<Decision, StoreError> {
        let now = self.clock.now();
        let caller = admission.account.caller;
        if let Some(Nonce { name, ttl }) = &admission.nonce
            && !self.is_fresh(name, *ttl)?
        {
            return Ok(Decision::Refused(Refusal::Replayed));
        }
        let mut shard = self.callers.lock(&caller);
        let entry = shard.get_or_insert_with(caller, now, CallerEntry::default)?;
        let decision = match entry.value.check(admission, now) {
            Checked::Refused(refusal) => Decision::Refused(refusal),
            Checked::Repeated(admitted) => Decision::Admitted(admitted),
            Checked::Fits => Decision::Admitted(Admitted {
                known: entry.value.known,
                day: day_of(now),
                requests: entry.value.take_request(admission, now),
                tokens: entry.value.tokens_left(admission, now),
            }),
        };
        if let Decision::Admitted(_) = decision {
            entry.value.reserve(admission, now, self.deadline(now));
        }
        entry.expires = entry.expires.max(entry.value.lives_until(now));
        Ok(decision)
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, StoreError> {
        let now = self.clock.now();
        let caller = settlement.account.caller;
        let mut shard = self.callers.lock(&caller);
        let entry = shard.get_or_insert_with(caller, now, CallerEntry::default)?;
        let settled = entry.value.settle(settlement, now, self.deadline(now));
        entry.expires = entry.expires.max(entry.value.lives_until(now));
        if settlement.forget && entry.value.is_forgettable() {
            shard.remove(&caller);
        }
        Ok(settled)
    }

    async fn extend(&self, held: &[(CallerId, ReservationId)]) -> Result<(), StoreError> {
        let now = self.clock.now();
        for (caller, id) in held {
            if let Some(entry) = self.callers.lock(caller).get_mut(caller, now) {
                entry.extend(*id, now, self.deadline(now));
            }
        }
        Ok(())
    }

    async fn take(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        self.bucket(bucket, rate, true)
    }

    async fn peek(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        self.bucket(bucket, rate, false)
    }

    async fn state(&self, caller: CallerId) -> Result<CallerState, StoreError> {
        let now = self.clock.now();
        let shard = self.callers.lock(&caller);
        Ok(shard.get(&caller, now).map_or_else(
            || CallerState {
                now,
                ..CallerState::default()
            },
            |entry| entry.state(now),
        ))
    }

    async fn usage(&self, caller: CallerId, until: u32, days: u32) -> Result<Vec<Use>, StoreError> {
        let now = self.clock.now();
        let shard = self.callers.lock(&caller);
        Ok(shard
            .get(&caller, now)
            .map_or_else(Vec::new, |entry| entry.usage(until, days)))
    }

    async fn remember(&self, nonce: &[u8], ttl: Duration) -> Result<bool, StoreError> {
        self.is_fresh(nonce, ttl)
    }

    async fn put_lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut shard = self.leases.lock(&id);
        if shard.get(&id, now).is_some() {
            return Ok(false);
        }
        let lease = Lease {
            proof: *proof,
            value: value.to_vec(),
        };
        shard.insert(
            id,
            lease,
            now,
            now.saturating_add(micros(ttl.min(MAX_LEASE_TTL))),
        )?;
        Ok(true)
    }

    async fn lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        action: LeaseAction,
    ) -> Result<Option<LeaseFound>, StoreError> {
        let now = self.clock.now();
        let mut shard = self.leases.lock(&id);
        let Entry::Occupied(entry) = shard.entry(id) else {
            return Ok(None);
        };
        if entry.get().expires <= now {
            entry.remove();
            return Ok(None);
        }
        if entry.get().value.proof != *proof {
            return Ok(None);
        }
        let left = Duration::from_micros(entry.get().expires - now);
        Ok(Some(match action {
            LeaseAction::Get => LeaseFound {
                value: entry.get().value.value.clone(),
                expires_in: left,
            },
            LeaseAction::Peek => LeaseFound {
                value: Vec::new(),
                expires_in: left,
            },
            LeaseAction::Take => LeaseFound {
                value: entry.remove().value.value,
                expires_in: Duration::ZERO,
            },
            LeaseAction::Clear => {
                entry.remove();
                LeaseFound {
                    value: Vec::new(),
                    expires_in: Duration::ZERO,
                }
            }
        }))
    }

    fn health(&self) -> Health {
        Health::Up
    }

    fn now(&self) -> Micros {
        self.clock.now()
    }
}
