//! The connection to Redis. Beside `target.rs`, which makes it, this is the one file that names the
//! redis crate.
//!
//! A request never waits for a connection: when there is none, or its part of the cluster has just
//! failed, it gets its answer at once. Connecting, and finding out that Redis is back, is the work
//! of one background task.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::{Health, OPERATION_TIMEOUT, StoreError};
use super::keys;
use super::target::{CONNECT_TIMEOUT, Connection, Target};
pub(super) use redis::{Cmd, FromRedisValue, Pipeline, cmd, pipe};

/// Between two looks at a connection nobody uses, and between two attempts to connect.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// How long a part of a cluster that failed is left alone.
const ZONE_PAUSE: Duration = Duration::from_millis(500);
/// A cluster with failing parts is looked up anew after this long.
const CLUSTER_REBUILD: Duration = Duration::from_secs(5);
const ZONES: usize = 64;

/// A failure as the store's operations see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server does not know the script's hash.
    NoScript,
    /// Everything else.
    Store(StoreError),
}

/// See the module.
pub(super) struct Link {
    shared: Arc<Shared>,
    watcher: JoinHandle<()>,
}

struct Shared {
    target: Target,
    connection: ArcSwapOption<Connection>,
    /// What is wrong, as an index into [`REASONS`]; 0 is nothing.
    trouble: AtomicUsize,
    /// Cluster only: until when each part of the key space is left alone, in ms since `began`.
    paused: Box<[AtomicU64]>,
    /// Cluster only: one key of each part that failed.
    failing: Mutex<HashMap<usize, String>>,
    began: Instant,
    answered: AtomicU64,
    wake: Notify,
    /// Closed after the first attempt to connect.
    attempted: Semaphore,
}

const REASONS: [&str; 4] = ["", "connection", "timeout", "refused"];
const CONNECTION: usize = 1;
const TIMEOUT: usize = 2;
const REFUSED: usize = 3;

