//! Workers as processes, on one Redis with the relays of a test.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use tempfile::TempDir;

use crate::support::process::Program;
use crate::support::redis::RedisServer;
use crate::support::seal::FIRST;
use crate::support::{StandIn, TestRelay, providers_at};

/// A relay and its workers on one Redis, with one folder for audio.
pub(crate) struct Shop {
    pub(crate) redis: RedisServer,
    pub(crate) audio: TempDir,
    provider: SocketAddr,
    jobs: String,
}

impl Shop {
    /// `jobs` is what `[jobs]` says beside the folder.
    pub(crate) fn new(redis: RedisServer, provider: SocketAddr, jobs: &str) -> Self {
        Self {
            redis,
            audio: tempfile::tempdir().unwrap(),
            provider,
            jobs: jobs.to_owned(),
        }
    }

    pub(crate) fn open(provider: &StandIn, jobs: &str) -> Self {
        Self::new(RedisServer::start(&[]), provider.address, jobs)
    }

    /// The configuration all share.
    pub(crate) fn config(&self, more: &str) -> String {
        let shared = format!(
            "{more}\n[store]\nurl = \"{}\"\n[secrets]\ncurrent = \"{FIRST}\"\n[jobs]\naudio = \"file://{}\"\nshared = true\n{}\n",
            self.redis.url(),
            self.audio.path().display(),
            self.jobs,
        );
        providers_at(self.provider, &shared)
    }

    pub(crate) async fn relay(&self) -> TestRelay {
        let relay = TestRelay::start(&self.config("")).await;
        relay.relay.limits().warm_up().await;
        relay
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker::start(&self.config(""))
    }

    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(self.audio.path()).unwrap().count()
    }

    /// Keys of the queue that hold a job.
    pub(crate) fn entries(&self) -> usize {
        let reply = self.redis.command(&["KEYS", "{keyferry}:jobs:job-*"]);
        reply.matches("jobs:job-").count()
    }
}

/// `keyferry-relay worker`; killed when dropped.
pub(crate) struct Worker {
    program: Program,
    _folder: TempDir,
}

impl Worker {
    pub(crate) fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("worker.toml");
        std::fs::write(&file, config).unwrap();
        Self {
            program: Program::start("worker", &file),
            _folder: folder,
        }
    }

    pub(crate) async fn ready(self) -> Self {
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
