//! The vault's half.

use super::form::{Binding, SealedHeader, is_kid};
use super::{EXPORTER, SESSION_SECONDS, SESSION_USES, SUITE, SealError, hazmat};
use zeroize::Zeroizing;

/// One encapsulation to one sealing key: seals the keys of a session's requests.
pub struct Sealer {
    kid: String,
    enc: [u8; 32],
    secret: Zeroizing<[u8; 32]>,
    created: u64,
    uses: u32,
}

impl Sealer {
    /// Encapsulates to a sealing key. `entropy` is 32 fresh random bytes, `now` Unix seconds.
    ///
    /// # Errors
    /// [`SealError::Form`] for an impossible `kid`, [`SealError::BadPoint`] for a key that is no
    /// usable X25519 point.
    pub fn new(
        kid: &str,
        public: &[u8; 32],
        entropy: [u8; 32],
        now: u64,
    ) -> Result<Self, SealError> {
        if !is_kid(kid) {
            return Err(SealError::Form);
        }
        let (enc, secret) = hazmat::encapsulate(public, SUITE, EXPORTER, entropy)?;
        Ok(Self {
            kid: kid.into(),
            enc,
            secret,
            created: now,
            uses: 0,
        })
    }

    /// The sealing key this was made for.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether a new encapsulation is due: too old, used too often, or the clock went back.
    #[must_use]
    pub const fn is_spent(&self, now: u64) -> bool {
        self.uses >= SESSION_USES || now < self.created || now - self.created >= SESSION_SECONDS
    }

    /// Seals `key` for one request. `nonce` is 12 fresh random bytes, `now` the relay's Unix time
    /// in seconds as well as the vault knows it.
    ///
    /// # Errors
    /// [`SealError::Spent`] when [`Self::is_spent`], [`SealError::Form`] for an empty or over-long
    /// key.
    pub fn seal(
        &mut self,
        key: &[u8],
        binding: &Binding<'_>,
        now: u64,
        nonce: [u8; 12],
    ) -> Result<String, SealError> {
        if self.is_spent(now) {
            return Err(SealError::Spent);
        }
        if key.is_empty() || key.len() > crate::shape::MAX_KEY {
            return Err(SealError::Form);
        }
        self.uses += 1;
        let aad = binding.associated_data(&self.kid, &self.enc, now);
        let ciphertext = hazmat::encrypt(&self.secret, &nonce, &aad, key)?;
        Ok(SealedHeader::write(
            &self.kid,
            &self.enc,
            now,
            &nonce,
            &ciphertext,
        ))
    }
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sealer([redacted])")
    }
}
