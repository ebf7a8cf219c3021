//! Records in this process.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyferry_protocol::ErrorCode;

use super::{
    Added, Attempt, Begun, Cancelled, Ending, GRACE, Ledger, MAX_INTERRUPTIONS, NewJob, Note,
    Phase, Snapshot, State,
};
use crate::jobs::terms::Kind;
use crate::store::{CallerId, Clock, JobId, Proof, StoreError, SystemClock};

/// Called with each job that has changed and its version.
type OnChange = Box<dyn Fn(JobId, u64) + Send + Sync>;

/// See the module.
pub struct LocalLedger {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    on_change: OnChange,
}

#[derive(Default)]
struct Inner {
    records: HashMap<JobId, Record>,
    open: HashMap<CallerId, HashSet<JobId>>,
}

struct Record {
    proof: Proof,
    caller: CallerId,
    kind: Kind,
    version: u64,
    state: State,
    phase: Phase,
    attempts: u32,
    run: u64,
    interruptions: u32,
    created_at: u64,
    updated_at: u64,
    lease_ends: u64,
    /// When it is forgotten.
    forgotten_at: u64,
    /// Until when a worker has it.
    held_until: u64,
    /// Not before then is it begun again.
    due_at: u64,
    terms: Vec<u8>,
    payload: Vec<u8>,
    ticket: Vec<u8>,
    checkpoint: Option<Vec<u8>>,
    code: Option<String>,
    outcome: Option<Vec<u8>>,
    audio: bool,
}

impl Default for LocalLedger {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock), |_, _| ())
    }
}

impl LocalLedger {
    /// With this clock; `on_change` hears of every change.
    pub fn new(
        clock: Arc<dyn Clock>,
        on_change: impl Fn(JobId, u64) + Send + Sync + 'static,
    ) -> Self {
        Self {
            clock,
            inner: Mutex::default(),
            on_change: Box::new(on_change),
        }
    }

