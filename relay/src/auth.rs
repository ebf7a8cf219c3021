//! Who is calling, apart from whose key pays.

use crate::config::{AuthMode, AuthSettings};
use crate::edge::Credentials;
use crate::error::ApiError;

/// The configured way of telling callers apart.
#[derive(Debug)]
pub enum Auth {
    /// Nobody has to prove anything.
    None,
}

/// A caller as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// No proof was asked for.
    Anonymous,
}

impl Identity {
    /// True when the caller has proven who they are.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        match self {
            Self::Anonymous => false,
        }
    }
}

impl Auth {
    /// From the configuration.
    #[must_use]
    pub fn new(settings: &AuthSettings) -> Self {
        match settings.mode {
            AuthMode::None => Self::None,
        }
    }

    /// Identifies the caller.
    ///
    /// # Errors
    /// `auth_required`, `auth_expired` or `auth_invalid`, depending on the mode.
    #[expect(
        clippy::unused_async,
        reason = "modes that fetch verification keys have to wait"
    )]
    pub async fn identify(&self, _credentials: &Credentials) -> Result<Identity, ApiError> {
        match self {
            Self::None => Ok(Identity::Anonymous),
        }
    }
}
