//! Where results go.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Prints `text`, or `data` with `text` beside it on standard error, and keeps `data` in `file`.
pub(crate) fn publish(text: &str, data: &Value, json: bool, file: &Path) -> Result<()> {
    let data = serde_json::to_string_pretty(data)?;
    std::fs::write(file, &data).with_context(|| format!("could not write {}", file.display()))?;
    if json {
        eprint!("{text}");
        println!("{data}");
    } else {
        print!("{text}");
    }
    Ok(())
}
