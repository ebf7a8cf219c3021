//! `cargo xtask check`: everything CI asks of the text of the tree, before any test.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

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

    let modules = "modules of the relay's tests";
    step(modules);
    let forgotten = forgotten(&root().join("relay/tests"))?;
    if !forgotten.is_empty() {
        eprintln!("error: no `mod` for {}", forgotten.join(", "));
        failed.push(modules);
    }

    if failed.is_empty() {
        println!("all checks passed");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed: {}", failed.join("; "));
    Ok(ExitCode::FAILURE)
}

/// The Rust files and folders below `folder` that are no module: the compiler leaves out the tests
/// in them without a word.
fn forgotten(folder: &Path) -> Result<Vec<String>> {
    let parent = ["main.rs", "mod.rs"].map(|name| folder.join(name));
    let parent = parent.iter().find(|file| file.exists());
    let parent = parent.with_context(|| format!("{} is no module", folder.display()))?;
    let modules = std::fs::read_to_string(parent)?;
    let mut forgotten = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let rust = path.extension().is_some_and(|extension| extension == "rs") || path.is_dir();
        if rust && path != *parent && !declares(&modules, &name) {
            forgotten.push(path.display().to_string());
        } else if path.is_dir() {
            forgotten.extend(self::forgotten(&path)?);
        }
    }
    Ok(forgotten)
}

/// Whether the Rust file `text` has the module `name` in a file of its own.
fn declares(text: &str, name: &str) -> bool {
    let declaration = format!("mod {name};");
    text.lines()
        .any(|line| line.strip_prefix("pub(crate) ").unwrap_or(line) == declaration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_those_declared() {
        let text = "//! mod c;\n\nmod a;\npub(crate) mod b;\nmod d {}\n";
        for (name, declared) in [("a", true), ("b", true), ("c", false), ("d", false)] {
            assert_eq!(declares(text, name), declared, "{name}");
        }
    }
}
