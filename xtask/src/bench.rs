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
    let folder = target().join("bench");
    std::fs::create_dir_all(&folder)?;
    match options.what {
        What::Relay => ensure_system(&[NGINX, REDIS, TASKSET])?,
        What::Store => ensure_system(&[REDIS, REDIS_BENCHMARK, TASKSET])?,
        What::Vault => ensure_system(&[CHROMIUM])?,
    }
    step("building the relay and the load generator");
    run(Command::new("cargo").current_dir(root()).args([
        "build",
        "--release",
        "--quiet",
        "-p",
        "keyferry-relay",
        "-p",
        "keyferry-bench",
    ]))?;
    let built = target().join("release");
    let relay = built.join("keyferry-relay");
    if options.what == What::Vault {
        npm_ci()?;
        crate::package::npm()?;
        return run(Command::new("node")
            .current_dir(root())
            .arg("bench/vault/run.mjs")
            .arg("--relay")
            .arg(relay)
            .arg("--upstream")
            .arg(built.join("keyferry-bench"))
            .arg("--folder")
            .arg(folder)
            .args(options.rest));
    }
    let what = match options.what {
        What::Store => "store",
        _ => "relay",
    };
    run(Command::new(built.join("keyferry-bench"))
        .arg(what)
        .arg("--relay")
        .arg(relay)
        .arg("--folder")
        .arg(folder)
        .args(options.rest))
}
