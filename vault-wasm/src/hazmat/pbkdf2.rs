//! PBKDF2-HMAC-SHA256 (RFC 8018 §5.2), used where WebCrypto is missing (an insecure origin).

use hmac::Hmac;
use sha2::Sha256;

use super::Refused;

/// Derives `out.len()` bytes from a password.
///
/// Slow on purpose and blocking: about 200 ms for 600,000 iterations in WebAssembly. The iteration
/// count has been checked against [`crate::format::slot::KdfPolicy`] by the caller.
///
/// # Errors
/// None in practice: HMAC takes keys of any length.
pub(crate) fn derive_pbkdf2_sha256(
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    out: &mut [u8],
) -> Result<(), Refused> {
    pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, iterations, out).map_err(|_| Refused)
}