impl Link {
    /// Connects in the background. `None` outside a runtime.
    pub(super) fn start(target: Target) -> Option<Self> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let shared = Arc::new(Shared {
            target,
            connection: ArcSwapOption::empty(),
            trouble: AtomicUsize::new(CONNECTION),
            paused: std::iter::repeat_with(AtomicU64::default)
                .take(ZONES)
                .collect(),
            failing: Mutex::default(),
            began: Instant::now(),
            answered: AtomicU64::new(0),
            wake: Notify::new(),
            attempted: Semaphore::new(0),
        });
        let watched = Arc::clone(&shared);
        let watcher = runtime.spawn(async move {
            watched.reconnect().await;
            watched.attempted.close();
            watched.watch().await;
        });
        Some(Self { shared, watcher })
    }

    /// Waits for the end of the first attempt.
    pub(super) async fn first_attempt(&self) {
        // It never hands out a permit; waiting ends when it is closed.
        let _ = self.shared.attempted.acquire().await;
    }

    /// Runs `command`, whose first key is `key`.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        key: &str,
        command: &Cmd,
    ) -> Result<T, Fault> {
        self.guarded(key, async |connection: Connection| match connection {
            Connection::Single(mut connection) => command.query_async::<T>(&mut connection).await,
            Connection::Cluster(mut connection) => command.query_async::<T>(&mut connection).await,
        })
        .await
    }

    /// Runs `commands`, whose keys are all in the slot of `key`, in one round trip.
    pub(super) async fn run_all<T: FromRedisValue>(
        &self,
        key: &str,
        commands: &Pipeline,
    ) -> Result<T, Fault> {
        self.guarded(key, async |connection: Connection| match connection {
            Connection::Single(mut connection) => commands.query_async::<T>(&mut connection).await,
            Connection::Cluster(mut connection) => commands.query_async::<T>(&mut connection).await,
        })
        .await
    }

    /// Whether keys are spread over servers, so that a script reaches those of one slot only.
    pub(super) fn is_cluster(&self) -> bool {
        self.shared.target.is_cluster()
    }

    pub(super) fn health(&self) -> Health {
        match self.shared.trouble.load(Ordering::Relaxed) {
            0 => Health::Up,
            reason => Health::Down(REASONS.get(reason).copied().unwrap_or("connection")),
        }
    }

    async fn guarded<T>(
        &self,
        key: &str,
        run: impl AsyncFnOnce(Connection) -> Result<T, RedisError>,
    ) -> Result<T, Fault> {
        let shared = &*self.shared;
        let connection = shared.usable(key)?;
        match timeout(OPERATION_TIMEOUT, run((*connection).clone())).await {
            Ok(Ok(value)) => {
                shared.answered.store(shared.elapsed(), Ordering::Relaxed);
                Ok(value)
            }
            Ok(Err(error)) => Err(shared.failed(key, &connection, &error)),
            Err(_) => {
                shared.lost(key, &connection, TIMEOUT);
                Err(Fault::Store(StoreError::unknown("timeout")))
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Shared {
    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The connection, unless it is known to be useless for `key`.
    fn usable(&self, key: &str) -> Result<Arc<Connection>, Fault> {
        let down = Fault::Store(StoreError::not_done("connection"));
        let connection = self.connection.load_full().ok_or(down)?;
        if let Connection::Cluster(_) = *connection {
            let paused = self.paused.get(keys::zone(key));
            if paused.is_some_and(|until| until.load(Ordering::Relaxed) > self.elapsed()) {
                return Err(down);
            }
        }
        Ok(connection)
    }

    /// What an error means for the connection and for the operation.
    fn failed(&self, key: &str, connection: &Arc<Connection>, error: &RedisError) -> Fault {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Fault::NoScript,
            // This node became a replica; the name may lead to another one by now.
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                self.lost(key, connection, REFUSED);
                Fault::Store(StoreError::not_done("refused"))
            }
            // Loading, memory full, no quorum, a slot without a master: answered, not done.
            ErrorKind::Server(_) | ErrorKind::Extension => {
                if let Connection::Cluster(_) = **connection {
                    self.pause(key);
                }
                self.trouble.store(REFUSED, Ordering::Relaxed);
                tracing::warn!(
                    code = error.code().unwrap_or("?"),
                    "redis refused an operation"
                );
                self.wake.notify_one();
                Fault::Store(StoreError::not_done("refused"))
            }
            // Not what the script returns: nothing is wrong with the connection.
            ErrorKind::UnexpectedReturnType => Fault::Store(StoreError::unknown("reply")),
            _ => {
                self.lost(
                    key,
                    connection,
                    if error.is_timeout() {
                        TIMEOUT
                    } else {
                        CONNECTION
                    },
                );
                Fault::Store(StoreError::unknown("connection"))
            }
        }
    }

    /// Gives up `connection`, or of a cluster the part that failed.
    fn lost(&self, key: &str, connection: &Arc<Connection>, reason: usize) {
        match **connection {
            Connection::Cluster(_) => self.pause(key),
            Connection::Single(_) => {
                // Someone else may have replaced it meanwhile.
                let current = self.connection.load();
                if current
                    .as_ref()
                    .is_some_and(|current| Arc::ptr_eq(current, connection))
                {
                    self.connection.store(None);
                }
            }
        }
        if self.trouble.swap(reason, Ordering::Relaxed) == 0 {
            tracing::warn!(reason = REASONS.get(reason), "redis is not usable");
        }
        self.wake.notify_one();
    }

    /// Leaves the part of the key space with `key` alone for a while. To be called before the
    /// trouble is noted, see [`Shared::recovered`].
    fn pause(&self, key: &str) {
        let zone = keys::zone(key);
        let until = self.elapsed() + u64::try_from(ZONE_PAUSE.as_millis()).unwrap_or(u64::MAX);
        if let Some(paused) = self.paused.get(zone) {
            paused.store(until, Ordering::Relaxed);
        }
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.entry(zone).or_insert_with(|| probe_key(key));
    }

    /// Notices failures that no request meets, and recoveries.
    async fn watch(&self) {
        let mut since: Option<Instant> = None;
        loop {
            // A lost connection is replaced at once; what fails to be replaced is left alone a while.
            if timeout(WATCH_INTERVAL, self.wake.notified()).await.is_ok() && since.is_some() {
                tokio::time::sleep(WATCH_INTERVAL / 4).await;
            }
            let rebuild = since.is_some_and(|since| since.elapsed() > CLUSTER_REBUILD);
            if self.connection.load().is_none() || rebuild {
                self.reconnect().await;
            } else {
                self.check().await;
            }
            since = match self.trouble.load(Ordering::Relaxed) {
                0 => None,
                _ if rebuild => Some(Instant::now()),
                _ => since.or_else(|| Some(Instant::now())),
            };
        }
    }

    async fn reconnect(&self) {
        let connected = timeout(CONNECT_TIMEOUT, self.target.connect()).await;
        match connected {
            Ok(Ok(connection)) => {
                let connection = Arc::new(connection);
                if self.probe(&connection, "keyferry:{0}:probe").await {
                    self.connection.store(Some(connection));
                    self.recovered();
                }
            }
            Ok(Err(error)) => tracing::debug!(kind = ?error.kind(), "cannot connect to redis"),
            Err(_) => tracing::debug!("connecting to redis took too long"),
        }
    }

    /// Writes to the server unless it answered just now and nothing is known to be wrong.
    async fn check(&self) {
        let Some(connection) = self.connection.load_full() else {
            return;
        };
        let recent = u64::try_from(WATCH_INTERVAL.as_millis()).unwrap_or(0);
        let quiet = self
            .elapsed()
            .saturating_sub(self.answered.load(Ordering::Relaxed))
            >= recent;
        let troubled = self.trouble.load(Ordering::Relaxed) != 0;
        if !quiet && !troubled {
            return;
        }
        let failing: Vec<(usize, String)> = {
            let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
            failing
                .iter()
                .map(|(zone, key)| (*zone, key.clone()))
                .collect()
        };
        let mut well = true;
        for (zone, key) in failing {
            if self.probe(&connection, &key).await {
                self.failing
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&zone);
                if let Some(paused) = self.paused.get(zone) {
                    paused.store(0, Ordering::Relaxed);
                }
            } else {
                well = false;
            }
        }
        if self.probe(&connection, "keyferry:{0}:probe").await && well {
            self.recovered();
        }
    }

    /// Whether the server takes a write: one that only reads is of no use here.
    async fn probe(&self, connection: &Arc<Connection>, key: &str) -> bool {
        let mut command = cmd("SET");
        command.arg(key).arg(1).arg("PX").arg(10_000);
        let written = match (**connection).clone() {
            Connection::Single(mut one) => {
                timeout(OPERATION_TIMEOUT, command.query_async::<()>(&mut one)).await
            }
            Connection::Cluster(mut many) => {
                timeout(OPERATION_TIMEOUT, command.query_async::<()>(&mut many)).await
            }
        };
        match written {
            Ok(Ok(())) => {
                self.answered.store(self.elapsed(), Ordering::Relaxed);
                true
            }
            Ok(Err(error)) => {
                self.failed(key, connection, &error);
                false
            }
            Err(_) => {
                self.lost(key, connection, TIMEOUT);
                false
            }
        }
    }

    /// All is well, unless a part of a cluster has failed that was not probed since.
    fn recovered(&self) {
        // Held, so that a part that fails now is noted as trouble after this, not before.
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_empty() && self.trouble.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("redis is usable");
        }
    }
}

/// A key in the same slot as `key` that holds nothing else.
fn probe_key(key: &str) -> String {
    match key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
    {
        Some((tag, _)) => format!("keyferry:{{{tag}}}:probe"),
        None => format!("keyferry:{{{key}}}:probe"),
    }
}

/// The hash a server knows a script by.
pub(super) fn script_hash(code: &str) -> String {
    redis::Script::new(code).get_hash().to_owned()
}
