//! Workers as processes, on one Redis with the relays of a test.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "shared by test crates that each see a part")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::redis_support::RedisServer;
use crate::support::{StandIn, TestRelay, providers_at};

/// The server's secret of every relay and worker here.
pub const SECRET: &str = "a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// A relay and its workers on one Redis, with one folder for audio.
pub struct Shop {
    pub redis: RedisServer,
    pub audio: TempDir,
    provider: SocketAddr,
    jobs: String,
}

impl Shop {
    /// `jobs` is what `[jobs]` says beside the folder.
    pub fn new(redis: RedisServer, provider: SocketAddr, jobs: &str) -> Self {
        Self {
            redis,
            audio: tempfile::tempdir().unwrap(),
            provider,
            jobs: jobs.to_owned(),
        }
    }

    pub fn open(provider: &StandIn, jobs: &str) -> Self {
        Self::new(RedisServer::start(&[]), provider.address, jobs)
    }

    /// The configuration all share.
    pub fn config(&self, more: &str) -> String {
        let shared = format!(
            "{more}\n[store]\nurl = \"{}\"\n[secrets]\ncurrent = \"{SECRET}\"\n[jobs]\naudio = \"file://{}\"\nshared = true\n{}\n",
            self.redis.url(),
            self.audio.path().display(),
            self.jobs,
        );
        providers_at(self.provider, &shared)
    }

    pub async fn relay(&self) -> TestRelay {
        let relay = TestRelay::start(&self.config("")).await;
        relay.relay.limits().warm_up().await;
        relay
    }

    pub fn worker(&self) -> Worker {
        Worker::start(&self.config(""))
    }

    pub fn files(&self) -> usize {
        std::fs::read_dir(self.audio.path()).unwrap().count()
    }

    /// Keys of the queue that hold a job.
    pub fn entries(&self) -> usize {
        let reply = self.redis.command(&["KEYS", "{keyferry}:jobs:job-*"]);
        reply.matches("jobs:job-").count()
    }
}

/// `keyferry-relay worker`; killed when dropped.
pub struct Worker {
    child: Child,
    logs: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl Worker {
    pub fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("worker.toml");
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_keyferry-relay"))
            .args(["worker", "--config"])
            .arg(&file)
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let logs = Arc::new(Mutex::new(Vec::new()));
        let (sink, errors) = (Arc::clone(&logs), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        Self {
            child,
            logs,
            _folder: folder,
        }
    }

    pub fn log(&self) -> String {
        self.logs.lock().unwrap().join("\n")
    }

    pub async fn ready(self) -> Self {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.log().contains("\"working\"") {
            assert!(Instant::now() < deadline, "not working: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Ends at once, as a host does that loses its power.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub async fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "still running: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
