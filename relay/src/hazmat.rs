//! Raw primitives of leases and jobs. The only place of the relay that names aes-gcm.
//!
//! Rules:
//! - a derived key encrypts exactly one message: its salt is 32 fresh random bytes, or its `info`
//!   ends in such; the other part says which message of its lease or job it is. The nonce can
//!   therefore be fixed;
//! - nothing is encrypted twice: what changes is encrypted under another key;
//! - a message too long for memory is cut into chunks under one key, each with a nonce of its own
//!   ([`ChunkKey`]).

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the tag behind a ciphertext.
pub(crate) const TAG: usize = 16;

/// A key for one message.
pub(crate) struct OneTimeKey(Zeroizing<[u8; 32]>);

/// HKDF-SHA256 (RFC 5869): extracted from the server's secret under the handle's, so that neither
/// yields the key alone.
pub(crate) fn derive_key(server: &[u8; 32], handle: &[u8; 32], info: &[u8]) -> Option<OneTimeKey> {
    Some(OneTimeKey(derive(server, handle, &[info])?))
}

/// [`derive_key`] for one of any number of messages of the same purpose; `fresh` was never used
/// before.
pub(crate) fn derive_fresh_key(
    server: &[u8; 32],
    handle: &[u8; 32],
    info: &[u8],
    fresh: &[u8; 32],
) -> Option<OneTimeKey> {
    Some(OneTimeKey(derive(server, handle, &[info, fresh])?))
}

fn derive(server: &[u8; 32], handle: &[u8; 32], info: &[&[u8]]) -> Option<Zeroizing<[u8; 32]>> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(handle), server)
        .expand_multi_info(info, &mut *out)
        .ok()?;
    Some(out)
}

/// AES-256-GCM (NIST SP 800-38D), the tag behind the ciphertext. Uses the key up.
pub(crate) fn encrypt(key: OneTimeKey, aad: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
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
pub(crate) fn decrypt(
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

/// A key for one message in chunks: AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar,
/// Rogaway, Vizár 2015), the nonce being 7 zero bytes, the chunk's number in 32 bits and a byte
/// that is 1 for the last chunk. Chunks can therefore be neither reordered nor left out, at the end
/// either.
pub(crate) struct ChunkKey {
    cipher: Aes256Gcm,
    next: u32,
    ended: bool,
}

impl ChunkKey {
    /// Derives it as [`derive_key`] does; `info` belongs to this one message.
    pub(crate) fn derive(server: &[u8; 32], handle: &[u8; 32], info: &[u8]) -> Option<Self> {
        let key = derive(server, handle, &[info])?;
        Some(Self {
            cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key)),
            next: 0,
            ended: false,
        })
    }

    /// The next chunk, encrypted; nothing follows one that is the `last`.
    pub(crate) fn encrypt(&mut self, aad: &[u8], chunk: &[u8], last: bool) -> Option<Vec<u8>> {
        let nonce = self.nonce(last)?;
        let mut buffer = Zeroizing::new(Vec::with_capacity(chunk.len() + TAG));
        buffer.extend_from_slice(chunk);
        self.cipher
            .encrypt_in_place(&nonce, aad, &mut *buffer)
            .ok()?;
        Some(std::mem::take(&mut *buffer))
    }

    /// The inverse of [`ChunkKey::encrypt`]; `None` when the tag does not verify, which it does for
    /// the chunk of this place only.
    pub(crate) fn decrypt(&mut self, aad: &[u8], chunk: &[u8], last: bool) -> Option<Vec<u8>> {
        let nonce = self.nonce(last)?;
        let mut buffer = Zeroizing::new(chunk.to_vec());
        self.cipher
            .decrypt_in_place(&nonce, aad, &mut *buffer)
            .ok()?;
        Some(std::mem::take(&mut *buffer))
    }

    /// The nonce of the next chunk. `None` after the last one, and when 2³² were used.
    fn nonce(&mut self, last: bool) -> Option<Nonce<aes_gcm::aead::consts::U12>> {
        if self.ended {
            return None;
        }
        let [a, b, c, d] = self.next.to_be_bytes();
        self.next = self.next.checked_add(1)?;
        self.ended = last;
        Some(Nonce::from([0, 0, 0, 0, 0, 0, 0, a, b, c, d, last.into()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ChunkKey {
        ChunkKey::derive(&[1; 32], &[2; 32], b"test").unwrap()
    }

    #[test]
    fn chunks_open_in_their_places_only() {
        let mut sealing = key();
        let first = sealing.encrypt(b"id", b"one", false).unwrap();
        let second = sealing.encrypt(b"id", b"two", false).unwrap();
        let last = sealing.encrypt(b"id", b"three", true).unwrap();
        assert!(sealing.encrypt(b"id", b"four", false).is_none());

        let mut opening = key();
        assert_eq!(opening.decrypt(b"id", &first, false).unwrap(), b"one");
        assert_eq!(opening.decrypt(b"id", &second, false).unwrap(), b"two");
        assert_eq!(opening.decrypt(b"id", &last, true).unwrap(), b"three");
        assert!(opening.decrypt(b"id", &last, true).is_none());

        // Swapped, cut short, prolonged, of another id.
        assert!(key().decrypt(b"id", &second, false).is_none());
        assert!(key().decrypt(b"id", &first, true).is_none());
        assert!(key().decrypt(b"other", &first, false).is_none());
        let mut cut = key();
        cut.decrypt(b"id", &first, false).unwrap();
        assert!(cut.decrypt(b"id", &second, true).is_none());
    }

    #[test]
    fn fresh_bytes_and_purposes_give_other_keys() {
        let sealed = |info: &[u8], fresh: &[u8; 32]| {
            let key = derive_fresh_key(&[1; 32], &[2; 32], info, fresh).unwrap();
            encrypt(key, b"", b"same").unwrap()
        };
        assert_ne!(sealed(b"a", &[3; 32]), sealed(b"a", &[4; 32]));
        assert_ne!(sealed(b"a", &[3; 32]), sealed(b"b", &[3; 32]));
    }
}
