//! What `jsonwebtoken` computes with: `ring`, which TLS brings along. It verifies and never signs.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as BadSignature, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(unsupported()),
    verifier_factory: |algorithm, key| Ok(Box::new(RingVerifier::new(*algorithm, key)?)),
    // For making key sets out of private keys, and for thumbprints.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

/// Makes `jsonwebtoken` compute with `ring`. Only the first call in a process has an effect.
pub(super) fn install() {
    // An error says that it is installed.
    let _ = RING.install_default();
}

fn unsupported() -> Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

/// How an algorithm of RFC 7518 §3.1 is verified.
#[derive(Clone, Copy)]
enum Method {
    Hmac(ring::hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Ecdsa(&'static EcdsaVerificationAlgorithm),
}

struct RingVerifier {
    algorithm: Algorithm,
    method: Method,
    key: DecodingKey,
}

impl RingVerifier {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        let method = match algorithm {
            Algorithm::HS256 => Method::Hmac(ring::hmac::HMAC_SHA256),
            Algorithm::RS256 => Method::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Method::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Method::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::ES256 => Method::Ecdsa(&ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Method::Ecdsa(&ECDSA_P384_SHA384_FIXED),
            _ => return Err(unsupported()),
        };
        // A public key is never taken for a shared secret, nor one kind for another.
        if !key.family().algorithms().contains(&algorithm) {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(Self {
            algorithm,
            method,
            key: key.clone(),
        })
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, signed: &[u8], signature: &Vec<u8>) -> Result<(), BadSignature> {
        match (self.method, self.key.kind()) {
            // Compares in constant time.
            (Method::Hmac(algorithm), DecodingKeyKind::SecretOrDer(secret)) => {
                ring::hmac::verify(&ring::hmac::Key::new(algorithm, secret), signed, signature)
            }
            (Method::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let (n, e) = (integer(n), integer(e));
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature)
            }
            (Method::Ecdsa(algorithm), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(algorithm, point).verify(signed, signature)
            }
            _ => return Err(BadSignature::new()),
        }
        .map_err(|_| BadSignature::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// A big-endian integer without the leading zeros that some issuers write and ring refuses.
fn integer(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(start..).unwrap_or_default()
}
