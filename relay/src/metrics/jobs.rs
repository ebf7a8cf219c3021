//! What is counted of jobs.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::{JobLabels, KindLabel, word};
use super::{Metrics, OpenGuard};

/// Upper bounds in seconds of one attempt: a chat takes seconds, an hour of audio minutes.
const SECONDS: [f64; 10] = [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

/// See the module.
pub(super) struct JobMetrics {
    created: Family<KindLabel, Counter>,
    finished: Family<JobLabels, Counter>,
    seconds: Family<KindLabel, Histogram, fn() -> Histogram>,
    active: Gauge,
    queued: Gauge,
}

impl Default for JobMetrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        Self {
            created: Family::default(),
            finished: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            active: Gauge::default(),
            queued: Gauge::default(),
        }
    }
}

impl JobMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("jobs_created", "Jobs taken, by kind", self.created.clone());
        registry.register(
            "jobs_finished",
            "Jobs that have ended, by kind and outcome",
            self.finished.clone(),
        );
        registry.register(
            "job_seconds",
            "Time of the attempt that ended a job",
            self.seconds.clone(),
        );
        registry.register(
            "jobs_active",
            "Jobs this process works on",
            self.active.clone(),
        );
        registry.register(
            "jobs_queued",
            "Jobs that wait for a worker",
            self.queued.clone(),
        );
    }
}

impl Metrics {
    /// Counts a job that was taken.
    pub fn job_created(&self, kind: &'static str) {
        self.jobs
            .created
            .get_or_create(&KindLabel { kind: word(kind) })
            .inc();
    }

    /// Counts a job that has ended; `took` is the time of its last attempt.
    pub fn job_finished(&self, kind: &'static str, outcome: &'static str, took: Option<Duration>) {
        let labels = JobLabels {
            kind: word(kind),
            outcome: word(outcome),
        };
        self.jobs.finished.get_or_create(&labels).inc();
        if let Some(took) = took {
            self.jobs
                .seconds
                .get_or_create(&KindLabel { kind: word(kind) })
                .observe(took.as_secs_f64());
        }
    }

    /// Counts a job as being worked on until the guard drops.
    #[must_use]
    pub fn active_job(&self) -> OpenGuard {
        OpenGuard::new(self.jobs.active.clone())
    }

    /// Counts a job as waiting in this process until the guard drops.
    #[must_use]
    pub fn queued_job(&self) -> OpenGuard {
        OpenGuard::new(self.jobs.queued.clone())
    }

    /// Notes how many jobs wait in Redis.
    pub fn queued_jobs(&self, count: u64) {
        self.jobs
            .queued
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
