//! Where things lie, and whether a step's output is still good.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Cargo's target folder, which the environment may have moved.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The folder for pinned tools, kept across clones: `$KEYFERRY_CACHE`, else the platform's cache
/// folder for this user.
pub(crate) fn cache() -> Result<PathBuf> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    if let Some(dir) = from("KEYFERRY_CACHE") {
        return Ok(dir);
    }
    let base = if cfg!(windows) {
        from("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        from("HOME").map(|home| home.join("Library/Caches"))
    } else {
        from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")))
    };
    let base = base.context("no home folder: set KEYFERRY_CACHE to a folder for build tools")?;
    Ok(base.join("keyferry"))
}

/// Whether `output` exists and is newer than every file under `inputs`.
pub(crate) fn up_to_date(output: &Path, inputs: &[PathBuf]) -> bool {
    let Ok(made) = std::fs::metadata(output).and_then(|m| m.modified()) else {
        return false;
    };
    inputs
        .iter()
        .all(|input| newest(input).is_some_and(|changed| changed < made))
}

/// When the newest file at or under `path` changed; `None` when it cannot be read.
fn newest(path: &Path) -> Option<SystemTime> {
    let metadata = std::fs::metadata(path).ok()?;
    let own = metadata.modified().ok()?;
    if !metadata.is_dir() {
        return Some(own);
    }
    let mut latest = own;
    for entry in std::fs::read_dir(path).ok()? {
        let entry = entry.ok()?;
        if entry.file_name() == "node_modules" {
            continue;
        }
        latest = latest.max(newest(&entry.path())?);
    }
    Some(latest)
}
