//! SHA-256 (FIPS 180-4 §6.2).

use sha2::{Digest, Sha256};

/// The digest of the concatenation of `parts`.
///
/// Callers that hash several variable-length parts put their lengths among them.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
