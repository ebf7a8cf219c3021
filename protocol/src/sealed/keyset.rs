//! The set of sealing keys, signed by the relay's identity.
//!
//! What is signed is what travels: the encoded bytes are verified first and read after, so no
//! canonical form of a richer document is needed.

use super::form::is_kid;
use super::{SealError, hazmat};
use crate::base64url;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Separates these signatures from any other use of the identity key.
const LABEL: &[u8] = b"keyferry/kf1 sealing keys\0";
/// Most keys in one set: the current one, its predecessor and some room.
const MAX_KEYS: usize = 8;

/// One published sealing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingKey {
    /// Its id: [`key_id`] of `public`.
    pub kid: String,
    /// X25519 public key.
    pub public: [u8; 32],
    /// Unix seconds from which vaults use it.
    pub not_before: u64,
    /// Unix seconds from which vaults no longer use it; the relay opens a little longer.
    pub not_after: u64,
}

/// The published keys, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// Unix seconds of signing.
    pub issued_at: u64,
    /// Unix seconds from which the set is refused: an old set replayed by an intermediary dies.
    pub expires_at: u64,
    /// The keys.
    pub keys: Vec<SealingKey>,
}

/// Why a published key set is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// Not of the form.
    Form,
    /// The signature is not by the expected identity.
    BadSignature,
    /// Expired, or issued in the future by more than the window.
    Expired,
}

impl core::fmt::Display for KeySetError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Form => "the sealing key set is malformed",
            Self::BadSignature => "the sealing key set is not signed by the expected identity",
            Self::Expired => "the sealing key set has expired",
        })
    }
}

impl core::error::Error for KeySetError {}

/// Id of a sealing key: the first nine bytes of its SHA-256, base64url.
#[must_use]
pub fn key_id(public: &[u8; 32]) -> String {
    let digest = Sha256::digest(public);
    base64url::encode(digest.get(..9).unwrap_or_default())
}

impl KeySet {
    /// The bytes that are signed and published.
    ///
    /// # Errors
    /// [`SealError::Form`] for no or too many keys, or an impossible id.
    pub fn encode(&self) -> Result<Vec<u8>, SealError> {
        let count = u8::try_from(self.keys.len()).map_err(|_| SealError::Form)?;
        if count == 0 || self.keys.len() > MAX_KEYS {
            return Err(SealError::Form);
        }
        let mut out = LABEL.to_vec();
        out.extend_from_slice(&self.issued_at.to_be_bytes());
        out.extend_from_slice(&self.expires_at.to_be_bytes());
        out.push(count);
        for key in &self.keys {
            if !is_kid(&key.kid) {
                return Err(SealError::Form);
            }
            out.push(u8::try_from(key.kid.len()).map_err(|_| SealError::Form)?);
            out.extend_from_slice(key.kid.as_bytes());
            out.extend_from_slice(&key.public);
            out.extend_from_slice(&key.not_before.to_be_bytes());
            out.extend_from_slice(&key.not_after.to_be_bytes());
        }
        Ok(out)
    }

    /// Verifies and reads a published set. `now` is Unix seconds by the vault's own clock: the relay's
    /// time travels beside the set and nobody signs it.
    ///
    /// # Errors
    /// [`KeySetError`]
    pub fn open(
        bytes: &[u8],
        signature: &[u8; 64],
        identity: &[u8; 32],
        now: u64,
    ) -> Result<Self, KeySetError> {
        if !hazmat::verify(identity, bytes, signature) {
            return Err(KeySetError::BadSignature);
        }
        let set = Self::decode(bytes).ok_or(KeySetError::Form)?;
        // A vault whose clock is an hour slow must still accept a set issued this minute.
        let from_future = set.issued_at > now.saturating_add(CLOCK_TOLERANCE);
        if from_future || set.expires_at.saturating_add(CLOCK_TOLERANCE) <= now {
            return Err(KeySetError::Expired);
        }
        Ok(set)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(LABEL)?);
        let issued_at = reader.time()?;
        let expires_at = reader.time()?;
        let count = usize::from(reader.byte()?);
        if count == 0 || count > MAX_KEYS {
            return None;
        }
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            let length = usize::from(reader.byte()?);
            let kid = core::str::from_utf8(reader.take(length)?).ok()?;
            let public = reader.take(32)?.try_into().ok()?;
            if kid != key_id(&public) {
                return None;
            }
            keys.push(SealingKey {
                kid: kid.into(),
                public,
                not_before: reader.time()?,
                not_after: reader.time()?,
            });
        }
        reader.0.is_empty().then_some(Self {
            issued_at,
            expires_at,
            keys,
        })
    }

    /// The first key to be used at `now` (Unix seconds by the vault's own clock); where there is none,
    /// the first that is if the clock is as wrong as it may be.
    #[must_use]
    pub fn current(&self, now: u64) -> Option<&SealingKey> {
        let within = |tolerance| {
            self.keys.iter().find(|key| {
                key.not_before <= now.saturating_add(tolerance)
                    && now < key.not_after.saturating_add(tolerance)
            })
        };
        within(0).or_else(|| within(CLOCK_TOLERANCE))
    }
}

/// How wrong a vault's clock may be when it judges a key set, in seconds.
const CLOCK_TOLERANCE: u64 = 60 * 60;

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn time(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }
}

/// The relay's long-term Ed25519 identity.
pub struct IdentityKey(Zeroizing<[u8; 32]>);

impl IdentityKey {
    /// Reads a 32-byte seed; any random one will do.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The public key, which vaults pin.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        hazmat::identity_public(&self.0)
    }

    /// Encodes and signs a key set: the bytes to publish and their signature.
    ///
    /// # Errors
    /// [`SealError::Form`], as [`KeySet::encode`].
    pub fn sign(&self, set: &KeySet) -> Result<(Vec<u8>, [u8; 64]), SealError> {
        let bytes = set.encode()?;
        let signature = hazmat::sign(&self.0, &bytes);
        Ok((bytes, signature))
    }
}

impl core::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IdentityKey([redacted])")
    }
}
