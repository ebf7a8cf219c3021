//! HKDF-SHA256 (RFC 5869 §2.2 extract, §2.3 expand).

use sha2::Sha256;

use super::Refused;

/// Derives `out.len()` bytes from uniformly random key material.
///
/// `salt` separates vaults or slots, `info` separates purposes: the same pair is never used for two
/// things.
///
/// # Errors
/// [`Refused`] when more than 255 × 32 bytes are asked for (RFC 5869 §2.3).
pub(crate) fn derive_key(
    ikm: &[u8],
    salt: &[u8],
    info: &[u8],
    out: &mut [u8],
) -> Result<(), Refused> {
    hkdf::Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand(info, out)
        .map_err(|_| Refused)
}
