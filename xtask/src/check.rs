//! `cargo xtask check`: everything CI asks of the text of the tree, before any test.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::examples;
use crate::process::{self, step};
use crate::tools::{self, CARGO_DENY, TYPOS};
use crate::workspace::root;

/// Runs every check, all of them even when one fails, and says which failed.
pub(crate) fn run() -> Result<ExitCode> {
    tools::wasm_target()?;
    let path = tools::path_with(&[&CARGO_DENY, &TYPOS])?;
    let mut failed = Vec::new();
    let mut check = |name: &'static str, program: &str, arguments: &str| {
        step(name);
        let mut command = Command::new(program);
        command
            .current_dir(root())
            .env("PATH", &path)
            .env("RUSTDOCFLAGS", "--deny warnings")
            .args(arguments.split_whitespace());
        if let Err(error) = process::run(&mut command) {
            eprintln!("error: {error:#}");
            failed.push(name);
        }
    };

    check("formatting", "cargo", "fmt --all --check");
    check("spelling", "typos", "");
    check(
        "licences, bans and sources",
        "cargo",
        "deny --log-level error check licenses bans sources",
    );
    check(
        "lints",
        "cargo",
        "clippy --quiet --workspace --all-targets -- --deny warnings",
    );
    check(
        "lints for the browser",
        "cargo",
        "clippy --quiet --package keyferry-protocol --package vault-wasm --lib \
         --target wasm32-unknown-unknown -- --deny warnings",
    );
    check(
        "documentation",
        "cargo",
        "doc --quiet --workspace --no-deps --document-private-items",
    );
    // The package's own build checks its TypeScript; the rest is checked against what it ships.
    examples::install()?;
    let tsc = "node_modules/typescript/bin/tsc --noEmit --project";
    check("types of the page", "node", &format!("{tsc} www"));
    check(
        "types of the page's tests",
        "node",
        &format!("{tsc} www/tests"),
    );
    check("types of the tests", "node", &format!("{tsc} tests"));
    check(
        "types of the vault's benchmark",
        "node",
        &format!("{tsc} bench/vault"),
    );
    check("types of the examples", "node", &format!("{tsc} examples"));

    if failed.is_empty() {
        println!("all checks passed");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed: {}", failed.join("; "));
    Ok(ExitCode::FAILURE)
}
