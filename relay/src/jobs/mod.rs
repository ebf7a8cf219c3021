//! Jobs: work that goes on after its maker has left. The maker comes back with a handle.
//!
//! ```text
//! POST /v1/jobs ─► request (and audio, encrypted as it arrives) ─► lease ─► record ─► queue
//!                                                                                      │
//!    worker, in this process or another ◄──────────────────────────────────────────────┘
//!      record ─► ticket ─► handle, lease ─► payload ─► the relay's own routes ─► provider
//!             ◄─ result, encrypted
//! GET /v1/jobs/{id}, /events ◄─ record
//! ```
//!
//! `ledger` holds the records and their rules, in this process or in Redis; `queue` brings ids to
//! workers; `work` is one attempt; `audio` the object store; `envelope` how all of it is encrypted.

mod audio;
mod call;
mod envelope;
mod form;
mod ledger;
mod order;
mod payload;
mod queue;
mod retry;
mod settings;
mod terms;
mod view;
mod watch;
mod work;

use std::sync::{Arc, Weak};
use std::time::Duration;

use keyferry_protocol::ErrorCode;
use tokio::sync::watch::Receiver;

pub(crate) use form::Uploaded;
pub use ledger::{
    Added, Attempt, Begun, Cancelled, Ending, GRACE, Ledger, LocalLedger, MAX_INTERRUPTIONS,
    NewJob, Note, Phase, Snapshot, State,
};
pub(crate) use order::{Order, Pays, Work, new_handle};
pub use settings::JobSettings;
pub use terms::Kind;
pub(crate) use view::View;

use crate::config::{Config, ConfigError};
use crate::error::ApiError;
use crate::handle::Handle;
use crate::leases;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::state::Live;
use crate::store::{JobId, Store as _, SystemClock};
use crate::upstream::Upstream;
use audio::AudioStore;
use envelope::Ticket;
use ledger::AnyLedger;
use queue::Queue;
pub(crate) use queue::Worker;
use watch::Changes;

/// What proves a job its maker's.
pub(crate) type JobHandle = Handle<JobId>;

/// How long the end of a job is kept that nobody worked on to its end.
pub(crate) const RESULT_TTL: Duration = Duration::from_secs(3_600);

/// Between two looks for audio that belongs to no job.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The jobs of this instance, or those it shares with others.
pub struct Jobs {
    ledger: AnyLedger,
    audio: AudioStore,
    changes: Arc<Changes>,
    queue: Queue,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    enabled: bool,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

impl Jobs {
    /// As the configuration says.
    ///
    /// # Errors
    /// Naming the field that cannot work.
    pub(crate) fn start(
        config: &Config,
        upstream: &Upstream,
        limits: &Arc<Limits>,
        metrics: &Arc<Metrics>,
    ) -> Result<Arc<Self>, ConfigError> {
        let settings = &config.jobs;
        let changes = Arc::new(Changes::default());
        let shared = limits.store().is_shared();
        let ledger = if shared {
            AnyLedger::Shared(Arc::clone(limits))
        } else {
            let told = Arc::clone(&changes);
            AnyLedger::Local(LocalLedger::new(
                Arc::new(SystemClock),
                move |id, version| {
                    told.tell(id, version);
                },
            ))
        };
        let jobs = Arc::new(Self {
            ledger,
            audio: AudioStore::new(settings, upstream.clone())?,
            changes,
            queue: Queue::new(&config.store, settings)?,
            limits: Arc::clone(limits),
            metrics: Arc::clone(metrics),
            enabled: settings.enabled,
        });
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && settings.enabled
        {
            if shared {
                let changes = Arc::clone(&jobs.changes);
                runtime.spawn(watch::look(Arc::downgrade(&jobs), changes));
            }
            runtime.spawn(sweep(Arc::downgrade(&jobs)));
        }
        Ok(jobs)
    }

