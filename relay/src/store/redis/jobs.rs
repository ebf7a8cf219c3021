//! Records of jobs in Redis. All are in one hash slot: one operation asks for the versions of many.

use std::time::Duration;

use super::super::{JobId, Proof, StoreError};
use super::script::Call;
use super::{RedisStore, keys, millis};
use crate::jobs::{
    Added, Attempt, Begun, Cancelled, Ending, GRACE, Kind, Ledger, MAX_INTERRUPTIONS, NewJob, Note,
    Phase, RESULT_TTL, Snapshot, State,
};

/// What Redis answers that makes no sense.
const GARBLED: StoreError = StoreError::unknown("reply");

/// The two keys every operation needs.
struct Names {
    record: String,
    ticket: String,
}

impl Names {
    fn new(id: JobId) -> Self {
        Self {
            record: keys::job(id),
            ticket: keys::job_ticket(id),
        }
    }
}

impl RedisStore {
    fn job<'a>(&'a self, names: &'a Names, operation: &'a str) -> Call<'a> {
        let mut call = self.scripts.job.call(&names.record);
        call.key(&names.ticket)
            .optional(self.time())
            .text(operation);
        call
    }
}

impl Ledger for RedisStore {
    async fn add(&self, job: &NewJob<'_>) -> Result<Added, StoreError> {
        let names = Names::new(job.id);
        let open = keys::open_jobs(job.caller);
        let mut call = self.scripts.job.call(&names.record);
        call.key(&names.ticket)
            .key(&open)
            .optional(self.time())
            .text("add")
            .bytes(job.proof)
            .text(job.kind.as_str())
            .number(job.max_queued.into())
            .number(job.expires_at)
            .number(job.expires_at.saturating_add(millis(GRACE)))
            .flag(job.audio)
            .bytes(job.terms)
            .bytes(job.payload)
            .bytes(job.ticket);
        let added: u8 = call.run(&self.link).await?;
        Ok(match added {
            0 => Added::Yes,
            1 => Added::TooMany,
            _ => Added::Taken,
        })
    }

    async fn withdraw(&self, id: JobId) -> Result<(), StoreError> {
        let names = Names::new(id);
        let _: u8 = self.job(&names, "withdraw").run(&self.link).await?;
        Ok(())
    }

    async fn read(&self, id: JobId, proof: &Proof) -> Result<Option<Snapshot>, StoreError> {
        let names = Names::new(id);
        let mut call = self.job(&names, "read");
        call.bytes(proof).number(millis(RESULT_TTL));
        let fields: Option<Vec<Vec<u8>>> = call.run(&self.link).await?;
        let Some(fields) = fields else {
            return Ok(None);
        };
        snapshot(fields).map(Some).ok_or(GARBLED)
    }

    async fn begin(&self, id: JobId, hold: Duration) -> Result<Begun, StoreError> {
        let names = Names::new(id);
        let mut call = self.job(&names, "begin");
        call.number(millis(hold))
            .number(MAX_INTERRUPTIONS.into())
            .number(millis(RESULT_TTL));
        let reply: Vec<Vec<u8>> = call.run(&self.link).await?;
        begun(reply).ok_or(GARBLED)
    }

    async fn note(
        &self,
        id: JobId,
        run: u64,
        hold: Duration,
        note: &Note<'_>,
    ) -> Result<bool, StoreError> {
        let names = Names::new(id);
        let mut call = self.job(&names, "note");
        call.number(run)
            .number(millis(hold))
            .text(note.phase.map_or("", Phase::as_str))
            .bytes(note.checkpoint.unwrap_or_default());
        call.run::<u8>(&self.link).await.map(|ours| ours == 1)
    }

    async fn wait(&self, id: JobId, run: u64, delay: Duration) -> Result<bool, StoreError> {
        let names = Names::new(id);
        let mut call = self.job(&names, "wait");
        call.number(run).number(millis(delay));
        call.run::<u8>(&self.link).await.map(|ours| ours == 1)
    }

