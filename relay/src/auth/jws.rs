//! JSON Web Signature, compact form (RFC 7515 §3.1), verification only.
//!
//! The algorithm belongs to the key, never to the token: a header that names another one is
//! refused before any cryptography (RFC 8725 §3.1). `none` and symmetric use of a public key are
//! therefore not expressible.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use super::AuthError;

/// Longest accepted token in bytes. Issuers stay below 4 KiB; a header list ends at 32 KiB anyway.
const MAX_TOKEN: usize = 8192;

/// A signature algorithm of RFC 7518 §3.1 that is accepted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl Algorithm {
    /// Its `alg` value.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }
}

/// A key that verifies signatures of exactly one algorithm.
pub(super) struct VerifyingKey {
    kid: Option<String>,
    algorithm: Algorithm,
    material: Material,
}

enum Material {
    Hmac(ring::hmac::Key),
    Rsa(&'static RsaParameters, RsaPublicKeyComponents<Vec<u8>>),
    /// The uncompressed point (SEC 1 §2.3.3).
    Ecdsa(&'static signature::EcdsaVerificationAlgorithm, Vec<u8>),
}

impl VerifyingKey {
    /// An HS256 key. `secret` has at least 32 bytes (RFC 7518 §3.2), which the configuration
    /// checked.
    pub(super) fn hmac(secret: &[u8]) -> Self {
        let material = Material::Hmac(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret));
        Self {
            kid: None,
            algorithm: Algorithm::Hs256,
            material,
        }
    }

    /// An RSA key from modulus and exponent, big-endian. `None` when the algorithm is not RSA.
    /// Moduli outside 2048 to 8192 bits verify nothing.
    pub(super) fn rsa(
        kid: Option<String>,
        algorithm: Algorithm,
        n: Vec<u8>,
        e: Vec<u8>,
    ) -> Option<Self> {
        let parameters = match algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            _ => return None,
        };
        let material = Material::Rsa(parameters, RsaPublicKeyComponents { n, e });
        Some(Self {
            kid,
            algorithm,
            material,
        })
    }

    /// An elliptic-curve key from its uncompressed point. `None` when the algorithm is not ECDSA.
    pub(super) fn ecdsa(kid: Option<String>, algorithm: Algorithm, point: Vec<u8>) -> Option<Self> {
        let verification = match algorithm {
            Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            _ => return None,
        };
        Some(Self {
            kid,
            algorithm,
            material: Material::Ecdsa(verification, point),
        })
    }

    /// The key id of its JWK.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm it verifies.
    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn verify(&self, signed: &[u8], mac_or_signature: &[u8]) -> bool {
        match &self.material {
            // Compares in constant time.
            Material::Hmac(key) => ring::hmac::verify(key, signed, mac_or_signature).is_ok(),
            Material::Rsa(parameters, key) => {
                key.verify(parameters, signed, mac_or_signature).is_ok()
            }
            Material::Ecdsa(algorithm, point) => UnparsedPublicKey::new(*algorithm, point)
                .verify(signed, mac_or_signature)
                .is_ok(),
        }
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

/// The parts of the protected header that decide something. A field that occurs twice is an error
/// (RFC 7515 §4); unknown ones are ignored, as the RFC asks.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    // Critical extensions: none is understood here, so their presence refuses the token
    // (RFC 7515 §4.1.11).
    crit: Option<serde::de::IgnoredAny>,
}

/// A token cut into its parts, nothing verified yet.
pub(super) struct Token<'a> {
    header: Header,
    signed: &'a [u8],
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Cuts a compact token apart and reads its header.
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthError> {
        if text.len() > MAX_TOKEN {
            return Err(AuthError::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(AuthError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(AuthError::Malformed)?;
        if payload.contains('.') {
            // Five parts are an encrypted token (RFC 7516).
            return Err(AuthError::Malformed);
        }
        let header: Header = decode_json(header)?;
        if header.crit.is_some() {
            return Err(AuthError::Malformed);
        }
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| AuthError::Malformed)?;
        Ok(Self {
            header,
            signed: signed.as_bytes(),
            payload,
            signature,
        })
    }

    /// The key id the token asks for.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The algorithm the token claims; only compared, never obeyed.
    pub(super) fn claims_algorithm(&self, algorithm: Algorithm) -> bool {
        self.header.alg == algorithm.name()
    }

    /// Checks the signature and hands out the payload.
    pub(super) fn verify<T: for<'de> Deserialize<'de>>(
        &self,
        key: &VerifyingKey,
    ) -> Result<T, AuthError> {
        if !self.claims_algorithm(key.algorithm()) {
            return Err(AuthError::WrongAlgorithm);
        }
        if !key.verify(self.signed, &self.signature) {
            return Err(AuthError::BadSignature);
        }
        decode_json(self.payload)
    }
}

fn decode_json<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, AuthError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| AuthError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| AuthError::Malformed)
}