    /// Jobs are taken.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Audio can be kept where every worker finds it.
    pub(crate) fn takes_audio(&self) -> bool {
        self.enabled && (!self.is_shared() || self.audio.is_named())
    }

    /// Other processes see the same jobs.
    pub(crate) fn is_shared(&self) -> bool {
        self.limits.store().is_shared()
    }

    pub(crate) fn ledger(&self) -> &AnyLedger {
        &self.ledger
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// By the store's clock.
    pub(crate) fn now_millis(&self) -> u64 {
        self.limits.store().now() / 1_000
    }

    /// Hears of every change of a job.
    pub(crate) fn watch(&self, id: JobId) -> Receiver<u64> {
        self.changes.subscribe(id)
    }

    /// A job as its maker may see it.
    ///
    /// # Errors
    /// `job_not_found` when there is none, the handle does not prove it, or it is another
    /// subject's; `store_unavailable`.
    pub(crate) async fn read(
        &self,
        live: &Live,
        handle: &JobHandle,
        subject: Option<&str>,
    ) -> Result<View, ApiError> {
        let snapshot = self.ledger.read(handle.id(), &handle.proof()).await?;
        let snapshot = snapshot.ok_or_else(not_found)?;
        if snapshot.ended_now {
            let (kind, code) = (snapshot.kind.as_str(), ErrorCode::LeaseExpired.as_str());
            self.metrics.job_finished(kind, code, None);
            if snapshot.audio {
                self.audio.delete(handle.id()).await;
            }
        }
        View::open(live, handle, subject, &snapshot).ok_or_else(not_found)
    }

    /// Ends a job for its maker, or forgets it.
    ///
    /// # Errors
    /// As [`Jobs::read`].
    pub(crate) async fn cancel(
        &self,
        live: &Live,
        handle: &JobHandle,
        subject: Option<&str>,
    ) -> Result<(), ApiError> {
        // Whose it is stands in the record only.
        let view = self.read(live, handle, subject).await?;
        let id = handle.id();
        let keep = live.config.jobs.result_ttl();
        match self.ledger.cancel(id, &handle.proof(), keep).await? {
            Cancelled::NotFound => return Err(not_found()),
            Cancelled::Forgotten => {}
            Cancelled::Stopped { ticket, audio } => {
                self.metrics
                    .job_finished(view.kind().as_str(), State::Cancelled.as_str(), None);
                self.queue.forget(id).await;
                if audio {
                    self.audio.delete(id).await;
                }
                let ticket =
                    ticket.and_then(|ticket| envelope::open_ticket(&live.leases, id, &ticket));
                if let Some(ticket) = ticket {
                    self.end_lease(&ticket).await;
                }
            }
        }
        Ok(())
    }

    /// Ends the lease that pays, if it was made for this job.
    async fn end_lease(&self, ticket: &Ticket) {
        if ticket.own_lease {
            // It ends by itself within minutes otherwise.
            let _ = leases::clear(self.limits.store(), &ticket.lease).await;
        }
    }
}

/// What a start would find wrong with `[jobs]` and the environment it refers to.
///
/// # Errors
/// Naming the field that cannot work.
pub(crate) fn check(settings: &JobSettings, upstream: &Upstream) -> Result<(), ConfigError> {
    AudioStore::new(settings, upstream.clone()).map(|_| ())
}

/// The refusal of a handle. Whether there is such a job cannot be told from it.
pub(crate) fn not_found() -> ApiError {
    ApiError::new(
        ErrorCode::JobNotFound,
        "no such job: it was forgotten, or the handle is not the one it was made with",
    )
}

/// Deletes audio that belongs to no job, as long as there are jobs to serve.
async fn sweep(jobs: Weak<Jobs>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(jobs) = jobs.upgrade() else { return };
        let deleted = jobs.audio.sweep(audio::MAX_AGE).await;
        if deleted > 0 {
            tracing::info!(deleted, "audio swept");
        }
    }
}
