//! The records of the store an instance was configured with.

use std::time::Duration;

use super::{Added, Begun, Cancelled, Ending, Ledger, LocalLedger, NewJob, Note, Snapshot};
use crate::limits::Limits;
use crate::store::{JobId, Proof, RedisStore, StoreError};
use std::sync::Arc;

/// One of the two.
pub(crate) enum AnyLedger {
    /// Records of this process.
    Local(LocalLedger),
    /// Records in Redis, reached through the limits' connection.
    Shared(Arc<Limits>),
}

macro_rules! on_either {
    ($self:ident, $ledger:ident => $call:expr) => {
        match $self {
            Self::Local($ledger) => $call,
            Self::Shared(limits) => {
                let $ledger: &RedisStore = limits
                    .store()
                    .redis()
                    .ok_or(StoreError::not_done("connection"))?;
                $call
            }
        }
    };
}

impl Ledger for AnyLedger {
    async fn add(&self, job: &NewJob<'_>) -> Result<Added, StoreError> {
        on_either!(self, ledger => ledger.add(job).await)
    }

    async fn withdraw(&self, id: JobId) -> Result<(), StoreError> {
        on_either!(self, ledger => ledger.withdraw(id).await)
    }

    async fn read(&self, id: JobId, proof: &Proof) -> Result<Option<Snapshot>, StoreError> {
        on_either!(self, ledger => ledger.read(id, proof).await)
    }

    async fn begin(&self, id: JobId, hold: Duration) -> Result<Begun, StoreError> {
        on_either!(self, ledger => ledger.begin(id, hold).await)
    }

    async fn note(
        &self,
        id: JobId,
        run: u64,
        hold: Duration,
        note: &Note<'_>,
    ) -> Result<bool, StoreError> {
        on_either!(self, ledger => ledger.note(id, run, hold, note).await)
    }

    async fn wait(&self, id: JobId, run: u64, delay: Duration) -> Result<bool, StoreError> {
        on_either!(self, ledger => ledger.wait(id, run, delay).await)
    }

    async fn finish(&self, id: JobId, run: u64, ending: &Ending<'_>) -> Result<bool, StoreError> {
        on_either!(self, ledger => ledger.finish(id, run, ending).await)
    }

    async fn cancel(
        &self,
        id: JobId,
        proof: &Proof,
        keep: Duration,
    ) -> Result<Cancelled, StoreError> {
        on_either!(self, ledger => ledger.cancel(id, proof, keep).await)
    }

    async fn versions(&self, ids: &[JobId]) -> Result<Vec<u64>, StoreError> {
        on_either!(self, ledger => ledger.versions(ids).await)
    }
}
