//! Workers as processes, on one Redis with the relays of a test.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "shared by test crates that each see a part")]

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use tempfile::TempDir;

use crate::process_support::Program;
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
    program: Program,
    _folder: TempDir,
}

impl Worker {
    pub fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("worker.toml");
        std::fs::write(&file, config).unwrap();
        Self {
            program: Program::start("worker", &file),
            _folder: folder,
        }
    }

    pub async fn ready(self) -> Self {
        self.wait_for_log("\"working\"").await;
        self
    }
}

impl Deref for Worker {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Worker {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}
