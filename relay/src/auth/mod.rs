//! Who calls, apart from whose key pays: app tokens (JWT, RFC 7519) checked by a shared secret or
//! by the issuer's published keys.
//!
//! ```text
//! Authorization: Bearer … ─► token (header) ─► claims (signature, iss, aud, exp, nbf, sub) ─► Identity
//!                                │
//!                     secret ────┤
//!          JWKS URL ─► jwks ─► jwk (keys, one algorithm each)
//! ```
//!
//! Parsing, signatures and the registered claims are `jsonwebtoken`'s; `crypto` gives it `ring` to
//! compute with.

mod claims;
mod crypto;
mod error;
mod fetch;
mod identity;
mod jwk;
mod jwks;
#[cfg(test)]
mod tests;
mod token;
mod verifier;

use std::sync::Arc;

pub use error::AuthError;
pub use identity::{Identity, Subject};
pub use jwks::{FetchFuture, JwksSource};
pub use verifier::TokenVerifier;

use crate::config::{AuthMode, AuthSettings, ConfigError};
use crate::edge::Credentials;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::upstream::Upstream;
use fetch::HttpJwks;

/// The configured way of telling callers apart.
#[derive(Debug)]
pub enum Auth {
    /// Nobody has to prove anything.
    None,
    /// Everybody presents an app token.
    Jwt(Arc<TokenVerifier>),
}

impl Auth {
    /// From the configuration. `upstream` fetches the issuer's keys when they are published.
    ///
    /// # Errors
    /// When a field that the mode needs is missing or has no usable form.
    pub fn new(
        settings: &AuthSettings,
        upstream: &Upstream,
        metrics: &Arc<Metrics>,
        previous: Option<(&AuthSettings, &Self)>,
    ) -> Result<Self, ConfigError> {
        if settings.mode == AuthMode::None {
            return Ok(Self::None);
        }
        // Fetched keys outlive a reload: the issuer may be down just then.
        if let Some((before, Self::Jwt(verifier))) = previous
            && before.jwks_url.is_some()
            && (&before.jwks_url, &before.issuer, &before.audience)
                == (&settings.jwks_url, &settings.issuer, &settings.audience)
        {
            return Ok(Self::Jwt(Arc::clone(verifier)));
        }
        let issuer = settings
            .issuer
            .clone()
            .ok_or_else(|| ConfigError::field("auth.issuer", "needed with auth.mode = \"jwt\""))?;
        let audience = settings.audience.clone();
        let verifier = match (&settings.secret, &settings.jwks_url) {
            (Some(secret), None) => TokenVerifier::with_secret(issuer, audience, secret),
            (None, Some(url)) => {
                let uri = url
                    .parse()
                    .map_err(|_| ConfigError::field("auth.jwks_url", "is not a URL"))?;
                let source = HttpJwks::new(uri, upstream.clone(), Arc::clone(metrics));
                TokenVerifier::with_jwks(issuer, audience, Arc::new(source))
            }
            _ => {
                return Err(ConfigError::field(
                    "auth.secret",
                    "exactly one of auth.secret and auth.jwks_url is needed with auth.mode = \"jwt\"",
                ));
            }
        };
        Ok(Self::Jwt(Arc::new(verifier)))
    }

    /// Fetches what the first request would otherwise wait for.
    pub async fn warm_up(&self) {
        if let Self::Jwt(verifier) = self {
            verifier.warm_up().await;
        }
    }

    /// Identifies the caller.
    ///
    /// # Errors
    /// `auth_required` without a token, `auth_expired` for one that is only too old,
    /// `auth_invalid` for any other.
    pub async fn identify(&self, credentials: &Credentials) -> Result<Identity, ApiError> {
        let Self::Jwt(verifier) = self else {
            return Ok(Identity::Anonymous);
        };
        // Exposed to verify it.
        let token = credentials
            .app_token()
            .and_then(crate::secret::Secret::expose_str);
        let verified = match token {
            None => Err(AuthError::Missing),
            Some(token) => verifier.verify(token).await,
        };
        verified.map(Identity::Subject).map_err(|error| {
            // The reason helps an operator; it holds nothing of the token.
            tracing::debug!(%error, "caller not admitted");
            ApiError::new(error.code(), error.message())
        })
    }
}
