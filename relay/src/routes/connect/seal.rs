//! Encrypts a minted key to the one-time key of whoever asked for it.
//!
//! Ephemeral-ephemeral ECDH on P-256, which every browser's WebCrypto has; HKDF-SHA256 over the
//! shared secret with both public keys in `info`; AES-256-GCM. The derived key encrypts this one
//! message, so the nonce is constant (NIST SP 800-38D §8: unique per key).

use hkdf::Hkdf;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// An uncompressed point of P-256 (SEC 1 §2.3.3), as `exportKey("raw")` gives it.
pub(super) type Point = [u8; 65];

/// Keeps these keys apart from any other use of the exchange.
const LABEL: &[u8] = b"keyferry connect openrouter v1";

/// What the recipient needs beside its own key.
pub(super) struct Sealed {
    pub(super) public_key: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
}

/// `None` when `recipient` is no point of the curve.
pub(super) fn seal(recipient: &Point, key: &Secret) -> Option<Sealed> {
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).ok()?;
    let public_key = own.compute_public_key().ok()?.as_ref().to_vec();
    let info = [LABEL, recipient, &public_key].concat();
    let peer = UnparsedPublicKey::new(&ECDH_P256, recipient);
    let derived = agree_ephemeral(own, &peer, |shared| {
        let mut okm = Zeroizing::new([0; 32]);
        let expanded = Hkdf::<Sha256>::new(None, shared).expand(&info, okm.as_mut_slice());
        expanded.ok().map(|()| okm)
    })
    .ok()??;
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, derived.as_slice()).ok()?);
    // Exposed to be encrypted in place.
    let mut ciphertext = key.expose().to_vec();
    cipher
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::empty(),
            &mut ciphertext,
        )
        .ok()?;
    Some(Sealed {
        public_key,
        ciphertext,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_points_of_the_curve_are_recipients() {
        let key = Secret::new(b"sk-or-v1-x".to_vec());
        assert!(seal(&[4; 65], &key).is_none());
        assert!(seal(&[0; 65], &key).is_none());
    }
}
