//! What is told after a relayed call, in one operation: what it really was.

use super::admission::{Account, LeaseBudget};
use super::gcra::Rate;
use super::id::ReservationId;
use super::usage::Row;

/// The end of an admitted call.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Whose it is.
    pub account: Account,
    /// UTC day given by the admission.
    pub day: u32,
    /// The call proved the key good: the caller is known from now on.
    pub proven: bool,
    /// Forget the caller unless something else proved it meanwhile: its first call failed.
    pub forget: bool,
    /// Tokens to take from the token rate.
    pub tokens: Option<(Rate, u64)>,
    /// The reservation to settle. Without it the row is only counted.
    pub held: Option<Held>,
    /// Model under which the call appears in the usage.
    pub model: Box<str>,
    /// What to add to the usage row. With a reservation: the whole call; what the reservation
    /// counted in advance is taken off by the store.
    pub row: Row,
}

/// A reservation as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub id: ReservationId,
    /// Micro-dollars set aside.
    pub estimate: u64,
    /// The lease it also counts against.
    pub lease: Option<LeaseBudget>,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It counts.
    Done,
    /// The reservation was gone (settled before, or its time had run out): its estimate stands
    /// and nothing was changed.
    Late,
}
