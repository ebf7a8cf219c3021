//! One attempt at a job, from taking it to saying what came of it.

mod outcome;
mod steps;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use keyferry_protocol::ErrorCode;

use super::Jobs;
use super::envelope::{self, Ticket};
use super::ledger::{Attempt, Begun, Ending, Ledger as _, Note, State};
use super::payload::Payload;
use super::retry;
use super::terms::{Kind, Terms};
use crate::state::{Live, Relay};
use crate::store::JobId;
pub(super) use outcome::{Failure, Message, Partial};
use steps::{Step, Steps};

/// Before another look, while shared state is away.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How long a worker holds on to what it has to say while shared state is away.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to become of a job after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it has ended, or is somebody else's.
    Done,
    /// It is to be tried in so long.
    Again(Duration),
}

/// Works on the job, if it may be worked on. A panic leaves the job to the next attempt.
pub(crate) async fn work(relay: &Arc<Relay>, id: JobId) -> Next {
    let hold = relay.live().config.jobs.hold();
    AssertUnwindSafe(attempt(relay, id))
        .catch_unwind()
        .await
        .unwrap_or(Next::Again(hold))
}

async fn attempt(relay: &Arc<Relay>, id: JobId) -> Next {
    let jobs = relay.jobs();
    let live = relay.live();
    let begun = match jobs.ledger().begin(id, live.config.jobs.hold()).await {
        Ok(begun) => begun,
        Err(_) => return Next::Again(STORE_PAUSE),
    };
    match begun {
        Begun::Gone => Next::Done,
        Begun::Later(wait) => Next::Again(wait),
        Begun::Ended { code, kind, audio } => {
            jobs.metrics().job_finished(kind.as_str(), code, None);
            if audio {
                jobs.audio.delete(id).await;
            }
            tracing::info!(job = %id, kind = kind.as_str(), outcome = code, "job ended");
            Next::Done
        }
        Begun::Run(attempt) => {
            let _active = jobs.metrics().active_job();
            Running {
                relay,
                jobs,
                live: &live,
                id,
                attempt: *attempt,
                begun: Instant::now(),
            }
            .run()
            .await
        }
    }
}

/// An attempt that has begun.
struct Running<'a> {
    relay: &'a Arc<Relay>,
    jobs: &'a Arc<Jobs>,
    live: &'a Live,
    id: JobId,
    attempt: Attempt,
    begun: Instant,
}

/// The last that an attempt has to say.
enum Last<'a> {
    Wait(Duration),
    End(Ending<'a>),
}

/// The job, opened.
struct Opened {
    ticket: Ticket,
    terms: Terms,
    payload: Payload,
    done: Partial,
}

