//! The queue in Redis, as BullMQ lays it out, so that its dashboards show it. The one file that
//! names the crate.
//!
//! An entry holds a job's id and kind and nothing else: what the job is stands in its record, which
//! is encrypted and does not outlive its time. An entry without a record is nothing. BullMQ brings
//! ids to workers, holds back those that wait for their next attempt, and finds those whose worker
//! is gone; what a job comes to is decided by its record alone.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bullmq::options::RedisConnectionOptions;
use bullmq::types::RemoveOnFinish;
use bullmq::{Error, Job, QueueOptions, WorkerOptions};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::config::ConfigError;
use crate::jobs::terms::Kind;
use crate::jobs::work::{Next, work};
use crate::limits::StoreSettings;
use crate::metrics::Metrics;
use crate::state::Relay;
use crate::store::{JobId, StoreError};

/// Begins every key of the queue; the braces keep them in one slot of a cluster.
const PREFIX: &str = "{keyferry}";
/// The queue's name.
const NAME: &str = "jobs";
/// Longest time an operation takes that a client waits for.
const TIMEOUT: Duration = Duration::from_millis(400);
/// Time for a new connection. Nobody waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to connect.
const RECONNECT: Duration = Duration::from_millis(500);
/// How long a worker tries to put a job back.
const PATIENCE: Duration = Duration::from_secs(30);
/// BullMQ's own limit on workers that leave an entry; ours is in the record.
const MAX_STALLED: u32 = 1_000;
/// Seconds an idle worker waits for an entry before it looks whether it is to stop.
const IDLE_SECONDS: u64 = 2;
/// Between two counts of what waits.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// The queue as those see it who put jobs into it.
pub(crate) struct Shared {
    link: Arc<Link>,
    connecting: Option<JoinHandle<()>>,
}

struct Link {
    options: RedisConnectionOptions,
    queue: ArcSwapOption<bullmq::Queue>,
    lost: Notify,
}

impl Shared {
    /// `None` without a store in Redis. Connects in the background.
    pub(super) fn new(store: &StoreSettings) -> Result<Option<Self>, ConfigError> {
        let Some(options) = options(store)? else {
            return Ok(None);
        };
        let link = Arc::new(Link {
            options,
            queue: ArcSwapOption::empty(),
            lost: Notify::new(),
        });
        let connecting = tokio::runtime::Handle::try_current()
            .ok()
            .map(|runtime| runtime.spawn(connect(Arc::clone(&link))));
        Ok(Some(Self { link, connecting }))
    }

    pub(super) async fn add(&self, id: JobId, kind: Kind) -> Result<(), StoreError> {
        let queue = self.link.queue.load_full();
        let queue = queue.ok_or(StoreError::not_done("connection"))?;
        let adding = queue
            .add(kind.as_str(), Value::Object(serde_json::Map::new()))
            .job_id(entry(id))
            .remove_on_complete(RemoveOnFinish::Bool(true))
            .remove_on_fail(RemoveOnFinish::Bool(true));
        let added = timeout(TIMEOUT, async { adding.await }).await;
        if matches!(added, Ok(Ok(_))) {
            return Ok(());
        }
        tracing::warn!("a job could not be queued");
        self.link.drop_if(&queue);
        Err(StoreError::unknown("connection"))
    }

    pub(super) async fn forget(&self, id: JobId) {
        let Some(queue) = self.link.queue.load_full() else {
            return;
        };
        // An entry that stays is found to be nothing.
        let _ = timeout(TIMEOUT, queue.remove(&entry(id))).await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(connecting) = &self.connecting {
            connecting.abort();
        }
    }
}

impl Link {
    /// The crate's connection would come back by itself, but in its own time.
    fn drop_if(&self, queue: &Arc<bullmq::Queue>) {
        let current = self.queue.load();
        if current.as_ref().is_some_and(|now| Arc::ptr_eq(now, queue)) {
            self.queue.store(None);
            self.lost.notify_one();
        }
    }
}

/// Keeps a connection.
async fn connect(link: Arc<Link>) {
    loop {
        if link.queue.load().is_some() {
            link.lost.notified().await;
            continue;
        }
        match timeout(CONNECT_TIMEOUT, open(&link.options)).await {
            Ok(Ok(queue)) => link.queue.store(Some(Arc::new(queue))),
            _ => tokio::time::sleep(RECONNECT).await,
        }
    }
}

async fn open(connection: &RedisConnectionOptions) -> Result<bullmq::Queue, Error> {
    let options = QueueOptions {
        connection: connection.clone(),
        prefix: PREFIX.to_owned(),
        ..QueueOptions::default()
    };
    bullmq::Queue::with_options(NAME, options).await
}

