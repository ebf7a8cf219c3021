//! A JWT in compact form (RFC 7515 §3.1), and the keys it may verify under.
//!
//! The algorithm belongs to the key, never to the token: a header that names another one is
//! refused before any cryptography (RFC 8725 §3.1).

use std::fmt;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::de::DeserializeOwned;

use super::{AuthError, crypto};

/// Longest accepted token in bytes. Issuers stay below 4 KiB; a header list ends at 32 KiB anyway.
const MAX_TOKEN: usize = 8192;

/// A key that verifies signatures of exactly one algorithm.
pub(super) struct VerifyingKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerifyingKey {
    /// `key` under the id of its JWK, for `algorithm` only.
    pub(super) fn new(kid: Option<String>, algorithm: Algorithm, key: DecodingKey) -> Self {
        crypto::install();
        Self {
            kid,
            algorithm,
            key,
        }
    }

    /// An HS256 key. `secret` has at least 32 bytes (RFC 7518 §3.2), which the configuration
    /// checked.
    pub(super) fn hmac(secret: &[u8]) -> Self {
        Self::new(None, Algorithm::HS256, DecodingKey::from_secret(secret))
    }

    /// The key id of its JWK.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm it verifies.
    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A token whose header was read, nothing verified yet.
pub(super) struct Token<'a> {
    text: &'a str,
    header: Header,
}

impl<'a> Token<'a> {
    /// Reads the header of a compact token.
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthError> {
        if text.len() > MAX_TOKEN {
            return Err(AuthError::Malformed);
        }
        let header = decode_header(text).map_err(|error| reason(&error))?;
        // Critical extensions: none is understood here (RFC 7515 §4.1.11).
        if header.crit.is_some() {
            return Err(AuthError::Malformed);
        }
        Ok(Self { text, header })
    }

    /// The key id the token asks for.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The algorithm the token claims; only compared, never obeyed.
    pub(super) fn claims_algorithm(&self, algorithm: Algorithm) -> bool {
        self.header.alg == algorithm
    }

    /// Checks the signature and then the claims, and hands them out. `validation` is for the
    /// algorithm of `key`.
    pub(super) fn verify<T: DeserializeOwned>(
        &self,
        key: &VerifyingKey,
        validation: &Validation,
    ) -> Result<T, AuthError> {
        decode(self.text, &key.key, validation)
            .map(|token| token.claims)
            .map_err(|error| reason(&error))
    }
}

/// What the library found wrong, in our words.
fn reason(error: &Error) -> AuthError {
    match error.kind() {
        ErrorKind::InvalidAlgorithm => AuthError::WrongAlgorithm,
        ErrorKind::InvalidSignature => AuthError::BadSignature,
        ErrorKind::InvalidIssuer => AuthError::WrongIssuer,
        ErrorKind::InvalidAudience => AuthError::WrongAudience,
        ErrorKind::MissingRequiredClaim(_) => AuthError::MissingClaim,
        ErrorKind::ImmatureSignature => AuthError::NotYetValid,
        ErrorKind::ExpiredSignature => AuthError::Expired,
        _ => AuthError::Malformed,
    }
}
