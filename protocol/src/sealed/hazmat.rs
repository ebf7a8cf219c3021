//! Raw primitives. The only place that names hpke, aes-gcm and ed25519-dalek.
//!
//! Rules the rest of the module keeps:
//! - a nonce is 12 random bytes and used once under a secret; [`super::SESSION_USES`] bounds how
//!   many there are;
//! - entropy for an encapsulation is 32 fresh random bytes, never used for anything else;
//! - a session secret is used for AES-256-GCM and for nothing else.

use super::SealError;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use core::convert::Infallible;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

pub(super) type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;

/// Hands out the caller's random bytes, once.
struct Entropy {
    bytes: Zeroizing<[u8; 32]>,
    drawn: usize,
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        for slot in target {
            *slot = self.bytes.get(self.drawn).copied().unwrap_or(0);
            self.drawn += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Entropy {}

/// HPKE `SetupBaseS` (RFC 9180 §5.1.1), then `Export` (§5.3), with DHKEM(X25519, HKDF-SHA256),
/// HKDF-SHA256 and AES-256-GCM. `entropy` is the ephemeral key's `ikmE` (§7.1.3): fresh random
/// bytes, except where a published vector gives them. The encapsulation, then the secret.
///
/// # Errors
/// [`SealError::BadPoint`] when `public` is not a usable X25519 point.
pub fn encapsulate(
    public: &[u8; 32],
    info: &[u8],
    exporter: &[u8],
    entropy: [u8; 32],
) -> Result<([u8; 32], Zeroizing<[u8; 32]>), SealError> {
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(public)
        .map_err(|_| SealError::BadPoint)?;
    let mut entropy = Entropy {
        bytes: Zeroizing::new(entropy),
        drawn: 0,
    };
    let (enc, context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        info,
        &mut entropy,
    )
    .map_err(|_| SealError::BadPoint)?;
    // Bytes beyond the 32 given would not be random.
    if entropy.drawn != entropy.bytes.len() {
        return Err(SealError::BadPoint);
    }
    let mut secret = Zeroizing::new([0; 32]);
    context
        .export(exporter, secret.as_mut_slice())
        .map_err(|_| SealError::BadPoint)?;
    Ok((enc.to_bytes().into(), secret))
}

/// HPKE `SetupBaseR` (RFC 9180 §5.1.1), then `Export` (§5.3). An encapsulation that yields the
/// all-zero shared secret is refused (§7.1.4).
pub(super) fn decapsulate(
    private: &PrivateKey,
    enc: &[u8; 32],
    info: &[u8],
    exporter: &[u8],
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let enc =
        <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc).map_err(|_| SealError::BadPoint)?;
    let context = hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        private,
        &enc,
        info,
    )
    .map_err(|_| SealError::BadPoint)?;
    let mut secret = Zeroizing::new([0; 32]);
    context
        .export(exporter, secret.as_mut_slice())
        .map_err(|_| SealError::BadPoint)?;
    Ok(secret)
}

/// An X25519 private key, clamped (RFC 9180 §7.1.2), and its public key.
pub(super) fn key_pair(private: &[u8; 32]) -> Option<(PrivateKey, [u8; 32])> {
    let private = PrivateKey::from_bytes(private).ok()?;
    let public = X25519HkdfSha256::sk_to_pk(&private).to_bytes().into();
    Some((private, public))
}

/// HPKE `DeriveKeyPair` (RFC 9180 §7.1.3) from 32 random bytes: the private key's bytes.
pub(super) fn derive_private(entropy: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let (private, _) = X25519HkdfSha256::derive_keypair(entropy);
    Zeroizing::new(private.to_bytes().into())
}

/// AES-256-GCM (NIST SP 800-38D), the tag behind the ciphertext.
pub(super) fn encrypt(
    secret: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*secret));
    // Room for the tag: growing would leave a copy of the plaintext behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + 16));
    buffer.extend_from_slice(plaintext);
    cipher
        .encrypt_in_place(&Nonce::from(*nonce), aad, &mut *buffer)
        .map_err(|_| SealError::Form)?;
    Ok(core::mem::take(&mut *buffer))
}

/// The inverse of [`encrypt`].
pub(super) fn decrypt(
    secret: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*secret));
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    cipher
        .decrypt_in_place(&Nonce::from(*nonce), aad, &mut *buffer)
        .map_err(|_| SealError::BadTag)?;
    Ok(buffer)
}

