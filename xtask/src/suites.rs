//! `cargo xtask test`: every suite, counted into one closing line.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::examples;
use crate::package;
use crate::process::{run_watched, step};
use crate::tools::{
    self, CHROMEDRIVER, CHROMIUM, FIREFOX, GECKODRIVER, NGINX, PYTHON, REDIS, WASM_BINDGEN,
    WASM_PACK,
};
use crate::workspace::root;

/// The suites in the order they run: the quickest to fail for the right reason first.
const SUITES: [Suite; 15] = [
    Suite {
        name: "unit",
        run: unit,
    },
    Suite {
        name: "relay",
        run: relay,
    },
    Suite {
        name: "redis",
        run: redis,
    },
    Suite {
        name: "wasm",
        run: wasm,
    },
    Suite {
        name: "package",
        run: npm_package,
    },
    Suite {
        name: "browser",
        run: browser,
    },
    Suite {
        name: "e2e",
        run: e2e,
    },
    Suite {
        name: "firefox",
        run: firefox,
    },
    Suite {
        name: "leak",
        run: leak,
    },
    Suite {
        name: "jobs",
        run: jobs,
    },
    Suite {
        name: "sdk",
        run: sdk,
    },
    Suite {
        name: "consumers",
        run: consumers,
    },
    Suite {
        name: "docs",
        run: docs,
    },
    Suite {
        name: "fault",
        run: fault,
    },
    Suite {
        name: "bench",
        run: bench,
    },
];

struct Suite {
    name: &'static str,
    run: fn(&mut Count) -> Result<bool>,
}

/// What the command line chose.
pub(crate) struct Options {
    only: Option<String>,
}

