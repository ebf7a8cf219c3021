//! What lies at rest, byte by byte. `docs/format.md` is this module in prose.
//!
//! Everything here is pure: bytes in, bytes out; randomness is passed in, time is a number.

pub mod aad;
pub mod audit;
pub mod backup;
pub mod codec;
pub mod envelope;
pub mod header;
pub mod id;
pub mod key_record;
pub mod keys;
pub mod manifest;
pub mod recovery;
pub mod settings;
pub mod slot;
pub mod usage;

/// The only version of the format so far. Written into every record and into the associated data.
pub const VERSION: u16 = 1;

/// A record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Shorter than its own fields say, longer than they say, or a field out of range.
    #[error("malformed")]
    Malformed,
    /// Written by a newer version of this program.
    #[error("written by a newer version")]
    FutureVersion,
    /// The tag does not match: another key, another record's bytes, or altered bytes.
    #[error("not authentic")]
    NotAuthentic,
    /// The KDF is unknown or its parameters are outside the policy.
    #[error("key derivation parameters out of bounds")]
    KdfOutOfBounds,
}

impl From<crate::hazmat::Refused> for FormatError {
    fn from(_: crate::hazmat::Refused) -> Self {
        Self::NotAuthentic
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests;