impl Running<'_> {
    async fn run(self) -> Next {
        let Some(opened) = self.open() else {
            // Its lease has just ended, or it was made under a secret that is no longer accepted.
            let over = self.attempt.ticket.is_empty();
            let code = if over {
                ErrorCode::LeaseExpired
            } else {
                ErrorCode::Internal
            };
            return self
                .end(None, State::Failed, Some(code.as_str()), &[])
                .await;
        };
        let steps = Steps {
            relay: self.relay,
            jobs: self.jobs,
            live: self.live,
            id: self.id,
            run: self.attempt.run,
            ticket: &opened.ticket,
            terms: &opened.terms,
        };
        let step = tokio::select! {
            biased;
            () = self.lost() => {
                tracing::info!(job = %self.id, "job stopped");
                return Next::Done;
            }
            step = steps.all(opened.payload, opened.done) => step,
        };
        let seal = |bytes: &[u8]| {
            envelope::seal_result(
                &self.live.leases,
                &opened.ticket.handle,
                &opened.terms,
                bytes,
            )
            .unwrap_or_default()
        };
        let ticket = Some((&opened.ticket, &opened.terms));
        let failure = match step {
            Step::Good(done) => {
                let sealed = seal(&done.to_bytes());
                return self.end(ticket, State::Completed, None, &sealed).await;
            }
            Step::Fail(failure) => failure,
            Step::Retry { failure, asked } => match self.pause(asked) {
                Some(pause) => return self.wait(pause, &failure).await,
                None => failure,
            },
        };
        let sealed = seal(&failure.message.to_bytes());
        self.end(ticket, State::Failed, Some(&failure.code), &sealed)
            .await
    }

    fn open(&self) -> Option<Opened> {
        let keys = &self.live.leases;
        let attempt = &self.attempt;
        let ticket = envelope::open_ticket(keys, self.id, &attempt.ticket)?;
        let terms = envelope::open_terms(keys, &ticket.handle, &attempt.terms)?;
        let payload = envelope::open_payload(keys, &ticket.handle, &terms, &attempt.payload)?;
        let payload = Payload::from_bytes(&payload)?;
        // What cannot be read is done again.
        let done = attempt
            .checkpoint
            .as_deref()
            .and_then(|value| envelope::open_result(keys, &ticket.handle, &terms, value))
            .and_then(|bytes| Partial::from_bytes(&bytes))
            .unwrap_or_default();
        Some(Opened {
            ticket,
            terms,
            payload,
            done,
        })
    }

    /// Gives signs of life; returns when the job is not ours any more: cancelled, or taken over.
    async fn lost(&self) {
        let hold = self.live.config.jobs.hold();
        let mut changes = self.jobs.changes.subscribe(self.id);
        loop {
            tokio::select! {
                () = tokio::time::sleep(hold / 3) => {}
                // The sender lives as long as somebody is subscribed.
                changed = changes.changed() => if changed.is_err() {
                    tokio::time::sleep(hold / 3).await;
                },
            }
            let noted = self
                .jobs
                .ledger()
                .note(self.id, self.attempt.run, hold, &Note::default())
                .await;
            if noted == Ok(false) {
                return;
            }
        }
    }

    fn pause(&self, asked: Option<Duration>) -> Option<Duration> {
        let settings = &self.live.config.jobs;
        let left = self
            .attempt
            .expires_at
            .saturating_sub(self.jobs.now_millis());
        retry::pause(
            self.attempt.number,
            settings.max_attempts,
            Duration::from_millis(settings.backoff_ms),
            asked,
            retry::jitter(),
            Duration::from_millis(left),
        )
    }

    async fn wait(&self, pause: Duration, failure: &Failure) -> Next {
        let waits = self.persist(Last::Wait(pause)).await;
        tracing::info!(
            job = %self.id, attempt = self.attempt.number, code = %failure.code,
            pause_ms = pause.as_millis(), "job waits for its next attempt"
        );
        if waits {
            Next::Again(pause)
        } else {
            Next::Done
        }
    }

    /// Ends the job, and what belongs to it. `opened` is absent when it could not be opened.
    async fn end(
        &self,
        opened: Option<(&Ticket, &Terms)>,
        state: State,
        code: Option<&str>,
        outcome: &[u8],
    ) -> Next {
        let ending = Ending {
            state,
            code,
            outcome,
            keep: self.live.config.jobs.result_ttl(),
        };
        if !self.persist(Last::End(ending)).await {
            return Next::Done;
        }
        if opened.is_none_or(|(_, terms)| terms.kind == Kind::Transcription) {
            self.jobs.audio.delete(self.id).await;
        }
        if let Some((ticket, _)) = opened {
            self.jobs.end_lease(ticket).await;
        }
        let kind = opened.map_or("unknown", |(_, terms)| terms.kind.as_str());
        let took = self.begun.elapsed();
        self.jobs
            .metrics()
            .job_finished(kind, state.as_str(), Some(took));
        tracing::info!(
            job = %self.id, kind, attempt = self.attempt.number, outcome = state.as_str(),
            code = code.unwrap_or_default(), ms = took.as_millis(), "job ended"
        );
        Next::Done
    }

    /// Says it until shared state takes it, or patience ends. False when the job is not ours.
    async fn persist(&self, last: Last<'_>) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let (ledger, id, run) = (self.jobs.ledger(), self.id, self.attempt.run);
        loop {
            let said = match &last {
                Last::Wait(pause) => ledger.wait(id, run, *pause).await,
                Last::End(ending) => ledger.finish(id, run, ending).await,
            };
            match said {
                Ok(ours) => return ours,
                Err(_) if Instant::now() >= deadline => return false,
                Err(_) => tokio::time::sleep(STORE_PAUSE / 2).await,
            }
        }
    }
}