fn options(store: &StoreSettings) -> Result<Option<RedisConnectionOptions>, ConfigError> {
    let Some(url) = &store.url else {
        return Ok(None);
    };
    // Exposed to connect.
    let url = url
        .expose_str()
        .ok_or_else(|| ConfigError::field("store.url", "is not text"))?;
    let urls: Vec<&str> = url.split(',').map(str::trim).collect();
    let options = RedisConnectionOptions::new();
    Ok(Some(if store.cluster {
        options.cluster_nodes(urls)
    } else {
        options.url(urls.concat())
    }))
}

/// An entry's id. Never a number, which BullMQ keeps for its own.
fn entry(id: JobId) -> String {
    format!("job-{id}")
}

fn job_of(entry: &str) -> Option<JobId> {
    JobId::parse(entry.strip_prefix("job-")?)
}

/// Takes jobs out of the queue and works on them.
pub(crate) struct Worker {
    inner: Arc<bullmq::Worker>,
    beside: [JoinHandle<()>; 2],
}

impl Worker {
    /// Begins to work. Waits for Redis as long as it takes.
    ///
    /// # Errors
    /// When there is no store in Redis.
    pub(crate) async fn start(relay: &Arc<Relay>) -> Result<Self, ConfigError> {
        let live = relay.live();
        let settings = &live.config.jobs;
        let connection = options(&live.config.store)?.ok_or_else(|| {
            ConfigError::field(
                "store.url",
                "needed by a worker: without Redis the relay works on its jobs itself",
            )
        })?;
        let options = WorkerOptions {
            connection: connection.clone(),
            prefix: PREFIX.to_owned(),
            concurrency: settings.concurrency,
            lock_duration: settings.hold_ms,
            stalled_interval: settings.hold_ms,
            max_stalled_count: MAX_STALLED,
            drain_delay: IDLE_SECONDS,
            run_retry_delay: u64::try_from(RECONNECT.as_millis()).unwrap_or(500),
            remove_on_complete: Some(RemoveOnFinish::Bool(true)),
            remove_on_fail: Some(RemoveOnFinish::Bool(true)),
            ..WorkerOptions::default()
        };
        let inner = loop {
            let relay = Arc::clone(relay);
            let process = move |job: Job, _| {
                let relay = Arc::clone(&relay);
                async move { process(&relay, &job).await }
            };
            let started = timeout(
                CONNECT_TIMEOUT,
                bullmq::Worker::with_options(NAME, process, options.clone()),
            );
            match started.await {
                Ok(Ok(worker)) => break Arc::new(worker),
                _ => {
                    tracing::warn!("the queue cannot be reached");
                    tokio::time::sleep(RECONNECT).await;
                }
            }
        };
        let listened = Arc::clone(&inner);
        let beside = [
            // Its events pile up unless somebody takes them.
            tokio::spawn(async move { while listened.next_event().await.is_some() {} }),
            tokio::spawn(count(connection, Arc::clone(relay.metrics()))),
        ];
        Ok(Self { inner, beside })
    }

    /// Takes no more jobs, and waits for those it has for so long at most. True when all have
    /// ended.
    pub(crate) async fn close(&self, within: Duration) -> bool {
        let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let _ = self.inner.close(millis).await;
        self.inner.active_count().await == 0
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        for task in &self.beside {
            task.abort();
        }
    }
}

async fn process(relay: &Arc<Relay>, job: &Job) -> Result<Value, Error> {
    let Some(id) = job_of(job.id()) else {
        return Ok(Value::Null);
    };
    let Next::Again(pause) = work(relay, id).await else {
        return Ok(Value::Null);
    };
    let due = relay.jobs().now_millis() + u64::try_from(pause.as_millis()).unwrap_or(u64::MAX / 2);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match job.move_to_delayed(due).await {
            Err(Error::Redis(_)) if Instant::now() < deadline => {
                tokio::time::sleep(RECONNECT).await;
            }
            // What could not be put back is found as left by its worker.
            _ => return Err(Error::Delayed),
        }
    }
}

/// Counts what waits, for the metrics.
async fn count(connection: RedisConnectionOptions, metrics: Arc<Metrics>) {
    let mut queue = None;
    loop {
        if queue.is_none() {
            queue = timeout(CONNECT_TIMEOUT, open(&connection))
                .await
                .ok()
                .and_then(Result::ok);
        }
        if let Some(open) = &queue {
            match timeout(CONNECT_TIMEOUT, open.count()).await {
                Ok(Ok(waiting)) => metrics.queued_jobs(waiting),
                _ => queue = None,
            }
        }
        tokio::time::sleep(COUNT_INTERVAL).await;
    }
}
