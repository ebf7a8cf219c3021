//! `bench store`: limit checks and leases through one relay and through two, jobs through a relay
//! and one worker or two, beside what `redis-benchmark` gets out of the same Redis.
//!
//! What counts is Redis's own CPU time per operation: it is what many relays share.

mod client;
mod jobs;
mod leases;

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cores::{Cores, pin_this_thread, pinned};
use crate::load::{self, Load, Span};
use crate::payload::Ask;
use crate::process::{Usage, raise_file_limit};
use crate::redis::Redis;
use crate::relay::Options;
use crate::results::{Compare, Metric, Results, Section};
use crate::stats::to_f64;
use crate::subject::{Feature, Kind, Setting, Subject, Worker};
use crate::target::Target;
use crate::upstream::Upstream;

const RATE: &str = "operations/s";
const OF_SET: &str = "of SET's";
const OF_GET: &str = "of GET's";
const REDIS_CPU: &str = "Redis CPU each";
const CARRIES: &str = "one Redis core carries";
const COMMANDS: &str = "commands each";
const RELAY_CPU: &str = "relay CPU each";

const fn alone(name: &'static str, unit: &'static str, decimals: usize) -> Metric {
    Metric {
        name,
        unit,
        decimals,
        compare: Compare::Alone,
    }
}

const STORE: Section = Section {
    id: "store",
    title: "Operations on one Redis, 32 connections",
    metrics: &[
        alone(RATE, "", 0),
        alone(OF_SET, "", 3),
        alone(OF_GET, "", 3),
        alone(REDIS_CPU, "µs", 2),
        alone(CARRIES, "/s", 0),
        alone(COMMANDS, "", 2),
        alone(RELAY_CPU, "µs", 1),
    ],
};

const CONNECTIONS: usize = 32;
/// How long jobs are made before those that count.
const WARM_UP: Duration = Duration::from_millis(100);

pub(crate) async fn run(options: Options) -> Result<()> {
    let cores = Cores::plan()?;
    pin_this_thread(cores.generator)?;
    raise_file_limit();
    let folder = std::path::absolute(options.folder.join("store"))?;
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let redis = Redis::start(cores.redis, &folder)?;
    let upstream = Upstream::start(&cores, &folder)?;
    let setting = Setting {
        cores,
        upstream: upstream.address,
        upstream_tls: upstream.tls,
        folder,
        relay: options.relay.clone(),
        before: None,
        peers: options.folder.clone(),
        redis_url: Some(redis.url()),
    };
    let relays = [
        Kind::Keyferry(Feature::Redis).start(&setting).await?,
        Kind::Keyferry(Feature::Redis).start(&setting).await?,
    ];
    let (rounds, measured, operations) = if options.quick {
        (1, Duration::from_millis(200), 2_000)
    } else {
        (5, Duration::from_secs(2), 200_000)
    };
    let rounds = options.rounds.unwrap_or(rounds);
    let mut run = Run {
        redis,
        results: Results::default(),
        span: Span {
            warm: Duration::ZERO,
            measured,
        },
        raw: Raw::default(),
    };
    let [first, _] = &relays;
    let leases = leases::are_offered(&first.target).await?;
    for round in 1..=rounds {
        eprintln!("▸ round {round} of {rounds}");
        for test in ["SET", "GET"] {
            run.redis_benchmark(test, operations, cores.subject)?;
        }
        run.limits("limit checks, one relay", std::slice::from_ref(first))
            .await?;
        run.limits("limit checks, two relays", &relays).await?;
        if !leases {
            eprintln!("  this relay has no leases");
            continue;
        }
        run.leases("leases, one relay", std::slice::from_ref(first))
            .await?;
        run.leases("leases, two relays", &relays).await?;
        let mut workers = vec![Worker::start(&setting).await?];
        run.jobs("jobs, one worker", first, &workers, &upstream)
            .await?;
        workers.push(Worker::start(&setting).await?);
        run.jobs("jobs, two workers", first, &workers, &upstream)
            .await?;
    }
    let text = format!(
        "{rounds} round(s), medians; {}; relays and workers share that core.\n\
         A limit check is a whole relayed request; a lease operation is one of create, peek, clear;\n\
         a job is made with a key, done by a worker, and its result fetched.\n\n{}",
        cores.describe(),
        run.results.table(&STORE)
    );
    let data = json!({
        "rounds": rounds,
        "quick": options.quick,
        "cores": cores.describe(),
        "sections": run.results.json(&[&STORE]),
    });
    crate::output::publish(&text, &data, options.json, &store_file(&options.folder))
}

fn store_file(folder: &Path) -> std::path::PathBuf {
    folder.join("store.json")
}

struct Run {
    redis: Redis,
    results: Results,
    span: Span,
    raw: Raw,
}

