//! Jobs over HTTP: chats made with a key, done by workers, their results fetched by the maker.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;

use super::client::{Client, named};
use crate::load::{Load, Meter};
use crate::payload::{ANSWER, Ask};
use crate::stats::to_f64;
use crate::target::Target;

/// Unfinished jobs of one connection at most: all connections together keep every worker busy.
const AHEAD: usize = 32;
/// Before another look at a job that has not ended. Times come from the jobs' own records, so this
/// does not lengthen them; it keeps looks in vain rarer than jobs.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the last jobs may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A job that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    /// Milliseconds by the relays' clock.
    created: u64,
    completed: u64,
    /// Whether the result is byte for byte the stand-in's answer.
    exact: bool,
}

/// Makes jobs over `connections` for the time of `making`, never more ahead of the workers than
/// they need, and waits until all are completed. The load's time is from the making of the first to
/// the completion of the last; its latencies are those of the jobs.
pub(super) async fn load(
    targets: &[Rc<Target>],
    connections: usize,
    making: Duration,
    meter: Meter<'_>,
) -> Result<Load> {
    let before = meter()?;
    let end = Instant::now() + making;
    let targets: Rc<[_]> = targets.into();
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        tasks.spawn_local(connection(Rc::clone(&targets), number, end));
    }
    let mut all = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        all.extend(ended??);
    }
    let cpu_us = meter()?.cpu_us - before.cpu_us;
    Ok(Load {
        cpu_us,
        ..counted(&all)?
    })
}

async fn connection(targets: Rc<[Rc<Target>]>, number: usize, end: Instant) -> Result<Vec<Done>> {
    let mut client = Client::connect(&targets, number).await?;
    let mut waiting = VecDeque::new();
    let mut all = Vec::new();
    loop {
        while waiting.len() < AHEAD && Instant::now() < end {
            waiting.push_back(make(&mut client).await?);
        }
        let Some((id, handle)) = waiting.front() else {
            return Ok(all);
        };
        let path = format!("/v1/jobs/{id}");
        let proof = format!("x-byok-job: {handle}\r\n");
        match read(&client.call("GET", &path, &proof, "").await?)? {
            Some(done) => {
                all.push(done);
                waiting.pop_front();
            }
            None if Instant::now() > end + PATIENCE => bail!("a job is never done"),
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn make(client: &mut Client) -> Result<(String, String)> {
    let request = Ask::Small.body();
    let request = std::str::from_utf8(&request)?;
    let body = format!(r#"{{"kind":"chat","request":{request}}}"#);
    let person = client.person();
    named(&client.call("POST", "/v1/jobs", &person, &body).await?)
}

/// Reads how a job stands; `None` while it has not ended.
fn read(view: &[u8]) -> Result<Option<Done>> {
    let job: Value = serde_json::from_slice(view)?;
    match job.get("status").and_then(Value::as_str) {
        Some("queued" | "active") => return Ok(None),
        Some("completed") => {}
        _ => bail!("a job came to this: {}", String::from_utf8_lossy(view)),
    }
    let time = |name: &str| {
        let value = job.get(name).and_then(Value::as_u64);
        value.with_context(|| format!("the job has no {name}"))
    };
    let result = [br#""result":{"chat":"#, ANSWER.as_slice(), b"}"].concat();
    Ok(Some(Done {
        created: time("createdAt")?,
        completed: time("updatedAt")?,
        exact: memchr::memmem::find(view, &result).is_some(),
    }))
}

/// What `all` come to, but for the CPU time they took.
fn counted(all: &[Done]) -> Result<Load> {
    let first = all.iter().map(|done| done.created).min();
    let last = all.iter().map(|done| done.completed).max();
    let (first, last) = first.zip(last).context("no job was made")?;
    let took = |done: &Done| done.completed.saturating_sub(done.created) * 1_000_000;
    Ok(Load {
        latencies: all.iter().map(took).collect(),
        altered: all.iter().map(|done| u64::from(!done.exact)).sum(),
        // Never nothing, even for one job within a millisecond.
        seconds: to_f64(last.saturating_sub(first).max(1)) / 1e3,
        cpu_us: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(status: &str, result: &str) -> Vec<u8> {
        format!(
            r#"{{"id":"a","status":"{status}","createdAt":1000,"updatedAt":1250,"result":{result},"error":null}}"#
        )
        .into_bytes()
    }

    #[test]
    fn a_job_waits_until_it_is_completed() {
        for status in ["queued", "active"] {
            assert_eq!(read(&view(status, "null")).unwrap(), None);
        }
        let answer = String::from_utf8(ANSWER.clone()).unwrap();
        let result = format!(r#"{{"chat":{answer}}}"#);
        let done = Done {
            created: 1000,
            completed: 1250,
            exact: true,
        };
        assert_eq!(read(&view("completed", &result)).unwrap(), Some(done));
        let changed = view("completed", &result.replace("bench", "bensh"));
        let exact = read(&changed).unwrap().unwrap().exact;
        assert!(!exact, "a changed answer was not noticed");
    }

    #[test]
    fn a_job_that_failed_ends_the_run() {
        for status in ["failed", "cancelled", "", "gone"] {
            assert!(read(&view(status, "null")).is_err());
        }
        assert!(read(br#"{"status":"completed","createdAt":1}"#).is_err());
        assert!(read(b"{").is_err());
    }

    #[test]
    fn time_counts_from_the_first_made_to_the_last_completed() {
        let done = |created, completed, exact| Done {
            created,
            completed,
            exact,
        };
        let all = [
            done(2000, 2500, true),
            done(1000, 3000, false),
            done(1500, 1501, true),
        ];
        let load = counted(&all).unwrap();
        assert!((load.seconds - 2.0).abs() < 1e-9);
        assert_eq!(load.latencies, [500_000_000, 2_000_000_000, 1_000_000]);
        assert_eq!(load.altered, 1);
        assert!(counted(&[]).is_err());
    }
}
