//! A call that asks to be made, and what is set aside for it.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// Names reservations: half of the name is drawn once per process, the other is a count. Unique
/// across instances without a system call per request; no secret, and no client ever names one.
#[derive(Debug)]
pub(super) struct ReservationIds {
    /// `None` without randomness: then nothing can be reserved.
    process: Option<[u8; 8]>,
    count: AtomicU64,
}

/// Odd, so that multiplying by it maps no two numbers onto one; the golden ratio's bits, so that
/// neighbours end up far apart and spread over a map.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl ReservationIds {
    /// Draws the half that is this process's own.
    pub(super) fn new() -> Self {
        let mut process = [0; 8];
        Self {
            process: getrandom::fill(&mut process).ok().map(|()| process),
            count: AtomicU64::new(0),
        }
    }

    /// A fresh name; `None` without randomness.
    pub(super) fn next(&self) -> Option<ReservationId> {
        let process = self.process?;
        let count = self
            .count
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(STEP);
        let mut bytes = [0; 16];
        let (first, last) = bytes.split_at_mut(8);
        first.copy_from_slice(&count.to_le_bytes());
        last.copy_from_slice(&process);
        Some(ReservationId::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_name_comes_twice() {
        let (one, other) = (ReservationIds::new(), ReservationIds::new());
        let names: HashSet<ReservationId> = (0..2_000)
            .flat_map(|_| [one.next().unwrap(), other.next().unwrap()])
            .collect();
        assert_eq!(names.len(), 4_000);
    }
}
