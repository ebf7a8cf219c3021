//! The record of every job, and the rules by which it changes. Whoever works on a job holds its
//! run number: what another run says of it has no effect, so a job has one result, however many
//! workers race for it.
//!
//! ```text
//!            begin                    finish
//!  queued ──────────► active ──────────────────► completed, failed
//!    ▲                  │ │                          ▲
//!    └────── wait ──────┘ └── nobody holds it ───────┤ twice: job_interrupted
//!    └── its time is over: lease_expired ────────────┘
//!  queued, active ── cancel ──► cancelled
//! ```

mod any;
mod local;

use std::time::Duration;

pub(crate) use any::AnyLedger;
pub use local::LocalLedger;

use super::terms::Kind;
use crate::store::{CallerId, JobId, Proof, StoreError};

/// How often a job may be found without anybody working on it. One more attempt follows the first
/// time.
pub const MAX_INTERRUPTIONS: u32 = 2;

/// How long a record outlives its lease while nobody has ended it: a call that began in time may
/// take the provider's ten minutes, and a second one after it.
pub const GRACE: Duration = Duration::from_secs(30 * 60);

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits for a worker, or for its next attempt.
    Queued,
    /// A worker has it.
    Active,
    /// It has a result.
    Completed,
    /// It has an error.
    Failed,
    /// Its maker ended it.
    Cancelled,
}

impl State {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Active,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// As it travels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The inverse of [`State::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Nothing follows it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing yet.
    Queued,
    /// The audio is on its way.
    Uploading,
    /// The provider listens.
    Transcribing,
    /// The provider answers a chat.
    Analysing,
    /// The last attempt failed, and the next is due.
    Waiting,
    /// Nothing more.
    Done,
}

impl Phase {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Uploading,
        Self::Transcribing,
        Self::Analysing,
        Self::Waiting,
        Self::Done,
    ];

    /// As it travels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Uploading => "uploading_to_provider",
            Self::Transcribing => "transcribing",
            Self::Analysing => "analysing",
            Self::Waiting => "waiting_to_retry",
            Self::Done => "done",
        }
    }

    /// The inverse of [`Phase::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

/// A job to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// Its id.
    pub id: JobId,
    /// SHA-256 of its handle's secret half.
    pub proof: &'a Proof,
    /// What it does.
    pub kind: Kind,
    /// For whom it is counted.
    pub caller: CallerId,
    /// Most jobs of this caller that may not have ended.
    pub max_queued: u32,
    /// When its lease ends, in milliseconds since 1970.
    pub expires_at: u64,
    /// It has a file in the object store.
    pub audio: bool,
    /// Opaque.
    pub terms: &'a [u8],
    /// Opaque; forgotten when the job has ended.
    pub payload: &'a [u8],
    /// Opaque; forgotten when the lease or the job has ended.
    pub ticket: &'a [u8],
}

/// What became of a [`NewJob`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is queued.
    Yes,
    /// The caller has too many.
    TooMany,
    /// The id is taken.
    Taken,
}

/// A job as its maker may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Grows with every change.
    pub version: u64,
    /// What it does.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// What is being done.
    pub phase: Phase,
    /// How often it was begun.
    pub attempts: u32,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// Milliseconds since 1970.
    pub updated_at: u64,
    /// Until it has ended, when its lease ends; then, when it is forgotten. Milliseconds since
    /// 1970.
    pub expires_at: u64,
    /// Opaque.
    pub terms: Vec<u8>,
    /// Code of its error.
    pub code: Option<String>,
    /// Opaque: result, or message of the error.
    pub outcome: Option<Vec<u8>>,
    /// It has ended just now, by being looked at: its time is over.
    pub ended_now: bool,
    /// It had a file in the object store.
    pub audio: bool,
}

/// What is needed to work on a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// To be named in all that is said of it.
    pub run: u64,
    /// The first is 1.
    pub number: u32,
    /// When its lease ends, in milliseconds since 1970.
    pub expires_at: u64,
    /// Opaque.
    pub terms: Vec<u8>,
    /// Opaque.
    pub payload: Vec<u8>,
    /// Opaque.
    pub ticket: Vec<u8>,
    /// What an earlier attempt had finished, if anything; opaque.
    pub checkpoint: Option<Vec<u8>>,
}

/// The answer to who wants to work on a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is theirs.
    Run(Box<Attempt>),
    /// Another has it, or its next attempt is not due.
    Later(Duration),
    /// It has ended just now: its time is over, or nobody brought it to its end.
    Ended {
        /// Code of its error.
        code: &'static str,
        /// What it did.
        kind: Kind,
        /// It had a file in the object store.
        audio: bool,
    },
    /// There is none, or it has ended before.
    Gone,
}

/// What a worker has to say while it works.
#[derive(Clone, Copy, Debug, Default)]
pub struct Note<'a> {
    /// What it does now, if that has changed.
    pub phase: Option<Phase>,
    /// What need not be done again, if that has grown; opaque.
    pub checkpoint: Option<&'a [u8]>,
}

/// How a job ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// [`State::Completed`] or [`State::Failed`].
    pub state: State,
    /// Code of its error.
    pub code: Option<&'a str>,
    /// Opaque.
    pub outcome: &'a [u8],
    /// How long it is kept.
    pub keep: Duration,
}

/// What a maker's wish to end it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not ended, and will not run on.
    Stopped {
        /// Opaque; absent when its time is over.
        ticket: Option<Vec<u8>>,
        /// It had a file in the object store.
        audio: bool,
    },
    /// It had ended, and is forgotten.
    Forgotten,
    /// There is none whose proof this is.
    NotFound,
}

/// Records of jobs. Every operation is atomic and ends in well under a second.
pub trait Ledger: Send + Sync {
    /// Records a job.
    fn add(&self, job: &NewJob<'_>) -> impl Future<Output = Result<Added, StoreError>> + Send;

    /// Takes a job back that was added and could not be queued.
    fn withdraw(&self, id: JobId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A job whose proof matches; ends it when its time is over.
    fn read(
        &self,
        id: JobId,
        proof: &Proof,
    ) -> impl Future<Output = Result<Option<Snapshot>, StoreError>> + Send;

    /// Asks to work on a job, for `hold` unless that is renewed.
    fn begin(
        &self,
        id: JobId,
        hold: Duration,
    ) -> impl Future<Output = Result<Begun, StoreError>> + Send;

    /// Says what is being done, and renews the hold. False when the job is not this run's any more.
    fn note(
        &self,
        id: JobId,
        run: u64,
        hold: Duration,
        note: &Note<'_>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives the job back, to be begun again in `delay`. False when it is not this run's.
    fn wait(
        &self,
        id: JobId,
        run: u64,
        delay: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends the job. False when it is not this run's.
    fn finish(
        &self,
        id: JobId,
        run: u64,
        ending: &Ending<'_>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends the job for its maker, or forgets it when it has ended.
    fn cancel(
        &self,
        id: JobId,
        proof: &Proof,
        keep: Duration,
    ) -> impl Future<Output = Result<Cancelled, StoreError>> + Send;

    /// The versions of these jobs, 0 for one that is gone.
    fn versions(&self, ids: &[JobId]) -> impl Future<Output = Result<Vec<u64>, StoreError>> + Send;
}