/// What `redis-benchmark` got in this round, in operations a second.
#[derive(Clone, Copy, Debug, Default)]
struct Raw {
    set: f64,
    get: f64,
}

impl Run {
    fn push(&mut self, metric: &'static str, row: &'static str, value: f64) {
        self.results.push(&STORE, metric, row, value);
    }

    /// What Redis did for `operations` of `row`.
    fn push_redis(
        &mut self,
        row: &'static str,
        before: (Usage, crate::redis::Counts),
        operations: f64,
    ) -> Result<()> {
        let cpu = (self.redis.usage()?.cpu_us - before.0.cpu_us) / operations;
        let commands = (self.redis.counts()?.commands - before.1.commands) / operations;
        self.push(REDIS_CPU, row, cpu);
        if cpu > 0.0 {
            self.push(CARRIES, row, 1e6 / cpu);
        }
        self.push(COMMANDS, row, commands);
        Ok(())
    }

    fn redis_now(&self) -> Result<(Usage, crate::redis::Counts)> {
        Ok((self.redis.usage()?, self.redis.counts()?))
    }

    fn redis_benchmark(&mut self, test: &'static str, operations: u32, core: usize) -> Result<()> {
        let before = self.redis_now()?;
        let output = pinned(core, "redis-benchmark")
            .args(["-h", "127.0.0.1", "-p"])
            .arg(self.redis.address.port().to_string())
            .args(["-t", &test.to_lowercase(), "-n", &operations.to_string()])
            .args(["-c", &CONNECTIONS.to_string(), "-d", "300", "--csv"])
            .output()
            .context("could not start redis-benchmark")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("\"{test}\",\"")))
            .and_then(|rest| rest.split('"').next())
            .and_then(|rate| rate.parse::<f64>().ok())
            .with_context(|| format!("redis-benchmark said: {text}"))?;
        let (row, raw) = match test {
            "SET" => ("redis-benchmark SET", &mut self.raw.set),
            _ => ("redis-benchmark GET", &mut self.raw.get),
        };
        *raw = rate;
        self.push(RATE, row, rate);
        self.push_redis(row, before, f64::from(operations))
    }

    async fn limits(&mut self, row: &'static str, relays: &[Subject]) -> Result<()> {
        let before = self.redis_now()?;
        let meter = || usage(relays);
        let load =
            load::closed_loop(&targets(relays), Ask::Small, CONNECTIONS, self.span, &meter).await?;
        if load.altered > 0 {
            bail!("{} answers are not what was sent", load.altered);
        }
        self.push_load(row, before, &load)
    }

    async fn leases(&mut self, row: &'static str, relays: &[Subject]) -> Result<()> {
        let before = self.redis_now()?;
        let meter = || usage(relays);
        let load = leases::load(&targets(relays), CONNECTIONS, self.span, &meter).await?;
        self.push_load(row, before, &load)
    }

    /// Jobs made over `relay` and done by `workers`. CPU time is that of all of them.
    async fn jobs(
        &mut self,
        row: &'static str,
        relay: &Subject,
        workers: &[Worker],
        upstream: &Upstream,
    ) -> Result<()> {
        let meter = || {
            let mut sum = relay.usage()?;
            for worker in workers {
                sum.cpu_us += worker.usage()?.cpu_us;
            }
            Ok(sum)
        };
        let targets = [Rc::clone(&relay.target)];
        // A worker that has just become ready may not have asked for jobs yet.
        jobs::load(&targets, 1, WARM_UP, &meter).await?;
        let altered = upstream.altered();
        let before = self.redis_now()?;
        let load = jobs::load(&targets, CONNECTIONS, self.span.measured, &meter).await?;
        if load.altered > 0 || upstream.altered() > altered {
            bail!("requests or results of jobs are not what was sent");
        }
        self.push_load(row, before, &load)
    }

    fn push_load(
        &mut self,
        row: &'static str,
        before: (Usage, crate::redis::Counts),
        load: &Load,
    ) -> Result<()> {
        let operations = to_f64(load.latencies.len() as u64);
        let rate = operations / load.seconds;
        self.push(RATE, row, rate);
        self.push(OF_SET, row, rate / self.raw.set);
        self.push(OF_GET, row, rate / self.raw.get);
        self.push(RELAY_CPU, row, load.cpu_us / operations);
        self.push_redis(row, before, operations)
    }
}

fn targets(relays: &[Subject]) -> Vec<Rc<Target>> {
    relays
        .iter()
        .map(|relay| Rc::clone(&relay.target))
        .collect()
}

fn usage(relays: &[Subject]) -> Result<Usage> {
    let mut sum = Usage::default();
    for relay in relays {
        let own = relay.usage()?;
        sum.cpu_us += own.cpu_us;
        sum.rss += own.rss;
    }
    Ok(sum)
}