/// Ed25519 (RFC 8032 §5.1.5): the public key of a 32-byte seed.
pub(super) fn identity_public(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Ed25519 (RFC 8032 §5.1.6).
pub(super) fn sign(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

/// Ed25519 (RFC 8032 §5.1.7), refusing keys and signatures of small order.
#[must_use]
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(public).is_ok_and(|key| {
        key.verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let bytes: Vec<u8> = (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        bytes.try_into().unwrap()
    }

    /// RFC 9180's published vector set, mode 0 with KEM 0x0020, KDF 0x0001, AEAD 0x0002.
    #[test]
    fn rfc_9180_exports_of_our_suite() {
        let private = hex::<32>("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d");
        let public = hex::<32>("430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c");
        let enc = hex::<32>("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256");
        let info = hex::<20>("4f6465206f6e2061204772656369616e2055726e");
        let (private, computed) = key_pair(&private).unwrap();
        assert_eq!(computed, public);
        for (context, value) in [
            (
                &b"\x00"[..],
                "04d3cb6cc116b28ffd22ad5bc276c60d31fec71ceb87ae24db811c64b7507339",
            ),
            (
                b"TestContext",
                "7c5ded445732c14fe09727d29b4251c0fd38455fe8440571e687f0886aac94d2",
            ),
            (
                b"",
                "ded6cffafaea6b812cbf3e241e88332adbc077aca81512914213810ee291770a",
            ),
        ] {
            let secret = decapsulate(&private, &enc, &info, context).unwrap();
            assert_eq!(*secret, hex::<32>(value));
        }
    }

    /// RFC 9180 A.1.1: the key pair of `ikmE` and `ikmR`.
    #[test]
    fn rfc_9180_key_pairs() {
        for (entropy, private, public) in [
            (
                "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234",
                "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736",
                "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
            ),
            (
                "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
                "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
                "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
            ),
        ] {
            let derived = derive_private(&hex(entropy));
            let (_, derived_public) = key_pair(&derived).unwrap();
            assert_eq!(derived_public, hex::<32>(public));
            // Private keys are compared after clamping (RFC 9180 §7.1.2).
            assert_eq!(key_pair(&hex(private)).unwrap().1, hex::<32>(public));
        }
    }

    /// The encapsulation's entropy is HPKE's `ikmE`, so it can be checked against the RFC.
    #[test]
    fn encapsulation_is_that_of_the_rfc() {
        let entropy = hex("7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234");
        let receiver = hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
        let (enc, secret) = encapsulate(&receiver, b"info", b"context", entropy).unwrap();
        assert_eq!(
            enc,
            hex::<32>("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
        );
        let (private, _) = key_pair(&hex(
            "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
        ))
        .unwrap();
        assert_eq!(
            *decapsulate(&private, &enc, b"info", b"context").unwrap(),
            *secret
        );
    }

    #[test]
    fn points_of_small_order_are_refused() {
        let (private, _) = key_pair(&[7; 32]).unwrap();
        for point in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            assert_eq!(
                decapsulate(&private, &point, b"", b"").unwrap_err(),
                SealError::BadPoint
            );
            assert_eq!(
                encapsulate(&point, b"", b"", [9; 32]).unwrap_err(),
                SealError::BadPoint
            );
        }
    }

    /// RFC 8032 §7.1, test 2.
    #[test]
    fn rfc_8032_signature() {
        let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = hex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(identity_public(&seed), public);
        assert_eq!(sign(&seed, &[0x72]), signature);
        assert!(verify(&public, &[0x72], &signature));
        assert!(!verify(&public, &[0x73], &signature));
        // The identity point as public key would verify anything without the strict check.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(!verify(&neutral, &[0x72], &signature));
    }

    /// NIST's GCM test case 16 (AES-256 with associated data), from the GCM submission.
    #[test]
    fn gcm_test_case_16() {
        let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let nonce = hex("cafebabefacedbaddecaf888");
        let aad = hex::<20>("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plaintext = hex::<60>(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let expected = hex::<76>(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
             76fc6ece0f4e1768cddf8853bb2d551b",
        );
        let sealed = encrypt(&key, &nonce, &aad, &plaintext).unwrap();
        assert_eq!(sealed, expected);
        assert_eq!(*decrypt(&key, &nonce, &aad, &sealed).unwrap(), plaintext);
        assert_eq!(
            decrypt(&key, &nonce, b"", &sealed).unwrap_err(),
            SealError::BadTag
        );
    }
}
