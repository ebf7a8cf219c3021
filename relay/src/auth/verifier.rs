//! Verification of one issuer's tokens.

use std::fmt;
use std::sync::Arc;

use super::claims::Expected;
use super::jwk::KeySet;
use super::jwks::{JwksCache, JwksSource};
use super::token::{Token, VerifyingKey};
use super::{AuthError, Subject};
use crate::secret::Secret;

/// Checks app tokens of one issuer.
pub struct TokenVerifier {
    expected: Expected,
    keys: Keys,
}

enum Keys {
    Fixed(KeySet),
    Jwks(JwksCache),
}

impl TokenVerifier {
    /// For an issuer that signs with HS256 under `secret`, of 32 bytes at least.
    #[must_use]
    pub fn with_secret(issuer: String, audiences: Vec<String>, secret: &Secret) -> Self {
        // Exposed to keep it as a key, which is wiped when dropped and never printed.
        let key = VerifyingKey::hmac(secret.expose());
        Self {
            expected: Expected::new(issuer, &audiences),
            keys: Keys::Fixed(KeySet::single(key)),
        }
    }

    /// For an issuer that publishes its keys.
    #[must_use]
    pub fn with_jwks(issuer: String, audiences: Vec<String>, source: Arc<dyn JwksSource>) -> Self {
        Self {
            expected: Expected::new(issuer, &audiences),
            keys: Keys::Jwks(JwksCache::new(source)),
        }
    }

    /// Fetches the issuer's keys ahead of the first request. A failure is not final: requests try
    /// again.
    pub async fn warm_up(&self) {
        if let Keys::Jwks(cache) = &self.keys {
            cache.warm_up().await;
        }
    }

    /// Verifies `token` (what follows `Bearer `) by the system's clock.
    ///
    /// # Errors
    /// The first rule the token breaks; expiry only when it breaks no other.
    pub async fn verify(&self, token: &str) -> Result<Subject, AuthError> {
        let token = Token::parse(token)?;
        let fetched;
        let keys = match &self.keys {
            Keys::Fixed(keys) => keys,
            Keys::Jwks(cache) => {
                fetched = cache.set_for(&token).await?;
                &fetched.keys
            }
        };
        let key = keys.key_for(&token).ok_or(AuthError::UnknownKey)?;
        self.expected.verify(&token, key)
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}
