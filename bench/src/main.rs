//! Measures Keyferry's relay: see docs/performance.md for what the figures mean.
//!
//! ```text
//! keyferry-bench relay --relay BINARY --folder FOLDER [--quick] [--json] [--peers] [--rounds N] [--only ROW]… [--scenario SECTION]… [--before BINARY]
//! keyferry-bench store --relay BINARY --folder FOLDER [--quick] [--json] [--rounds N]
//! keyferry-bench upstream
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command line speaks on its terminal

mod cores;
mod load;
mod output;
mod payload;
mod process;
mod redis;
mod relay;
mod results;
mod seal;
mod stats;
mod store;
mod streams;
mod subject;
mod target;
mod upstream;
mod wire;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    use lexopt::prelude::*;

    let mut args = lexopt::Parser::from_env();
    let mut command = None;
    let (mut relay, mut before, mut folder, mut rounds) = (None, None, None, None);
    let (mut quick, mut json, mut peers) = (false, false, false);
    let (mut only, mut scenarios) = (Vec::new(), Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Long("relay") => relay = Some(args.value()?.into()),
            Long("before") => before = Some(args.value()?.into()),
            Long("folder") => folder = Some(args.value()?.into()),
            Long("rounds") => rounds = Some(args.value()?.parse()?),
            Long("only") => only.push(args.value()?.string()?),
            Long("scenario") => scenarios.push(args.value()?.string()?),
            Long("quick") => quick = true,
            Long("json") => json = true,
            Long("peers") => peers = true,
            Value(value) if command.is_none() => command = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    let options = |folder: Option<std::path::PathBuf>| {
        anyhow::Ok(relay::Options {
            relay: relay.context("--relay names the relay's binary")?,
            before,
            folder: folder.context("--folder names the folder for logs and results")?,
            quick,
            json,
            peers,
            rounds,
            only,
            scenarios,
        })
    };
    match command.as_deref() {
        Some("relay") => local.block_on(&runtime, relay::run(options(folder)?)),
        Some("store") => local.block_on(&runtime, store::run(options(folder)?)),
        Some("upstream") => local.block_on(&runtime, async {
            let upstream = upstream::Upstream::here()?;
            println!("ready http://{}", upstream.address);
            std::future::pending().await
        }),
        _ => bail!("say what to measure: relay or store, or upstream for the stand-in alone"),
    }
}
