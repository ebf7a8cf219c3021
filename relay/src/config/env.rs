//! `KEYFERRY_SERVER__LISTEN=…` lays over `server.listen`; `…_FILE` reads the value from a file, as
//! container platforms hand out secrets.

use super::ConfigError;
use super::value::Node;

const PREFIX: &str = "KEYFERRY_";
const FILE_SUFFIX: &str = "_FILE";

/// Lays every `KEYFERRY_…` variable that names a section and a field over `tree`.
pub(super) fn overlay(
    tree: &mut Node,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        // Without a section it is no field of ours: `KEYFERRY_CONFIG` and what other tools set.
        if !rest.contains("__") {
            continue;
        }
        let (key, text) = match rest.strip_suffix(FILE_SUFFIX) {
            Some(key) => (key, read_secret_file(&name, &value)?),
            None => (rest, value),
        };
        if !tree.set(&path_of(key), text) {
            return Err(ConfigError::field(name, "does not name a field"));
        }
    }
    Ok(())
}

/// `PROVIDERS__MY_LLM__SERVER_KEY` → `providers`, `my-llm`, `server_key`. Provider ids have
/// hyphens, which environment names cannot, and never underscores.
fn path_of(key: &str) -> Vec<String> {
    let mut path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
    if let [section, id, ..] = path.as_mut_slice()
        && section == "providers"
    {
        *id = id.replace('_', "-");
    }
    path
}

fn read_secret_file(name: &str, path: &str) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::field(name, format!("cannot read {path}: {error}")))?;
    // Editors and `echo` end a file with a line break that is not part of the secret.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths() {
        assert_eq!(
            path_of("SERVER__MAX_BODY_BYTES"),
            ["server", "max_body_bytes"]
        );
        assert_eq!(
            path_of("PROVIDERS__MY_LLM__SERVER_KEY"),
            ["providers", "my-llm", "server_key"]
        );
    }
}
