//! JSON Web Key sets (RFC 7517) read into verifying keys.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::token::{Token, VerifyingKey};

/// The signature algorithms of RFC 7518 §3.1 that are accepted.
pub(super) const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::HS256,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
];

/// Keys read of one set. Issuers publish two to five.
const MAX_KEYS: usize = 64;

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<VerifyingKey>,
}

/// A key set could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum KeySetError {
    #[error("not a JSON Web Key set")]
    Malformed,
    #[error("holds no key that signs with RS256, RS384, RS512, ES256 or ES384")]
    NoUsableKey,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// A set of one key that needs no id.
    pub(super) fn single(key: VerifyingKey) -> Self {
        Self { keys: vec![key] }
    }

    /// Reads a set. Keys of unknown kinds and for other uses are skipped (RFC 7517 §5); a set
    /// without any usable key is an error, so that a broken answer never replaces a good set.
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let set: Set = serde_json::from_slice(json).map_err(|_| KeySetError::Malformed)?;
        let keys: Vec<VerifyingKey> = set
            .keys
            .into_iter()
            .take(MAX_KEYS)
            .filter_map(|jwk| verifying_key(&serde_json::from_value(jwk).ok()?))
            .collect();
        if keys.is_empty() {
            Err(KeySetError::NoUsableKey)
        } else {
            Ok(Self { keys })
        }
    }

    /// The key a token must verify under: the one with its `kid`; for a token without one, the
    /// only key of its algorithm.
    pub(super) fn key_for(&self, token: &Token<'_>) -> Option<&VerifyingKey> {
        let mut candidates = self.keys.iter().filter(|key| match token.kid() {
            // A single configured secret has no id: whatever the issuer calls it is ignored.
            Some(kid) => key.kid().is_none_or(|known| known == kid),
            None => token.claims_algorithm(key.algorithm()),
        });
        let first = candidates.next()?;
        match candidates.next() {
            // Two keys under one id, or no id and several keys: guessing would let an attacker
            // choose among them.
            Some(_) => candidates_of_one_algorithm(&self.keys, token),
            None => Some(first),
        }
    }
}

/// Some issuers publish one id for an RSA and an EC key: id and algorithm together must be unique.
fn candidates_of_one_algorithm<'k>(
    keys: &'k [VerifyingKey],
    token: &Token<'_>,
) -> Option<&'k VerifyingKey> {
    let mut candidates = keys.iter().filter(|key| {
        token.kid().is_some_and(|kid| key.kid() == Some(kid))
            && token.claims_algorithm(key.algorithm())
    });
    let first = candidates.next()?;
    candidates.next().is_none().then_some(first)
}

/// The key of a JWK that is for verifying signatures, under the one algorithm it verifies.
fn verifying_key(jwk: &Jwk) -> Option<VerifyingKey> {
    let common = &jwk.common;
    let signs = common
        .public_key_use
        .as_ref()
        .is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !signs {
        return None;
    }
    let algorithm = algorithm(jwk)?;
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let point = match algorithm {
        Algorithm::ES256 => Some(65),
        Algorithm::ES384 => Some(97),
        _ => None,
    };
    // Uncompressed, from coordinates of fixed width (RFC 7518 §6.2.1.2).
    if point.is_some_and(|width| key.try_get_as_bytes().map(<[u8]>::len).ok() != Some(width)) {
        return None;
    }
    Some(VerifyingKey::new(common.key_id.clone(), algorithm, key))
}

/// The key's `alg`, which must suit its type; else the usual one of its type. A symmetric key in a
/// public document is no secret and has none.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let usual = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
            Algorithm::ES384
        }
        _ => return None,
    };
    let Some(named) = jwk.common.key_algorithm else {
        return Some(usual);
    };
    let named = Algorithm::try_from(named).ok()?;
    let suits = match usual {
        Algorithm::RS256 => matches!(
            named,
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512
        ),
        usual => named == usual,
    };
    suits.then_some(named)
}