    fn now(&self) -> u64 {
        self.clock.now() / 1_000
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` on the record, and tells of it when its version has grown.
    fn with<T>(&self, id: JobId, change: impl FnOnce(&mut Inner, u64) -> T) -> T {
        let now = self.now();
        let (out, before, after) = {
            let mut inner = self.lock();
            inner.forget(now);
            let version = |inner: &Inner| inner.records.get(&id).map_or(0, |one| one.version);
            let before = version(&inner);
            let out = change(&mut inner, now);
            (out, before, version(&inner))
        };
        if before != after {
            (self.on_change)(id, after);
        }
        out
    }
}

impl Inner {
    fn forget(&mut self, now: u64) {
        let open = &mut self.open;
        self.records.retain(|id, record| {
            let kept = record.forgotten_at > now;
            if !kept && let Some(jobs) = open.get_mut(&record.caller) {
                jobs.remove(id);
            }
            kept
        });
        open.retain(|_, jobs| !jobs.is_empty());
    }

    /// The record this run works on.
    fn of_run(&mut self, id: JobId, run: u64) -> Option<&mut Record> {
        self.records
            .get_mut(&id)
            .filter(|record| record.state == State::Active && record.run == run)
    }

    fn end(&mut self, id: JobId, now: u64, ending: &Ending<'_>) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        record.state = ending.state;
        record.phase = Phase::Done;
        record.code = ending.code.map(str::to_owned);
        record.outcome = (!ending.outcome.is_empty()).then(|| ending.outcome.to_vec());
        record.payload = Vec::new();
        record.ticket = Vec::new();
        record.checkpoint = None;
        record.forgotten_at = now.saturating_add(millis(ending.keep));
        record.changed(now);
        if let Some(jobs) = self.open.get_mut(&record.caller) {
            jobs.remove(&id);
        }
    }
}

impl Record {
    fn changed(&mut self, now: u64) {
        self.version += 1;
        self.updated_at = now;
    }

    fn snapshot(&self, ended_now: bool) -> Snapshot {
        Snapshot {
            version: self.version,
            kind: self.kind,
            state: self.state,
            phase: self.phase,
            attempts: self.attempts,
            created_at: self.created_at,
            updated_at: self.updated_at,
            expires_at: if self.state.is_final() {
                self.forgotten_at
            } else {
                self.lease_ends
            },
            terms: self.terms.clone(),
            code: self.code.clone(),
            outcome: self.outcome.clone(),
            ended_now,
            audio: self.audio,
        }
    }
}

/// The end of a job whose lease is over, or that nobody brought to its end.
fn failed(code: &'static str) -> Ending<'static> {
    Ending {
        state: State::Failed,
        code: Some(code),
        outcome: &[],
        keep: super::super::RESULT_TTL,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Ledger for LocalLedger {
    async fn add(&self, job: &NewJob<'_>) -> Result<Added, StoreError> {
        Ok(self.with(job.id, |inner, now| {
            if inner.records.contains_key(&job.id) {
                return Added::Taken;
            }
            let open = inner.open.entry(job.caller).or_default();
            if u32::try_from(open.len()).unwrap_or(u32::MAX) >= job.max_queued {
                return Added::TooMany;
            }
            open.insert(job.id);
            let record = Record {
                proof: *job.proof,
                caller: job.caller,
                kind: job.kind,
                version: 1,
                state: State::Queued,
                phase: Phase::Queued,
                attempts: 0,
                run: 0,
                interruptions: 0,
                created_at: now,
                updated_at: now,
                lease_ends: job.expires_at,
                forgotten_at: job.expires_at.saturating_add(millis(GRACE)),
                held_until: 0,
                due_at: 0,
                terms: job.terms.to_vec(),
                payload: job.payload.to_vec(),
                ticket: job.ticket.to_vec(),
                checkpoint: None,
                code: None,
                outcome: None,
                audio: job.audio,
            };
            inner.records.insert(job.id, record);
            Added::Yes
        }))
    }

    async fn withdraw(&self, id: JobId) -> Result<(), StoreError> {
        self.with(id, |inner, _| {
            if let Some(record) = inner.records.remove(&id)
                && let Some(jobs) = inner.open.get_mut(&record.caller)
            {
                jobs.remove(&id);
            }
        });
        Ok(())
    }

    async fn read(&self, id: JobId, proof: &Proof) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.with(id, |inner, now| {
            let record = inner.records.get(&id).filter(|one| one.proof == *proof)?;
            let over = record.state == State::Queued && now >= record.lease_ends;
            if over {
                inner.end(id, now, &failed(ErrorCode::LeaseExpired.as_str()));
            }
            inner.records.get(&id).map(|record| record.snapshot(over))
        }))
    }

    async fn begin(&self, id: JobId, hold: Duration) -> Result<Begun, StoreError> {
        Ok(self.with(id, |inner, now| {
            let Some(record) = inner.records.get_mut(&id) else {
                return Begun::Gone;
            };
            let wait_until = match record.state {
                State::Queued => record.due_at,
                State::Active => record.held_until,
                _ => return Begun::Gone,
            };
            let mut code = None;
            if record.state == State::Queued && now >= record.lease_ends {
                code = Some(ErrorCode::LeaseExpired.as_str());
            } else if wait_until > now {
                return Begun::Later(Duration::from_millis(wait_until - now));
            } else if record.state == State::Active {
                record.interruptions += 1;
                if record.interruptions >= MAX_INTERRUPTIONS {
                    code = Some(ErrorCode::JobInterrupted.as_str());
                } else if now >= record.lease_ends {
                    code = Some(ErrorCode::LeaseExpired.as_str());
                }
            }
            if let Some(code) = code {
                let (kind, audio) = (record.kind, record.audio);
                inner.end(id, now, &failed(code));
                return Begun::Ended { code, kind, audio };
            }
            record.state = State::Active;
            record.phase = Phase::Queued;
            record.run += 1;
            record.attempts += 1;
            record.held_until = now.saturating_add(millis(hold));
            record.changed(now);
            Begun::Run(Box::new(Attempt {
                run: record.run,
                number: record.attempts,
                expires_at: record.lease_ends,
                terms: record.terms.clone(),
                payload: record.payload.clone(),
                ticket: record.ticket.clone(),
                checkpoint: record.checkpoint.clone(),
            }))
        }))
    }

    async fn note(
        &self,
        id: JobId,
        run: u64,
        hold: Duration,
        note: &Note<'_>,
    ) -> Result<bool, StoreError> {
        Ok(self.with(id, |inner, now| {
            let Some(record) = inner.of_run(id, run) else {
                return false;
            };
            record.held_until = now.saturating_add(millis(hold));
            if let Some(checkpoint) = note.checkpoint {
                record.checkpoint = Some(checkpoint.to_vec());
            }
            if let Some(phase) = note.phase.filter(|phase| *phase != record.phase) {
                record.phase = phase;
                record.changed(now);
            }
            true
        }))
    }

    async fn wait(&self, id: JobId, run: u64, delay: Duration) -> Result<bool, StoreError> {
        Ok(self.with(id, |inner, now| {
            let Some(record) = inner.of_run(id, run) else {
                return false;
            };
            record.state = State::Queued;
            record.phase = Phase::Waiting;
            record.due_at = now.saturating_add(millis(delay));
            record.changed(now);
            true
        }))
    }

    async fn finish(&self, id: JobId, run: u64, ending: &Ending<'_>) -> Result<bool, StoreError> {
        Ok(self.with(id, |inner, now| {
            let ours = inner.of_run(id, run).is_some();
            if ours {
                inner.end(id, now, ending);
            }
            ours
        }))
    }

    async fn cancel(
        &self,
        id: JobId,
        proof: &Proof,
        keep: Duration,
    ) -> Result<Cancelled, StoreError> {
        Ok(self.with(id, |inner, now| {
            let Some(record) = inner.records.get(&id).filter(|one| one.proof == *proof) else {
                return Cancelled::NotFound;
            };
            if record.state.is_final() {
                inner.records.remove(&id);
                return Cancelled::Forgotten;
            }
            let (ticket, audio) = (record.ticket.clone(), record.audio);
            let ending = Ending {
                state: State::Cancelled,
                code: Some(ErrorCode::JobCancelled.as_str()),
                outcome: &[],
                keep,
            };
            inner.end(id, now, &ending);
            Cancelled::Stopped {
                ticket: Some(ticket),
                audio,
            }
        }))
    }

    async fn versions(&self, ids: &[JobId]) -> Result<Vec<u64>, StoreError> {
        let inner = self.lock();
        let version = |id: &JobId| inner.records.get(id).map_or(0, |one| one.version);
        Ok(ids.iter().map(version).collect())
    }
}
