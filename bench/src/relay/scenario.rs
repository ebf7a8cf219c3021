//! Each situation a subject is measured in, once per round.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};

use super::sections as s;
use crate::load::{self, Load, Span};
use crate::payload::Ask;
use crate::redis::Redis;
use crate::results::{Results, Section, YARDSTICK};
use crate::stats::{percentile, to_f64};
use crate::streams::{self, Open};
use crate::subject::{Setting, Subject};
use crate::upstream::Upstream;
use crate::wire::Wire;

const MEGABYTE: f64 = 1024.0 * 1024.0;

/// How long and how much, for a full run or a quick one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    pub(crate) span: Span,
    pub(crate) streams: u32,
    pub(crate) flood_events: u32,
    pub(crate) redis_requests: u32,
}

impl Extent {
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        span: Span {
            warm: Duration::from_millis(300),
            measured: Duration::from_secs(1),
        },
        streams: 1000,
        flood_events: 100_000,
        redis_requests: 1000,
    };
    /// Seconds in all: shows that everything works, not how fast.
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        span: Span {
            warm: Duration::from_millis(30),
            measured: Duration::from_millis(150),
        },
        streams: 100,
        flood_events: 2000,
        redis_requests: 50,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Saturated,
    Single,
    Half,
    Large,
    Streaming,
    StreamLoad,
    Flood,
    Open,
    Redis,
}

impl Scenario {
    pub(crate) const ALL: [Self; 9] = [
        Self::Saturated,
        Self::Single,
        Self::Half,
        Self::Large,
        Self::Streaming,
        Self::StreamLoad,
        Self::Flood,
        Self::Open,
        Self::Redis,
    ];

    pub(crate) fn section(self) -> &'static Section {
        match self {
            Self::Saturated => &s::SATURATED,
            Self::Single => &s::SINGLE,
            Self::Half => &s::HALF,
            Self::Large => &s::LARGE,
            Self::Streaming => &s::STREAMING,
            Self::StreamLoad => &s::STREAM_LOAD,
            Self::Flood => &s::FLOOD,
            Self::Open => &s::OPEN,
            Self::Redis => &s::REDIS,
        }
    }
}

/// What all measurements of a run share.
pub(crate) struct Run {
    pub(crate) extent: Extent,
    pub(crate) setting: Setting,
    pub(crate) upstream: Upstream,
    pub(crate) redis: Option<Redis>,
    pub(crate) results: Results,
}

impl Run {
    /// Measures `subject` once in `scenario`.
    pub(crate) async fn measure(&mut self, scenario: Scenario, subject: &Subject) -> Result<()> {
        let altered_before = self.upstream.altered();
        let altered = match scenario {
            Scenario::Saturated => self.saturated(subject).await?,
            Scenario::Single => self.single(subject).await?,
            Scenario::Half => self.half(subject).await?,
            Scenario::Large => self.large(subject).await?,
            Scenario::Streaming => self.streaming(subject).await?,
            Scenario::StreamLoad => self.stream_load(subject).await?,
            Scenario::Flood => self.flood(subject).await?,
            Scenario::Open => self.open(subject).await?,
            Scenario::Redis => self.redis(subject).await?,
        };
        if subject.kind.must_be_exact() {
            if altered > 0 {
                bail!("{altered} answers are not byte for byte what was sent");
            }
            let requests = self.upstream.altered() - altered_before;
            if requests > 0 {
                bail!("{requests} requests are not byte for byte what was sent");
            }
        }
        Ok(())
    }

    fn push(&mut self, section: &Section, metric: &'static str, subject: &Subject, value: f64) {
        self.results
            .push(section, metric, subject.kind.name(), value);
    }

    fn push_load(&mut self, section: &Section, subject: &Subject, load: &mut Load) {
        let requests = load.requests();
        if requests == 0.0 {
            // On a machine busy with other things a quick round may be over before an answer.
            return;
        }
        self.push(section, s::RATE, subject, requests / load.seconds);
        self.push_latency(section, subject, &mut load.latencies);
        if load.cpu_us > 0.0 {
            self.push(section, s::CPU, subject, load.cpu_us / requests);
            let busy = load.cpu_us / load.seconds / 10_000.0;
            self.push(section, s::BUSY, subject, busy);
        }
    }

    fn push_latency(&mut self, section: &Section, subject: &Subject, latencies: &mut [u64]) {
        for (metric, per_mille) in [(s::P50, 500), (s::P99, 990)] {
            let value = to_f64(percentile(latencies, per_mille)) / 1e3;
            self.push(section, metric, subject, value);
        }
    }

    async fn saturated(&mut self, subject: &Subject) -> Result<u64> {
        let meter = || subject.usage();
        let mut load = load::closed_loop(
            &[Rc::clone(&subject.target)],
            Ask::Small,
            32,
            self.extent.span,
            &meter,
        )
        .await?;
        self.push_load(&s::SATURATED, subject, &mut load);
        let rss = subject.usage()?.rss;
        if rss > 0.0 {
            self.push(&s::SATURATED, s::RSS, subject, rss / MEGABYTE);
        }
        Ok(load.altered)
    }

    async fn single(&mut self, subject: &Subject) -> Result<u64> {
        let meter = || subject.usage();
        let mut load = load::closed_loop(
            &[Rc::clone(&subject.target)],
            Ask::Small,
            1,
            self.extent.span,
            &meter,
        )
        .await?;
        self.push_latency(&s::SINGLE, subject, &mut load.latencies);
        Ok(load.altered)
    }

