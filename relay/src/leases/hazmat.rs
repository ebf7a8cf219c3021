//! Raw primitives of leases. The only place of the relay that names aes-gcm.
//!
//! Rules:
//! - a derived key encrypts exactly one message: its salt is 32 fresh random bytes of one lease,
//!   its `info` one of that lease's two parts. The nonce can therefore be fixed;
//! - nothing is encrypted twice: a lease never changes after it was made.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the tag behind a ciphertext.
const TAG: usize = 16;

/// A key for one message.
pub(super) struct OneTimeKey(Zeroizing<[u8; 32]>);

/// HKDF-SHA256 (RFC 5869): extracted from the server's secret under the handle's, so that neither
/// yields the key alone.
pub(super) fn derive_key(server: &[u8; 32], handle: &[u8; 32], info: &[u8]) -> Option<OneTimeKey> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(handle), server)
        .expand(info, &mut *out)
        .ok()?;
    Some(OneTimeKey(out))
}

/// AES-256-GCM (NIST SP 800-38D), the tag behind the ciphertext. Uses the key up.
pub(super) fn encrypt(key: OneTimeKey, aad: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key.0));
    // Room for the tag: growing would leave a copy of the plaintext behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG));
    buffer.extend_from_slice(plaintext);
    cipher
        .encrypt_in_place(&Nonce::from([0; 12]), aad, &mut *buffer)
        .ok()?;
    Some(std::mem::take(&mut *buffer))
}

/// The inverse of [`encrypt`]; `None` when the tag does not verify.
pub(super) fn decrypt(
    key: OneTimeKey,
    aad: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key.0));
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    cipher
        .decrypt_in_place(&Nonce::from([0; 12]), aad, &mut *buffer)
        .ok()?;
    Some(buffer)
}
