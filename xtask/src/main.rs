//! The project's commands.
//!
//! ```text
//! demo     build everything, start a stand-in provider and the relay, serve the page
//! test     install what the suites need, run them all, end with `N passed, N failed`
//! bench    measure the relay, the vault or the store, side by side with what they are held against
//! package  lay the npm package out in target/npm/keyferry and the site in www/dist
//! prices   make the pinned price table from a published one
//! check    formatting, lints, types, docs, licences, spelling: what CI runs first
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command line speaks on its terminal

mod bench;
mod check;
mod demo;
mod examples;
mod package;
mod prices;
mod process;
mod suites;
mod tools;
mod workspace;

use std::process::ExitCode;

/// What there is to say to `--help`.
fn usage() -> String {
    format!(
        "\
usage: cargo xtask <command>

  demo [--port N] [--no-open] [--live]   run everything here, at http://localhost:8787;
                                         --app ORIGIN lets a page of yours use it
  test [--only SUITE]                    run the suites:
                                         {}
  bench relay|vault|store [--quick]      measure; relay and store take --json and --rounds N,
                                         relay also --peers
  package                                build target/npm/keyferry and www/dist
  prices FILE [--as-of YYYY-MM]          make protocol/data/model_prices.tsv from LiteLLM's table
  check                                  formatting, lints, types, docs, licences, spelling
",
        suites::names()
    )
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    use lexopt::prelude::*;

    let mut args = lexopt::Parser::from_env();
    let command = match args.next()? {
        Some(Value(command)) => command.string()?,
        Some(Long("help") | Short('h')) | None => {
            print!("{}", usage());
            return Ok(ExitCode::SUCCESS);
        }
        Some(other) => return Err(other.unexpected().into()),
    };
    match command.as_str() {
        "demo" => demo::run(demo::Options::parse(args)?).map(|()| ExitCode::SUCCESS),
        "test" => suites::run(suites::Options::parse(args)?),
        "bench" => bench::run_bench(bench::Options::parse(args)?).map(|()| ExitCode::SUCCESS),
        "package" => {
            no_more(args)?;
            package::site()?;
            package::sizes()?;
            Ok(ExitCode::SUCCESS)
        }
        "prices" => prices::run(prices::Options::parse(args)?).map(|()| ExitCode::SUCCESS),
        "check" => {
            no_more(args)?;
            check::run()
        }
        other => anyhow::bail!("unknown command `{other}`\n\n{}", usage()),
    }
}

fn no_more(mut args: lexopt::Parser) -> anyhow::Result<()> {
    match args.next()? {
        Some(arg) => Err(arg.unexpected().into()),
        None => Ok(()),
    }
}
