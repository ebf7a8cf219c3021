//! TLS of the relay's own listeners, as it stands in the file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[tls]`: both paths or neither. Without them the listeners speak plain HTTP.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Certificate chain in PEM, the server's own certificate first.
    pub certificate: Option<PathBuf>,
    /// Its private key in PEM.
    pub key: Option<PathBuf>,
}

impl TlsSettings {
    /// Whether the listeners speak TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.certificate.is_some() && self.key.is_some()
    }

    /// # Errors
    /// When one path is set without the other.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => Err(ConfigError::field(
                "tls.key",
                "needed when tls.certificate is set",
            )),
            (None, Some(_)) => Err(ConfigError::field(
                "tls.certificate",
                "needed when tls.key is set",
            )),
            _ => Ok(()),
        }
    }
}
