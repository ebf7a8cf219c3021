//! The relay's configuration: one TOML file, environment values over it, typed and checked before
//! any port is bound.

mod access;
mod check;
pub mod defaults;
mod env;
mod file;
mod tls;
mod value;

use std::path::{Path, PathBuf};

pub use access::{AuthMode, AuthSettings, PlanSettings, TierSettings};
pub use file::{
    Config, PayerSettings, ProviderSettings, SecretSettings, ServerSettings, TimeoutSettings,
    UpstreamSettings, VaultSettings,
};
pub use tls::TlsSettings;

/// Why a configuration was refused. Every message names the field or the file, and none repeats a
/// value that could be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file as given.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} line {line}: {message}")]
    Syntax {
        /// The file as given.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// The parser's own words; they hold no text from the file.
        message: String,
    },
    /// A field is unknown, has the wrong type, or a value that cannot work.
    #[error("{field}: {message}")]
    Field {
        /// Dotted path, `server.listen`.
        field: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

impl ConfigError {
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl Config {
    /// Reads `path` (or nothing), lays `KEYFERRY_*` variables over it, types and checks the whole.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = match path {
            None => String::new(),
            Some(path) => {
                std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                    path: path.to_owned(),
                    source,
                })?
            }
        };
        Self::parse(
            &text,
            path.unwrap_or(Path::new("configuration")),
            environment,
        )
    }

    /// [`Config::load`] from text; `origin` only names it in errors.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        text: &str,
        origin: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            // The parser's Display would print the offending line, secrets included.
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text
                .bytes()
                .take(start)
                .filter(|byte| *byte == b'\n')
                .count();
            ConfigError::Syntax {
                path: origin.to_owned(),
                line,
                message: error.message().to_owned(),
            }
        })?;
        let mut tree = value::Node::from_toml(toml::Value::Table(table));
        env::overlay(&mut tree, environment)?;
        let config: Self =
            value::typed(tree).map_err(|(field, message)| ConfigError::Field { field, message })?;
        check::check(&config)?;
        Ok(config)
    }

    /// The configuration in effect as TOML, every secret as `[redacted]`.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_redacted_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}
