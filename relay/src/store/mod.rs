//! Shared state: limits, spend, usage, the memory of nonces, leases.
//!
//! ```text
//!            limits, usage, leases, sealed header
//!                          │ Store
//!              ┌───────────┴───────────┐
//!         LocalStore               RedisStore
//!    sharded maps, one process    Lua scripts, one hash slot per caller
//! ```
//!
//! Both do the same, proven by one suite that runs on each (`tests/conformance/store.rs`). A
//! relayed call costs one operation before ([`Store::admit`]) and one after ([`Store::settle`]).

mod admission;
mod any;
pub mod clock;
mod error;
mod gcra;
mod id;
mod lease;
mod local;
mod redis;
mod settlement;
mod usage;

use std::future::Future;
use std::time::Duration;

pub use admission::{Account, Admission, Admitted, Decision, LeaseBudget, Nonce, Refusal, Reserve};
pub use any::{AnyStore, Shared};
pub use clock::{Clock, ManualClock, Micros, SystemClock};
pub use error::{Outcome, StoreError};
pub use gcra::{Rate, Standing};
pub(crate) use id::IdHash;
pub use id::{CallerId, JobId, LeaseId, ReservationId};
pub use lease::{LeaseAction, LeaseFound, MAX_TTL as MAX_LEASE_TTL, Proof};
pub use local::LocalStore;
pub use redis::{RedisSettings, RedisStore, Time};
pub use settlement::{Held, Settled, Settlement};
pub use usage::{OTHER, RETENTION_DAYS, Row, Use};

/// How long a reservation lives without a heartbeat. There are three in that time: when all are
/// missed, its instance is gone or cut off.
pub const RESERVATION_TTL: Duration = Duration::from_secs(90);

/// How long the limits of a caller are kept after its last call: longer than any rate's period and
/// than any day.
pub(crate) const STATE_TTL: Duration = Duration::from_secs(48 * 3_600);

/// The same for a key that has not had a success yet and holds no reservation.
pub(crate) const PROVISIONAL_TTL: Duration = Duration::from_secs(120);

/// What a caller has taken, for `GET /v1/limits`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerState {
    /// The store's time, against which the arrival times below are read.
    pub now: Micros,
    /// One entry per provider, payer and kind of rate: the theoretical arrival time.
    pub rates: Vec<RateState>,
    /// One entry per provider and payer with money guarded today, in micro-dollars.
    pub spent: Vec<SpendState>,
}

/// One rate of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateState {
    /// Which of the two rates.
    pub kind: RateKind,
    /// Provider id.
    pub provider: Box<str>,
    /// Whose key.
    pub payer: keyferry_protocol::Payer,
    /// Theoretical arrival time, see [`Rate::standing`].
    pub tat: Micros,
}

/// Money of a caller spent and set aside today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendState {
    /// Provider id.
    pub provider: Box<str>,
    /// Whose money.
    pub payer: keyferry_protocol::Payer,
    /// Micro-dollars.
    pub spent: u64,
}

/// The two rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RateKind {
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
}

/// Whether shared state can be relied on right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers and takes writes.
    Up,
    /// It does not; the word is a [`StoreError::reason`].
    Down(&'static str),
}

/// Shared state of all instances.
///
/// Every operation is atomic, and ends within [`OPERATION_TIMEOUT`], whatever happened to the
/// server behind it.
pub trait Store: Send + Sync {
    /// Takes a request, and money when asked to, if all of it fits; takes nothing otherwise.
    /// Repeating an admission with the same reservation takes it once.
    fn admit(
        &self,
        admission: &Admission,
    ) -> impl Future<Output = Result<Decision, StoreError>> + Send;

    /// Replaces what was set aside by what was used and counts it. A reservation settles once;
    /// settling one that was never made keeps it from being made.
    fn settle(
        &self,
        settlement: &Settlement,
    ) -> impl Future<Output = Result<Settled, StoreError>> + Send;

    /// Heartbeat: keeps these reservations for another [`RESERVATION_TTL`].
    fn extend(
        &self,
        held: &[(CallerId, ReservationId)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes one unit from a rate of its own, named by `bucket`, if it fits. The error of the
    /// inner result is the time until it does.
    fn take(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> impl Future<Output = Result<Result<Standing, Duration>, StoreError>> + Send;

    /// Whether [`Store::take`] would succeed now; takes nothing.
    fn peek(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> impl Future<Output = Result<Result<Standing, Duration>, StoreError>> + Send;

    /// What the caller has taken.
    fn state(
        &self,
        caller: CallerId,
    ) -> impl Future<Output = Result<CallerState, StoreError>> + Send;

    /// The caller's use on the `days` days that end with `until`, oldest first.
    fn usage(
        &self,
        caller: CallerId,
        until: u32,
        days: u32,
    ) -> impl Future<Output = Result<Vec<Use>, StoreError>> + Send;

    /// Remembers `nonce` for `ttl`. False when it was already remembered.
    fn remember(
        &self,
        nonce: &[u8],
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Stores a lease for `ttl`, at most [`MAX_LEASE_TTL`]. False when the id is taken.
    fn put_lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        value: &[u8],
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Does `action` with a lease whose proof matches. `None` when there is no such lease or the
    /// proof is wrong: the two cannot be told apart.
    fn lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        action: LeaseAction,
    ) -> impl Future<Output = Result<Option<LeaseFound>, StoreError>> + Send;

    /// Whether operations work, from the last ones and a probe that runs by itself; asks nobody.
    fn health(&self) -> Health;

    /// The time this store counts in.
    fn now(&self) -> Micros;
}

/// Longest time one operation takes. A call makes at most three before it is answered (lease,
/// admission, admission of a fallback): below one second together.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(300);
