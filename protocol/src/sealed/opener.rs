//! The relay's half.

use super::form::{Binding, SealedHeader};
use super::{EXPORTER, SUITE, SealError, hazmat};
use zeroize::Zeroizing;

/// A sealing key's private half.
pub struct OpeningKey {
    kid: String,
    private: hazmat::PrivateKey,
    public: [u8; 32],
}

impl OpeningKey {
    /// Reads a private key; its id follows from its public half.
    ///
    /// # Errors
    /// [`SealError::BadPoint`] when the bytes are no X25519 private key.
    pub fn from_bytes(private: &[u8; 32]) -> Result<Self, SealError> {
        let (private, public) = hazmat::key_pair(private).ok_or(SealError::BadPoint)?;
        Ok(Self {
            kid: super::key_id(&public),
            private,
            public,
        })
    }

    /// The bytes of a new private key from 32 random ones.
    #[must_use]
    pub fn generate(entropy: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        hazmat::derive_private(entropy)
    }

    /// Its id, as headers name it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, as the key set publishes it.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The secret of a vault session: one X25519, about 50 µs. Cache it by `(kid, enc)`, but only
    /// once [`SessionSecret::open`] has succeeded, or anyone could fill the cache.
    ///
    /// # Errors
    /// [`SealError::UnknownKid`] for a header made for another key, [`SealError::BadPoint`] for an
    /// encapsulation of small order.
    pub fn session(&self, header: &SealedHeader<'_>) -> Result<SessionSecret, SealError> {
        if header.kid != self.kid {
            return Err(SealError::UnknownKid);
        }
        hazmat::decapsulate(&self.private, &header.enc, SUITE, EXPORTER).map(SessionSecret)
    }
}

impl core::fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OpeningKey([redacted])")
    }
}

/// The secret one vault session shares with the relay.
pub struct SessionSecret(Zeroizing<[u8; 32]>);

impl SessionSecret {
    /// Opens a header: the provider key, wiped when dropped. The caller has checked the time, and
    /// refuses a nonce it has seen within the window.
    ///
    /// # Errors
    /// [`SealError::BadTag`] when the header was made for another request, by another session, or
    /// was tampered with.
    pub fn open(
        &self,
        header: &SealedHeader<'_>,
        binding: &Binding<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let aad = binding.associated_data(header.kid, &header.enc, header.timestamp);
        hazmat::decrypt(&self.0, &header.nonce, &aad, &header.ciphertext)
    }
}

impl core::fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SessionSecret([redacted])")
    }
}