impl Options {
    pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Self> {
        use lexopt::prelude::*;

        let mut only = None;
        while let Some(arg) = args.next()? {
            match arg {
                Long("only") => only = Some(args.value()?.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(Self { only })
    }
}

/// The suites in the order they run.
pub(crate) fn names() -> String {
    SUITES.map(|suite| suite.name).join(", ")
}

/// Runs the chosen suites, all of them even when one fails.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let chosen: Vec<_> = SUITES
        .iter()
        .filter(|suite| {
            options
                .only
                .as_deref()
                .is_none_or(|only| only == suite.name)
        })
        .collect();
    if chosen.is_empty() {
        bail!("no such suite; there are {}", names());
    }

    let mut total = Count::default();
    for suite in chosen {
        step(&format!("suite {}", suite.name));
        let mut count = Count::default();
        let succeeded = (suite.run)(&mut count).unwrap_or_else(|error| {
            eprintln!("error: suite {}: {error:#}", suite.name);
            false
        });
        // A suite that did not compile, crashed, or ran nothing has failed, whatever it counted.
        if (!succeeded && count.failed == 0) || count.passed + count.failed == 0 {
            count.failed += 1;
        }
        eprintln!(
            "  {}: {} passed, {} failed",
            suite.name, count.passed, count.failed
        );
        total.passed += count.passed;
        total.failed += count.failed;
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn unit(count: &mut Count) -> Result<bool> {
    let mut rust = cargo_test(&["keyferry-bench", "keyferry-protocol", "vault-wasm", "xtask"]);
    let rust = run_watched(&mut rust, |line| count.read(line))?;
    package::npm()?;
    let mut command = Command::new("node");
    command.current_dir(root()).arg("www/tests/run.mjs");
    let page = run_watched(&mut command, |line| count.read(line))?;
    Ok(rust && page)
}

/// The module of the relay's tests that use a Redis server. No test's name holds it elsewhere.
const NEEDS_REDIS: &str = "with_redis::";

/// Everything of the relay that needs no Redis.
fn relay(count: &mut Count) -> Result<bool> {
    tools::ensure_system(&[NGINX])?;
    let mut command = cargo_test(&["keyferry-relay"]);
    command.args(["--lib", "--bins", "--test", "relay", "--", "--skip"]);
    command.arg(NEEDS_REDIS);
    run_watched(&mut command, |line| count.read(line))
}

fn redis(count: &mut Count) -> Result<bool> {
    tools::ensure_system(&[REDIS])?;
    let mut command = cargo_test(&["keyferry-relay"]);
    command.args(["--test", "relay", "--", NEEDS_REDIS]);
    run_watched(&mut command, |line| count.read(line))
}

/// Attacks the relay's API by its own description, from a fuzzer that installs itself.
fn fault(count: &mut Count) -> Result<bool> {
    tools::ensure_system(&[PYTHON])?;
    tools::npm_ci()?;
    let relay = package::relay()?;
    let mut command = Command::new("node");
    command
        .current_dir(root())
        .env("KEYFERRY_RELAY", relay)
        .arg("tests/fault/schemathesis.mjs");
    let succeeded = run_watched(&mut command, |_| ())?;
    count.add(succeeded);
    Ok(succeeded)
}

/// Runs each benchmark once, quickly: whether it works and what it compares byte for byte, not how
/// fast anything is.
fn bench(count: &mut Count) -> Result<bool> {
    let mut all = true;
    for mut command in crate::bench::rehearsals()? {
        let succeeded = run_watched(&mut command, |_| ())?;
        count.add(succeeded);
        all &= succeeded;
    }
    Ok(all)
}

fn wasm(count: &mut Count) -> Result<bool> {
    tools::ensure_system(&[CHROMIUM, CHROMEDRIVER])?;
    tools::wasm_target()?;
    let path = tools::path_with(&[&WASM_BINDGEN, &WASM_PACK])?;
    let mut command = Command::new("wasm-pack");
    command
        .current_dir(root())
        .env("PATH", path)
        .args(["test", "--headless", "--chrome", "--mode", "no-install"])
        .args(["--chromedriver", &program("chromedriver")])
        .arg("vault-wasm");
    run_watched(&mut command, |line| count.read(line))
}

fn browser(count: &mut Count) -> Result<bool> {
    package::vectors()?;
    node_tests("browser", count)
}

fn e2e(count: &mut Count) -> Result<bool> {
    node_tests("e2e", count)
}

/// The vault in the other browser, driven over WebDriver.
fn firefox(count: &mut Count) -> Result<bool> {
    tools::ensure_system(&[FIREFOX])?;
    let path = tools::path_with(&[&GECKODRIVER])?;
    package::site()?;
    let mut node = Command::new("node");
    node.env("KEYFERRY_RELAY", package::relay()?)
        .env("FIREFOX", program("firefox-esr"))
        .env("PATH", path);
    run_node_tests("firefox", node, count)
}

fn leak(count: &mut Count) -> Result<bool> {
    node_tests("leak", count)
}

/// Leases and jobs, with workers in Node and Python beside the relay.
fn jobs(count: &mut Count) -> Result<bool> {
    tools::ensure_system(&[REDIS, PYTHON])?;
    examples::install()?;
    node_tests("jobs", count)
}

/// Providers' own SDKs through vault and relay, whose packages are the suite's own, and the example
/// that has one on its server.
fn sdk(count: &mut Count) -> Result<bool> {
    examples::install()?;
    node_tests("sdk", count)
}

/// The snippets in the documents, as someone would paste them.
fn docs(count: &mut Count) -> Result<bool> {
    node_tests("docs", count)
}

/// The examples, each built by its bundler from the packed package and used in a browser.
fn consumers(count: &mut Count) -> Result<bool> {
    examples::install()?;
    node_tests("consumers", count)
}

/// The package as npm packs it, without a browser or a relay.
fn npm_package(count: &mut Count) -> Result<bool> {
    package::npm()?;
    run_node_tests("package", Command::new("node"), count)
}

fn cargo_test(packages: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .current_dir(root())
        .args(["test", "--quiet", "--no-fail-fast"]);
    for package in packages {
        command.args(["--package", package]);
    }
    command
}

/// Runs `tests/<folder>` with Node's runner, on the built site and the built relay.
fn node_tests(folder: &str, count: &mut Count) -> Result<bool> {
    tools::ensure_system(&[CHROMIUM])?;
    package::site()?;
    let relay = package::relay()?;
    let mut command = Command::new("node");
    command
        .env("KEYFERRY_RELAY", relay)
        .env("CHROMIUM", program("chromium"));
    run_node_tests(folder, command, count)
}

fn run_node_tests(folder: &str, mut node: Command, count: &mut Count) -> Result<bool> {
    let mut files: Vec<_> = std::fs::read_dir(root().join("tests").join(folder))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    // Without files Node would look for some elsewhere.
    if files.is_empty() {
        bail!("tests/{folder} has no tests");
    }
    files.sort();
    node.current_dir(root())
        // One browser at a time: two of them on two cores wait for each other into time-outs.
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(files);
    run_watched(&mut node, |line| count.read(line))
}

/// The full path of a program on PATH, which drivers ask for.
fn program(name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .map_or_else(
            || name.to_owned(),
            |file| file.to_string_lossy().into_owned(),
        )
}

/// Tests passed and failed, read from the runners' own closing lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    /// Counts a program that is one test in itself.
    fn add(&mut self, succeeded: bool) {
        if succeeded {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Takes in one line of a runner's output: libtest's `test result: …` (also wasm-bindgen's),
    /// or Node's `ℹ pass N` and `ℹ fail N`.
    fn read(&mut self, line: &str) {
        if let Some(result) = line.trim().strip_prefix("test result:") {
            self.passed += number_before(result, "passed");
            self.failed += number_before(result, "failed");
        } else if let Some(passed) = line.trim().strip_prefix("ℹ pass ") {
            self.passed += passed.parse::<u64>().unwrap_or(0);
        } else if let Some(failed) = line.trim().strip_prefix("ℹ fail ") {
            self.failed += failed.parse::<u64>().unwrap_or(0);
        }
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    let words: Vec<_> = text
        .split([' ', ';', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    words
        .windows(2)
        .find_map(|pair| match pair {
            [number, found] if *found == word => number.parse().ok(),
            _ => None,
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str]) -> Count {
        let mut count = Count::default();
        for line in lines {
            count.read(line);
        }
        count
    }

    #[test]
    fn reads_libtest() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            count(&[line, line]),
            Count {
                passed: 24,
                failed: 6
            }
        );
    }

    #[test]
    fn reads_node() {
        let lines = ["ℹ tests 5", "ℹ pass 4", "ℹ fail 1", "ℹ cancelled 0"];
        assert_eq!(
            count(&lines),
            Count {
                passed: 4,
                failed: 1
            }
        );
    }

    #[test]
    fn ignores_everything_else() {
        assert_eq!(
            count(&["running 3 tests", "ok", "pass 9"]),
            Count::default()
        );
    }
}
