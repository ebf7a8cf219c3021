//! The reservations this instance keeps alive.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::store::{CallerId, IdHash, ReservationId};

#[derive(Default)]
pub(super) struct Heartbeats(Mutex<HashMap<ReservationId, CallerId, IdHash>>);

impl Heartbeats {
    pub(super) fn insert(&self, id: ReservationId, caller: CallerId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, caller);
    }

    pub(super) fn remove(&self, id: ReservationId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    pub(super) fn all(&self) -> Vec<(CallerId, ReservationId)> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().map(|(id, caller)| (*caller, *id)).collect()
    }
}
