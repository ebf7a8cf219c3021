//! AES-256-GCM with 96-bit nonces and 128-bit tags (NIST SP 800-38D §7).

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

use super::Refused;

/// Bytes in a nonce (SP 800-38D §5.2.1.1: 96 bits are recommended).
pub(crate) const NONCE_LEN: usize = 12;
/// Bytes a ciphertext is longer than its plaintext.
pub(crate) const TAG_LEN: usize = 16;

/// A nonce. Random, and never used twice with one key.
pub(crate) type Nonce = [u8; NONCE_LEN];

/// Encrypts `buffer` in place and appends the tag (SP 800-38D §7.1).
///
/// # Errors
/// [`Refused`] when the plaintext is longer than the mode allows (64 GiB).
pub(crate) fn seal(
    key: &[u8; 32],
    nonce: &Nonce,
    aad: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), Refused> {
    let cipher = Aes256Gcm::new(key.into());
    let tag = cipher
        .encrypt_inout_detached(nonce.into(), aad, buffer.as_mut_slice().into())
        .map_err(|_| Refused)?;
    buffer.extend_from_slice(&tag);
    Ok(())
}

/// Decrypts `buffer` (ciphertext ‖ tag) in place and cuts the tag off (SP 800-38D §7.2).
///
/// # Errors
/// [`Refused`] when the tag does not match; `buffer` is then left as ciphertext.
pub(crate) fn open(
    key: &[u8; 32],
    nonce: &Nonce,
    aad: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), Refused> {
    let text_len = buffer.len().checked_sub(TAG_LEN).ok_or(Refused)?;
    let (text, tag) = buffer.split_at_mut_checked(text_len).ok_or(Refused)?;
    let tag: [u8; TAG_LEN] = <[u8; TAG_LEN]>::try_from(&*tag).map_err(|_| Refused)?;
    Aes256Gcm::new(key.into())
        .decrypt_inout_detached(nonce.into(), aad, text.into(), &tag.into())
        .map_err(|_| Refused)?;
    buffer.truncate(text_len);
    Ok(())
}
