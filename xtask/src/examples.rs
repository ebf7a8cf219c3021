//! The examples' npm packages, `keyferry` among them as npm packs it: a copy, not a link into the
//! build, so that what the examples see is what an app sees.

use std::process::Command;

use anyhow::{Context, Result};

use crate::package;
use crate::process::{run_quiet, step};
use crate::tools;
use crate::workspace::{root, up_to_date};

/// Builds the package and installs everything the examples depend on.
pub(crate) fn install() -> Result<()> {
    package::npm()?;
    let built = root().join("target/npm/keyferry");
    let modules = root().join("examples/node_modules");
    let copied = modules.join(".keyferry-copied");
    if tools::npm_ci_in(&root().join("examples"))? {
        std::fs::write(&copied, "")?;
        return Ok(());
    }
    if up_to_date(&copied, std::slice::from_ref(&built)) {
        return Ok(());
    }
    step("packing keyferry for the examples");
    let folder = root().join("target/npm");
    let packed = run_quiet(
        tools::npm()
            .args(["pack", "--loglevel=error", "--pack-destination"])
            .arg(&folder)
            .current_dir(&built),
    )?;
    let file = packed.lines().last().context("npm packed nothing")?.trim();
    let copy = modules.join("keyferry");
    std::fs::remove_dir_all(&copy).context("the examples have no copy of keyferry")?;
    std::fs::create_dir(&copy)?;
    run_quiet(
        Command::new("tar")
            .args(["-xz", "--strip-components=1", "-f"])
            .arg(folder.join(file))
            .arg("-C")
            .arg(&copy),
    )?;
    std::fs::write(&copied, "")?;
    Ok(())
}
