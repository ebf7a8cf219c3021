//! Raw primitives. Nothing outside this module names a cryptography crate.
//!
//! Rules every caller keeps:
//!
//! * **AES-256-GCM**: a key encrypts at most 2^32 messages, each under a fresh random 96-bit nonce
//!   (NIST SP 800-38D §8.3). The associated data names what the ciphertext is, so a ciphertext
//!   moved elsewhere does not open.
//! * **HKDF-SHA256**: one label per derived key; labels are constants of [`crate::format::keys`].
//! * **HMAC-SHA256**: a key is used for one purpose; tags are compared in constant time.
//! * **PBKDF2**: iteration counts are checked by the caller before anything is derived.

mod aead;
mod digest;
mod hkdf;
mod mac;
mod pbkdf2;

pub(crate) use aead::{NONCE_LEN, Nonce, TAG_LEN, open, seal};
pub(crate) use digest::sha256;
pub(crate) use hkdf::derive_key;
pub(crate) use mac::{hmac_sha256, verify_hmac_sha256};
pub(crate) use pbkdf2::derive_pbkdf2_sha256;

/// A primitive refused its input: the tag did not match, or a length is impossible.
///
/// Deliberately says nothing more; which check failed is of use to an attacker only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

#[cfg(test)]
mod vectors;
