//! `cargo xtask bench relay | vault | store`: builds what is measured and starts the measuring,
//! which lies in `bench/`.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{run, step};
use crate::tools::{CHROMIUM, NGINX, REDIS, System, ensure_system, npm_ci};
use crate::workspace::{root, target};

const REDIS_BENCHMARK: System = System {
    program: "redis-benchmark",
    package: "redis-tools",
};
const TASKSET: System = System {
    program: "taskset",
    package: "util-linux",
};

/// What to measure, and the flags that go to what measures it.
#[derive(Debug)]
pub(crate) struct Options {
    what: What,
    rest: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Relay,
    Vault,
    Store,
}

impl Options {
    /// Reads `relay|vault|store` and leaves the rest to the programs that measure.
    ///
    /// # Errors
    /// When it is none of the three.
    pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Self> {
        use lexopt::prelude::*;

        let what = match args.next()? {
            Some(Value(what)) => match what.to_str() {
                Some("relay") => What::Relay,
                Some("vault") => What::Vault,
                Some("store") => What::Store,
                _ => bail!("cannot measure {}: relay, vault or store", what.display()),
            },
            Some(other) => return Err(other.unexpected().into()),
            None => bail!("say what to measure: relay, vault or store"),
        };
        Ok(Self {
            what,
            rest: args.raw_args()?.collect(),
        })
    }
}

/// Builds and measures.
pub(crate) fn run_bench(options: Options) -> Result<()> {
    step("building the relay and the load generator");
    let mut command = command(options.what, &["--release"], "release", "bench")?;
    run(command.args(options.rest))
}

/// What shows that each of the three works: quick, of builds for development, so its figures mean
/// nothing and lie apart from those that do.
pub(crate) fn rehearsals() -> Result<[Command; 3]> {
    let quick = |what| {
        let mut command = command(what, &[], "debug", "scratch/bench")?;
        command.arg("--quick");
        anyhow::Ok(command)
    };
    Ok([
        quick(What::Relay)?,
        quick(What::Vault)?,
        quick(What::Store)?,
    ])
}

/// Installs and builds what measuring `what` takes; the command that measures.
fn command(what: What, profile: &[&str], built: &str, folder: &str) -> Result<Command> {
    match what {
        What::Relay => ensure_system(&[NGINX, REDIS, TASKSET])?,
        What::Store => ensure_system(&[REDIS, REDIS_BENCHMARK, TASKSET])?,
        What::Vault => ensure_system(&[CHROMIUM])?,
    }
    let folder = target().join(folder);
    std::fs::create_dir_all(&folder)?;
    run(Command::new("cargo")
        .current_dir(root())
        .args(["build", "--quiet"])
        .args(profile)
        .args(["-p", "keyferry-relay", "-p", "keyferry-bench"]))?;
    let built = target().join(built);
    let generator = built.join("keyferry-bench");
    let mut command = match what {
        What::Relay | What::Store => Command::new(&generator),
        What::Vault => Command::new("node"),
    };
    match what {
        What::Relay => command.arg("relay"),
        What::Store => command.arg("store"),
        What::Vault => {
            npm_ci()?;
            crate::package::npm()?;
            command
                .arg("bench/vault/run.mjs")
                .arg("--upstream")
                .arg(generator)
        }
    };
    command
        .current_dir(root())
        .arg("--relay")
        .arg(built.join("keyferry-relay"))
        .arg("--folder")
        .arg(folder);
    Ok(command)
}
