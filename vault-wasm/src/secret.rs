//! Secrets that wipe themselves and never show.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Bytes that must not outlive their use: a provider key, a password, a recovery code.
///
/// Wiped on drop, printed as `[redacted]`, compared in constant time, and neither `Clone`, `Copy`
/// nor serialisable.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of the bytes; the caller keeps no copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies the bytes; the caller wipes its own.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The bytes themselves. Each caller says why it needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.expose(), other.expose()) // comparison only, nothing is copied
    }
}

/// A 256-bit key, with the same promises as [`Secret`]. It stays where it was made: what moves is a
/// pointer, so that no copy is left on the stack.
pub struct Key(Box<Zeroizing<[u8; 32]>>);

impl Key {
    /// Bytes in a key.
    pub const LEN: usize = 32;

    /// A key of zeros, to be filled in place so that no copy stays on the stack.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }

    /// Fills the key in place; on failure the half-filled key is wiped.
    pub(crate) fn filled<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Self::zeroed();
        fill(&mut key.0)?;
        Ok(key)
    }

    /// Copies exactly 32 bytes.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Option<Self> {
        let mut key = Self::zeroed();
        if bytes.len() != Self::LEN {
            return None;
        }
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    /// The bytes themselves. Each caller says why it needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.expose(), other.expose()) // comparison only, nothing is copied
    }
}

/// Compares without an early exit, so that timing tells nothing but the lengths.
#[must_use]
pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let difference = a.iter().zip(b).fold(0_u8, |acc, (x, y)| acc | (x ^ y));
    std::hint::black_box(difference) == 0
}

/// Wipes a buffer that is not a [`Secret`] but held one.
pub fn wipe(bytes: &mut [u8]) {
    bytes.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::copy_of(b"sk-canary-0123456789");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        let key = Key::copy_of(&[7; 32]).unwrap();
        assert_eq!(
            format!("{key:?} {:?}", Some(&key)),
            "[redacted] Some([redacted])"
        );
    }

    #[test]
    fn equality_looks_at_every_byte() {
        assert!(constant_time_eq(b"", b""));
        assert!(constant_time_eq(b"abc", b"abc"));
        assert!(!constant_time_eq(b"abc", b"abd"));
        assert!(!constant_time_eq(b"abc", b"xbc"));
        assert!(!constant_time_eq(b"abc", b"ab"));
    }

    #[test]
    fn a_key_takes_exactly_32_bytes() {
        assert!(Key::copy_of(&[0; 31]).is_none());
        assert!(Key::copy_of(&[0; 33]).is_none());
        assert!(Key::copy_of(&[9; 32]).unwrap() == Key::copy_of(&[9; 32]).unwrap());
    }
}
