//! How a job's id gets to a worker: within this process, or through Redis.

mod bullmq;
mod here;

use std::sync::Arc;

use super::settings::JobSettings;
use super::terms::Kind;
use crate::config::ConfigError;
use crate::limits::StoreSettings;
use crate::state::Relay;
use crate::store::{JobId, StoreError};

use bullmq::Shared;
pub(crate) use bullmq::Worker;
use here::Here;

/// See the module.
pub(crate) enum Queue {
    /// Workers are tasks of this process.
    Here(Here),
    /// Workers are processes of their own.
    Shared(Shared),
}

impl Queue {
    /// As the configuration says.
    ///
    /// # Errors
    /// Naming the field that cannot work.
    pub(super) fn new(store: &StoreSettings, settings: &JobSettings) -> Result<Self, ConfigError> {
        Ok(match Shared::new(store)? {
            Some(shared) => Self::Shared(shared),
            None => Self::Here(Here::new(settings.concurrency)),
        })
    }

    /// Queues a job that is recorded.
    pub(super) async fn add(
        &self,
        relay: &Arc<Relay>,
        id: JobId,
        kind: Kind,
    ) -> Result<(), StoreError> {
        match self {
            Self::Here(here) => {
                here.add(relay, id);
                Ok(())
            }
            Self::Shared(shared) => shared.add(id, kind).await,
        }
    }

    /// Takes a job out that has ended, if it still waits.
    pub(super) async fn forget(&self, id: JobId) {
        match self {
            // Its task finds that it has ended.
            Self::Here(_) => {}
            Self::Shared(shared) => shared.forget(id).await,
        }
    }

    /// Begins no more jobs in this process, and waits for those that run.
    pub(crate) async fn drained(&self) {
        match self {
            Self::Here(here) => here.drained().await,
            Self::Shared(_) => {}
        }
    }
}
