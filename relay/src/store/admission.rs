//! What is asked before a relayed call, in one operation: does it fit, and if so take it.

use std::time::Duration;

use keyferry_protocol::Payer;

use super::gcra::{Rate, Standing};
use super::id::{CallerId, LeaseId, ReservationId};

/// Whose count, at which provider, on whose money: every limit is kept per account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who is counted.
    pub caller: CallerId,
    /// Provider id of the catalogue.
    pub provider: Box<str>,
    /// Whose key is used.
    pub payer: Payer,
}

/// A call that wants to be made.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Whose it is.
    pub account: Account,
    /// The caller is a key not proven yet: what is kept of it goes again when the call fails.
    pub provisional: bool,
    /// Requests allowed; one is taken. `None`: not limited.
    pub requests: Option<Rate>,
    /// Tokens allowed; checked here, taken when they are known. `None`: not limited.
    pub tokens: Option<Rate>,
    /// Money to set aside; `None` for calls nobody guards (a user's own key without a cap).
    pub reserve: Option<Reserve>,
    /// What may be used once: remembered together with the admission, whatever its outcome.
    pub nonce: Option<Nonce>,
}

/// What makes a sealed key good for one call only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// Its bytes.
    pub name: Box<[u8]>,
    /// How long it is remembered.
    pub ttl: Duration,
}

/// Money to set aside for one call. Until settled it counts as spent at the estimate; it stays so
/// when nobody settles it in time.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// Names the reservation; unique, so that repeating an admission cannot take twice.
    pub id: ReservationId,
    /// Micro-dollars.
    pub estimate: u64,
    /// What the account may spend in one UTC day, in micro-dollars.
    pub daily_cap: Option<u64>,
    /// What the lease may spend in all.
    pub lease: Option<LeaseBudget>,
    /// Model under which the call appears in the usage.
    pub model: Box<str>,
}

/// A lease's own budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseBudget {
    /// The lease.
    pub id: LeaseId,
    /// Micro-dollars in all.
    pub cap: u64,
}

/// The answer to an [`Admission`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It fits and has been taken.
    Admitted(Admitted),
    /// It does not fit; nothing was taken.
    Refused(Refusal),
}

/// What is known after admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The caller has had a success before.
    pub known: bool,
    /// UTC day of the usage row, to be given back at settlement.
    pub day: u32,
    /// Requests left.
    pub requests: Option<Standing>,
    /// Tokens left.
    pub tokens: Option<Standing>,
}

/// Which limit a call runs into. All checks are made before anything is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request rate.
    Requests {
        /// Until one fits.
        retry_after: Duration,
        /// Where the caller stands.
        standing: Standing,
    },
    /// The token rate.
    Tokens {
        /// Until one fits.
        retry_after: Duration,
        /// Where the caller stands.
        standing: Standing,
    },
    /// The day's spend.
    DailyCap {
        /// Micro-dollars spent and set aside today.
        spent: u64,
        /// Until the day ends.
        resets_in: Duration,
    },
    /// The lease's budget.
    Lease {
        /// Micro-dollars spent and set aside.
        spent: u64,
    },
    /// The reservation was given back before it was made: the caller of this admission stopped
    /// waiting for it.
    Withdrawn,
    /// The nonce was used before.
    Replayed,
}
