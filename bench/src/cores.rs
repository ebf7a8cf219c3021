//! Which core does what, so that what is measured does not share a core with what measures it.

use std::process::Command;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores given to each part of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// Makes the load.
    pub(crate) generator: usize,
    /// Answers as the provider would.
    pub(crate) upstream: usize,
    /// Runs Redis.
    pub(crate) redis: usize,
    /// Runs the process under test.
    pub(crate) subject: usize,
}

impl Cores {
    /// Shares out the cores this process may use. With fewer than four, the parts that are not
    /// under test share what is left.
    pub(crate) fn plan() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("could not read which cores may be used")?;
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|&core| allowed.is_set(core))
            .collect();
        let nth = |index: usize| cores.get(index).or(cores.first()).copied().unwrap_or(0);
        let last = cores.len().saturating_sub(1);
        Ok(Self {
            generator: nth(0),
            subject: nth(1),
            upstream: nth(if last >= 2 { 2 } else { 0 }),
            redis: nth(if last >= 3 { 3 } else { 0 }),
        })
    }

    /// The plan in words, for the head of a report.
    pub(crate) fn describe(&self) -> String {
        format!(
            "load on core {}, upstream on core {}, Redis on core {}, process under test on core {}",
            self.generator, self.upstream, self.redis, self.subject
        )
    }
}

/// Keeps the calling thread, and the threads it starts, on one core.
pub(crate) fn pin_this_thread(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("could not move to core {core}"))
}

/// A command that runs `program` on one core from its first instruction on.
pub(crate) fn pinned(core: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", &core.to_string()])
        .arg(program.as_ref());
    command
}

/// Keeps the calling thread from ever sleeping. Waking another core costs the sender more than
/// the sending, and only on one machine: what is under test would be charged for how idle the
/// load generator happens to be, and the slower it is the more.
pub(crate) async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}
