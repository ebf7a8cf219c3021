//! HMAC-SHA256 (RFC 2104 §2, FIPS 198-1).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Refused;

fn keyed(key: &[u8], parts: &[&[u8]]) -> Result<Hmac<Sha256>, Refused> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Refused)?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac)
}

/// The tag over the concatenation of `parts`.
///
/// # Errors
/// None in practice: HMAC takes keys of any length (RFC 2104 §3).
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], Refused> {
    Ok(keyed(key, parts)?.finalize().into_bytes().into())
}

/// Compares in constant time.
///
/// # Errors
/// [`Refused`] when `tag` is not the tag over `parts`.
pub(crate) fn verify_hmac_sha256(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> Result<(), Refused> {
    keyed(key, parts)?.verify_slice(tag).map_err(|_| Refused)
}
