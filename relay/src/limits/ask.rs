//! A call that asks to be made, and what is set aside for it.

use keyferry_protocol::Payer;

use super::caller::Caller;
use crate::store::{Admission, Held, LeaseBudget, Nonce, ReservationId, Reserve, Row, Settlement};

/// A call that asks to be made.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who makes it.
    pub caller: &'a Caller,
    /// Where it goes: a provider id of the catalogue.
    pub provider: &'a str,
    /// Whose key it uses.
    pub payer: Payer,
    /// The model it names, or nothing.
    pub model: &'a str,
    /// Micro-dollars it may cost at most, as far as that can be told; `None` when that is unknown.
    pub estimate: Option<u64>,
    /// The budget of the lease it was made with.
    pub lease: Option<LeaseBudget>,
    /// What its key may be used with once.
    pub nonce: Option<&'a Nonce>,
}

/// Gives back what an admission may have set aside, now or later.
pub(super) fn withdrawal(admission: &Admission, day: u32, reserve: &Reserve) -> Settlement {
    Settlement {
        account: admission.account.clone(),
        day,
        proven: false,
        forget: admission.provisional,
        tokens: None,
        held: Some(Held {
            id: reserve.id,
            estimate: reserve.estimate,
            lease: reserve.lease,
        }),
        model: reserve.model.clone(),
        row: Row::default(),
    }
}

/// A fresh name; `None` without randomness.
pub(super) fn reservation_id() -> Option<ReservationId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(ReservationId::new(bytes))
}
