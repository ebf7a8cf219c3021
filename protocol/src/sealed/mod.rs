//! The sealed key header: `kf1.<kid>.<enc>.<ts>.<nonce>.<ciphertext>`.
//!
//! HPKE (RFC 9180) base mode yields one secret per vault session; that secret keys AES-256-GCM
//! for each request, with a random nonce and everything that matters of the request as associated
//! data. docs/sealed-header.md describes it byte by byte.
//!
//! ```text
//! vault                                        relay
//! Sealer::new ── enc (X25519, once) ──┐        SealedHeader::parse     no cryptography
//! Sealer::seal ── AES-256-GCM ────────┴──────► check_time, known kid   no cryptography
//!                                              cached secret, else OpeningKey::session (X25519)
//!                                              SessionSecret::open     AES-256-GCM
//!                                              then: remember nonce, cache secret
//! ```

mod form;
mod hazmat;
mod keyset;
mod opener;
mod sealer;

pub use form::{Binding, SealedHeader};
pub use hazmat::{encapsulate, verify};
pub use keyset::{IdentityKey, KeySet, KeySetError, SealingKey, key_id};
pub use opener::{OpeningKey, SessionSecret};
pub use sealer::Sealer;

use crate::ErrorCode;

/// Name and parameters of the scheme: label, then HPKE's KEM, KDF and AEAD ids (RFC 9180 §7).
pub const SUITE: &[u8] = b"keyferry/kf1\x00\x20\x00\x01\x00\x02";
/// HPKE exporter context of the session secret.
const EXPORTER: &[u8] = b"keyferry/kf1 session secret";
/// How far the time in a header may lie from the relay's, in seconds, either way.
pub const WINDOW_SECONDS: u64 = 60;
/// Longest life of one encapsulation, in seconds.
pub const SESSION_SECONDS: u64 = 24 * 60 * 60;
/// Most requests under one encapsulation. With 96-bit random nonces the chance of one occurring
/// twice is then below 2^-57 (NIST SP 800-38D §8.3 asks for 2^-32).
pub const SESSION_USES: u32 = 1 << 20;
/// Longest accepted header value in bytes.
pub const MAX_HEADER: usize = 2048;

/// Why a header is not made or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// Not of the form, or not canonical.
    Form,
    /// The time lies outside the window.
    ClockSkew,
    /// The relay does not hold this sealing key, or holds it no longer.
    UnknownKid,
    /// The sealing key or encapsulation is not a usable X25519 point.
    BadPoint,
    /// The tag does not verify: another key, another request, or tampering.
    BadTag,
    /// The encapsulation is used up; make a new one.
    Spent,
}

impl SealError {
    /// The relay's code for this. [`Self::Spent`] never leaves the vault.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::ClockSkew => ErrorCode::ClockSkew,
            Self::UnknownKid => ErrorCode::UnknownKid,
            Self::Form | Self::BadPoint | Self::BadTag | Self::Spent => ErrorCode::BadSeal,
        }
    }
}

impl core::fmt::Display for SealError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Form => "the sealed key is malformed",
            Self::ClockSkew => "the sealed key's time is outside the window",
            Self::UnknownKid => "the sealing key is unknown",
            Self::BadPoint => "the sealing key is not usable",
            Self::BadTag => "the sealed key does not belong to this request",
            Self::Spent => "the sealing session is used up",
        })
    }
}

impl core::error::Error for SealError {}