    async fn finish(&self, id: JobId, run: u64, ending: &Ending<'_>) -> Result<bool, StoreError> {
        let names = Names::new(id);
        let mut call = self.job(&names, "finish");
        call.number(run)
            .text(ending.state.as_str())
            .text(ending.code.unwrap_or_default())
            .bytes(ending.outcome)
            .number(millis(ending.keep));
        call.run::<u8>(&self.link).await.map(|ours| ours == 1)
    }

    async fn cancel(
        &self,
        id: JobId,
        proof: &Proof,
        keep: Duration,
    ) -> Result<Cancelled, StoreError> {
        let names = Names::new(id);
        let mut call = self.job(&names, "cancel");
        call.bytes(proof).number(millis(keep));
        let reply: Vec<Vec<u8>> = call.run(&self.link).await?;
        let mut parts = reply.into_iter();
        match parts.next().as_deref() {
            Some(b"none") => Ok(Cancelled::NotFound),
            Some(b"forgotten") => Ok(Cancelled::Forgotten),
            Some(b"stopped") => Ok(Cancelled::Stopped {
                ticket: parts.next().filter(|ticket| !ticket.is_empty()),
                audio: parts.next().as_deref() == Some(b"1"),
            }),
            _ => Err(GARBLED),
        }
    }

    async fn versions(&self, ids: &[JobId]) -> Result<Vec<u64>, StoreError> {
        let names: Vec<String> = ids.iter().map(|id| keys::job(*id)).collect();
        let Some((first, rest)) = names.split_first() else {
            return Ok(Vec::new());
        };
        let mut call = self.scripts.job_versions.call(first);
        for name in rest {
            call.key(name);
        }
        call.run(&self.link).await
    }
}

fn snapshot(fields: Vec<Vec<u8>>) -> Option<Snapshot> {
    let fields: [Vec<u8>; 13] = fields.try_into().ok()?;
    let [
        version,
        kind,
        state,
        phase,
        attempts,
        created,
        updated,
        expires,
        audio,
        terms,
        code,
        outcome,
        ended,
    ] = fields;
    Some(Snapshot {
        version: number(&version)?,
        kind: Kind::parse(text(&kind)?)?,
        state: State::parse(text(&state)?)?,
        phase: Phase::parse(text(&phase)?)?,
        attempts: u32::try_from(number(&attempts)?).ok()?,
        created_at: number(&created)?,
        updated_at: number(&updated)?,
        expires_at: number(&expires)?,
        terms,
        code: Some(text(&code)?.to_owned()).filter(|code| !code.is_empty()),
        outcome: Some(outcome).filter(|outcome| !outcome.is_empty()),
        ended_now: ended == b"1",
        audio: audio == b"1",
    })
}

fn begun(reply: Vec<Vec<u8>>) -> Option<Begun> {
    let mut parts = reply.into_iter();
    match parts.next()?.as_slice() {
        b"gone" => Some(Begun::Gone),
        b"later" => Some(Begun::Later(Duration::from_millis(number(&parts.next()?)?))),
        b"ended" => Some(Begun::Ended {
            code: match parts.next()?.as_slice() {
                b"lease_expired" => "lease_expired",
                _ => "job_interrupted",
            },
            kind: Kind::parse(text(&parts.next()?)?)?,
            audio: parts.next()? == b"1",
        }),
        b"run" => Some(Begun::Run(Box::new(Attempt {
            run: number(&parts.next()?)?,
            number: u32::try_from(number(&parts.next()?)?).ok()?,
            expires_at: number(&parts.next()?)?,
            terms: parts.next()?,
            payload: parts.next()?,
            ticket: parts.next()?,
            checkpoint: parts.next().filter(|checkpoint| !checkpoint.is_empty()),
        }))),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn number(bytes: &[u8]) -> Option<u64> {
    text(bytes)?.parse().ok()
}