    async fn half(&mut self, subject: &Subject) -> Result<u64> {
        let rate_of = |row| self.results.median(&s::SATURATED, s::RATE, row);
        let Some(rate) = rate_of(YARDSTICK).map(|rate| rate / 2.0) else {
            return Ok(0);
        };
        // One that cannot keep up has no latency, only a queue that grows.
        if rate_of(subject.kind.name()).is_some_and(|own| own < rate * 1.1) {
            return Ok(0);
        }
        let meter = || subject.usage();
        let mut load = load::open_loop(&subject.target, rate, 64, self.extent.span, &meter).await?;
        self.push_load(&s::HALF, subject, &mut load);
        Ok(load.altered)
    }

    async fn large(&mut self, subject: &Subject) -> Result<u64> {
        let meter = || subject.usage();
        let mut load = load::closed_loop(
            &[Rc::clone(&subject.target)],
            Ask::Large,
            4,
            self.extent.span,
            &meter,
        )
        .await?;
        self.push_load(&s::LARGE, subject, &mut load);
        Ok(load.altered)
    }

    async fn streaming(&mut self, subject: &Subject) -> Result<u64> {
        let meter = || subject.usage();
        let gap = Duration::from_millis(20);
        let mut streams =
            streams::talk(&subject.target, 20, 20, gap, self.extent.span, &meter).await?;
        let section = &s::STREAMING;
        let first = to_f64(percentile(&mut streams.first, 500)) / 1e6;
        self.push(section, s::FIRST, subject, first);
        self.push_ages(section, subject, &mut streams.ages);
        Ok(streams.altered)
    }

    fn push_ages(&mut self, section: &Section, subject: &Subject, ages: &mut [u64]) {
        for (metric, per_mille) in [(s::EVENT, 500), (s::EVENT_P99, 990)] {
            let value = to_f64(percentile(ages, per_mille)) / 1e6;
            self.push(section, metric, subject, value);
        }
    }

    async fn stream_load(&mut self, subject: &Subject) -> Result<u64> {
        let meter = || subject.usage();
        // The slow ones would only queue: they get what they can carry.
        let clients = if subject.kind.is_slow() { 10 } else { 200 };
        let gap = Duration::from_millis(10);
        let began = crate::payload::now();
        let mut streams =
            streams::talk(&subject.target, clients, 50, gap, self.extent.span, &meter).await?;
        let seconds = to_f64(crate::payload::now() - began) / 1e9;
        let section = &s::STREAM_LOAD;
        let events = to_f64((streams.ages.len() + streams.first.len()) as u64);
        self.push(section, s::EVENT_RATE, subject, events / seconds);
        if streams.cpu_us > 0.0 {
            self.push(section, s::CPU_EVENT, subject, streams.cpu_us / events);
        }
        self.push_ages(section, subject, &mut streams.ages);
        Ok(streams.altered)
    }

    async fn flood(&mut self, subject: &Subject) -> Result<u64> {
        let events = if subject.kind.is_slow() {
            self.extent.flood_events / 50
        } else {
            self.extent.flood_events
        };
        let flood = streams::flood(&subject.target, events).await?;
        let rate = flood.per_second / MEGABYTE;
        self.push(&s::FLOOD, s::THROUGHPUT, subject, rate);
        Ok(flood.altered)
    }

    async fn open(&mut self, subject: &Subject) -> Result<u64> {
        if subject.usage()?.rss == 0.0 {
            return Ok(0);
        }
        // What a process has grown to earlier hides what a stream takes: it starts anew, except
        // for those that take a minute to, which are measured as they are, once.
        let section = &s::OPEN;
        let open = if subject.kind.is_slow() {
            if self
                .results
                .median(section, s::RSS, subject.kind.name())
                .is_some()
            {
                return Ok(0);
            }
            self.open_on(subject).await?
        } else {
            let fresh = subject.kind.start(&self.setting).await?;
            self.open_on(&fresh).await?
        };
        let per_1000 = open.held / MEGABYTE * 1000.0 / f64::from(self.extent.streams);
        self.push(section, s::PER_1000, subject, per_1000);
        Ok(open.altered)
    }

    async fn open_on(&mut self, subject: &Subject) -> Result<Open> {
        let meter = || subject.usage();
        let few = Span {
            warm: Duration::ZERO,
            measured: Duration::from_millis(100),
        };
        load::closed_loop(&[Rc::clone(&subject.target)], Ask::Small, 8, few, &meter).await?;
        self.push(&s::OPEN, s::RSS, subject, subject.usage()?.rss / MEGABYTE);
        streams::open_streams(&subject.target, self.extent.streams, &meter).await
    }

    async fn redis(&mut self, subject: &Subject) -> Result<u64> {
        let Some(redis) = self.redis.as_ref().filter(|_| subject.kind.uses_redis()) else {
            return Ok(0);
        };
        let mut request = subject.target.request(Ask::Small);
        let mut wire = Wire::connect(subject.target.address).await?;
        request.exchange(&mut wire).await?;
        let (before, usage_before) = (redis.counts()?, redis.usage()?);
        let mut altered = 0;
        for _ in 0..self.extent.redis_requests {
            let exchange = request.exchange(&mut wire).await?;
            altered += u64::from(!exchange.exact);
            if !exchange.keep_alive {
                wire = Wire::connect(subject.target.address).await?;
            }
        }
        // What follows the last answer is part of it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (after, usage_after) = (redis.counts()?, redis.usage()?);
        let requests = f64::from(self.extent.redis_requests);
        for (metric, total) in [
            (s::ROUND_TRIPS, after.reads - before.reads),
            (s::COMMANDS, after.commands - before.commands),
            (s::REDIS_CPU, usage_after.cpu_us - usage_before.cpu_us),
        ] {
            self.push(&s::REDIS, metric, subject, total / requests);
        }
        Ok(altered)
    }
}
