//! From a request that is understood and allowed to a job that is queued, or nothing.

use std::sync::Arc;
use std::time::Duration;

use keyferry_protocol::ErrorCode;
use serde_json::Value;

use super::JobHandle;
use super::envelope::{self, Ticket};
use super::form::{Stored, Uploaded};
use super::ledger::{Added, Ledger as _, NewJob};
use super::payload::Payload;
use super::terms::{Kind, Terms};
use super::view;
use crate::error::ApiError;
use crate::leases;
use crate::secret::Secret;
use crate::state::{Live, Relay};
use crate::store::{CallerId, JobId};

/// What pays for a job.
pub(crate) enum Pays<'a> {
    /// A key, to be leased.
    Key {
        secret: &'a Secret,
        terms: leases::Terms,
        ttl: Duration,
    },
    /// A lease the maker has, until it ends.
    Lease { handle: &'a Secret, expires_at: u64 },
}

/// A job to be made.
pub(crate) struct Order<'a> {
    /// Its handle.
    pub(crate) handle: JobHandle,
    /// Whose it is, when that is proven.
    pub(crate) subject: Option<&'a str>,
    /// For whom it is counted.
    pub(crate) caller: CallerId,
    /// Provider id.
    pub(crate) provider: &'a str,
    /// What pays.
    pub(crate) pays: Pays<'a>,
    /// The work.
    pub(crate) work: Work,
}

/// The work of an order.
pub(crate) enum Work {
    /// An OpenAI chat completion body.
    Chat(String),
    /// A form whose audio is in the store.
    Transcription(Uploaded),
}

impl Order<'_> {
    /// Makes the job. On failure nothing of it is left.
    ///
    /// # Errors
    /// `rate_limited` when the caller has too many, `store_unavailable`.
    pub(crate) async fn place(self, relay: &Arc<Relay>, live: &Live) -> Result<Value, ApiError> {
        let (lease, expires_at, own_lease) = match self.pays {
            Pays::Lease { handle, expires_at } => {
                // Exposed to be kept in the ticket, encrypted.
                let copy = Secret::new(handle.expose().to_vec());
                (copy, expires_at, false)
            }
            Pays::Key { secret, terms, ttl } => {
                let made = leases::create(relay.store(), &live.leases, &terms, secret, ttl).await?;
                let text = made.text().as_bytes().to_vec();
                (Secret::new(text), terms.expires_at, true)
            }
        };
        let (kind, payload, stored) = match self.work {
            Work::Chat(body) => (Kind::Chat, Payload::Chat(body), None),
            Work::Transcription(Uploaded { form, then, stored }) => {
                let payload = Payload::Transcription { form, then };
                (Kind::Transcription, payload, Some(stored))
            }
        };
        let terms = Terms {
            subject: self.subject.map(str::to_owned),
            kind,
            provider: self.provider.to_owned(),
            expires_at,
        };
        let ticket = Ticket {
            handle: self.handle,
            lease,
            own_lease,
        };
        let recording = Recording {
            relay: Arc::clone(relay),
            caller: self.caller,
            max_queued: live.config.jobs.max_queued,
            sealed: Sealed::new(live, &ticket, &terms, &payload)?,
            kind,
            expires_at,
            ticket,
            stored,
        };
        // A task of its own: a client that leaves now must not cut it in two.
        tokio::spawn(recording.run())
            .await
            .unwrap_or_else(|_| Err(failed()))
    }
}

/// A job's parts, encrypted.
struct Sealed {
    terms: Vec<u8>,
    payload: Vec<u8>,
    ticket: Vec<u8>,
}

impl Sealed {
    fn new(
        live: &Live,
        ticket: &Ticket,
        terms: &Terms,
        payload: &Payload,
    ) -> Result<Self, ApiError> {
        let (keys, handle) = (&live.leases, &ticket.handle);
        let sealed = || {
            Some(Self {
                terms: envelope::seal_terms(keys, handle, &terms.to_bytes())?,
                payload: envelope::seal_payload(keys, handle, terms, &payload.to_bytes())?,
                ticket: envelope::seal_ticket(keys, ticket)?,
            })
        };
        sealed().ok_or_else(failed)
    }
}

/// A job that is to be recorded and queued.
struct Recording {
    relay: Arc<Relay>,
    caller: CallerId,
    max_queued: u32,
    kind: Kind,
    expires_at: u64,
    sealed: Sealed,
    ticket: Ticket,
    stored: Option<Stored>,
}

impl Recording {
    async fn run(mut self) -> Result<Value, ApiError> {
        let recorded = self.record().await;
        if recorded.is_ok() {
            self.relay.metrics().job_created(self.kind.as_str());
            if let Some(stored) = self.stored.take() {
                stored.keep();
            }
        } else {
            self.relay.jobs().end_lease(&self.ticket).await;
        }
        recorded
    }

    async fn record(&self) -> Result<Value, ApiError> {
        let jobs = self.relay.jobs();
        let handle = &self.ticket.handle;
        let (id, created) = (handle.id(), jobs.now_millis());
        let job = NewJob {
            id,
            proof: &handle.proof(),
            kind: self.kind,
            caller: self.caller,
            max_queued: self.max_queued,
            expires_at: self.expires_at,
            audio: self.stored.is_some(),
            terms: &self.sealed.terms,
            payload: &self.sealed.payload,
            ticket: &self.sealed.ticket,
        };
        match jobs.ledger.add(&job).await {
            Ok(Added::Yes) => {}
            Ok(Added::TooMany) => return Err(too_many(&self.relay)),
            Ok(Added::Taken) => return Err(failed()),
            Err(error) => {
                // It may have been recorded, or may yet be.
                withdraw(&self.relay, id);
                return Err(error.into());
            }
        }
        if let Err(error) = jobs.queue.add(&self.relay, id, self.kind).await {
            withdraw(&self.relay, id);
            return Err(error.into());
        }
        let text = handle.text();
        Ok(view::receipt(
            id,
            &text,
            self.kind,
            created,
            self.expires_at,
        ))
    }
}

/// The handle of a job that is to be made.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn new_handle() -> Result<JobHandle, ApiError> {
    JobHandle::generate().map_err(|_| failed())
}

fn failed() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the job could not be made")
}

/// Takes a record back that may be there, as soon as shared state answers: its maker was told that
/// there is no job. A worker that finds its id in the queue finds nothing to do.
fn withdraw(relay: &Arc<Relay>, id: JobId) {
    const EVERY: Duration = Duration::from_millis(500);
    let jobs = Arc::clone(relay.jobs());
    tokio::spawn(async move {
        // After that its lease has ended.
        for _ in 0..600 {
            if jobs.ledger.withdraw(id).await.is_ok() {
                return;
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}

fn too_many(relay: &Relay) -> ApiError {
    const NAME: &str = "queued_jobs";
    relay.metrics().limit_hit(NAME);
    ApiError::new(
        ErrorCode::RateLimited,
        "too many of the caller's jobs have not ended",
    )
    .limit(NAME)
    .retry_after(5)
}
