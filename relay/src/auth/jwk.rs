//! JSON Web Key sets (RFC 7517) read into verifying keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::jws::{Algorithm, Token, VerifyingKey};

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

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
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
            .filter_map(|jwk| serde_json::from_value::<Jwk>(jwk).ok()?.into_key())
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

impl Jwk {
    fn into_key(self) -> Option<VerifyingKey> {
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self
                .key_ops
                .as_ref()
                .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs {
            return None;
        }
        let algorithm = self.algorithm()?;
        match algorithm {
            // A symmetric key in a public document is no secret.
            Algorithm::Hs256 => None,
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => {
                let (n, e) = (integer(self.n.as_deref()?)?, integer(self.e.as_deref()?)?);
                VerifyingKey::rsa(self.kid, algorithm, n, e)
            }
            Algorithm::Es256 => {
                let point = point(self.x.as_deref()?, self.y.as_deref()?, 32)?;
                VerifyingKey::ecdsa(self.kid, algorithm, point)
            }
            Algorithm::Es384 => {
                let point = point(self.x.as_deref()?, self.y.as_deref()?, 48)?;
                VerifyingKey::ecdsa(self.kid, algorithm, point)
            }
        }
    }

    /// The one algorithm this key verifies: its `alg`, which must suit its type; else the usual
    /// one of its type.
    fn algorithm(&self) -> Option<Algorithm> {
        let alg = self.alg.as_deref();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => match alg {
                None | Some("RS256") => Some(Algorithm::Rs256),
                Some("RS384") => Some(Algorithm::Rs384),
                Some("RS512") => Some(Algorithm::Rs512),
                Some(_) => None,
            },
            ("EC", Some("P-256")) => alg
                .is_none_or(|alg| alg == "ES256")
                .then_some(Algorithm::Es256),
            ("EC", Some("P-384")) => alg
                .is_none_or(|alg| alg == "ES384")
                .then_some(Algorithm::Es384),
            _ => None,
        }
    }
}

/// A big-endian integer without leading zeros, which ring wants; some issuers add one.
fn integer(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    bytes.get(start..).map(<[u8]>::to_vec)
}

/// An uncompressed point from fixed-width coordinates (RFC 7518 §6.2.1.2).
fn point(x: &str, y: &str, width: usize) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for coordinate in [x, y] {
        let bytes = URL_SAFE_NO_PAD.decode(coordinate).ok()?;
        if bytes.len() != width {
            return None;
        }
        point.extend_from_slice(&bytes);
    }
    Some(point)
}
