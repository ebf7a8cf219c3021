//! The server's secrets, the sealing keys they yield, and the identity that signs them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use keyferry_protocol::sealed::{IdentityKey, KeySet, OpeningKey, SealError, SealingKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::{ConfigError, SecretSettings};
use crate::secret::Secret;

/// How long vaults seal for one key, in seconds. Together with the operator's renewal of the
/// secret this bounds what a stolen secret opens.
pub(super) const PERIOD: u64 = 7 * 24 * 60 * 60;

/// How long a key is still opened after that, in seconds: a session of 24 hours that began in its
/// last minute, and an hour for wrong clocks.
const GRACE: u64 = 25 * 60 * 60;

/// How long a published set is good for, in seconds: short enough that a replayed old set dies,
/// long enough for a vault that fetches it once a day.
const SET_LIFETIME: u64 = 2 * 24 * 60 * 60;

/// One entry of the ring, decoded.
pub(crate) struct RingSecret {
    kid: String,
    bytes: Zeroizing<[u8; 32]>,
}

/// All entries, the current one first, and the identity.
pub(crate) struct Ring {
    secrets: Vec<RingSecret>,
    identity: Option<IdentityKey>,
}

/// Sealing keys as they are at one time.
pub(super) struct Keys {
    /// The week they were made in.
    pub(super) period: u64,
    /// Every key that is opened.
    pub(super) opening: Vec<OpeningKey>,
    /// What vaults are told.
    published: Vec<SealingKey>,
}

/// A signed key set.
pub(crate) struct Published {
    /// The encoded [`KeySet`].
    pub(crate) bytes: Vec<u8>,
    /// Ed25519, over `bytes`.
    pub(crate) signature: [u8; 64],
    /// The key that verifies it.
    pub(crate) identity: [u8; 32],
}

impl RingSecret {
    /// Reads `<kid>:<32 bytes, base64>`.
    ///
    /// # Errors
    /// Names `field`, never the value.
    pub(crate) fn parse(field: &str, entry: &Secret) -> Result<Self, ConfigError> {
        let wrong = || {
            ConfigError::field(
                field,
                "expected <id>:<32 bytes in base64>, as `keyferry-relay keygen` prints it",
            )
        };
        // Exposed to decode it.
        let (kid, text) = entry
            .expose_str()
            .and_then(|text| text.split_once(':'))
            .ok_or_else(wrong)?;
        let named = !kid.is_empty()
            && kid.len() <= 32
            && kid
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let bytes = decode_32(text).ok_or_else(wrong)?;
        if named {
            Ok(Self {
                kid: kid.to_owned(),
                bytes,
            })
        } else {
            Err(wrong())
        }
    }

    /// The entry's name.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// 32 bytes for one purpose: HKDF-SHA256 (RFC 5869), nothing of the secret but these leaves.
    pub(crate) fn derive(&self, purpose: &[&[u8]]) -> Option<Zeroizing<[u8; 32]>> {
        let mut out = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(b"keyferry/relay"), &*self.bytes)
            .expand_multi_info(purpose, &mut *out)
            .ok()?;
        Some(out)
    }
}

fn decode_32(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let array: [u8; 32] = bytes.as_slice().try_into().ok()?;
    Some(Zeroizing::new(array))
}

impl Ring {
    /// Reads `[secrets]`.
    ///
    /// # Errors
    /// Naming the field that has no usable form, or two entries of one name.
    pub(crate) fn new(settings: &SecretSettings) -> Result<Self, ConfigError> {
        let mut secrets = Vec::new();
        if let Some(current) = &settings.current {
            secrets.push(RingSecret::parse("secrets.current", current)?);
        }
        for entry in &settings.accept {
            let secret = RingSecret::parse("secrets.accept", entry)?;
            if secrets.iter().any(|known| known.kid() == secret.kid()) {
                return Err(ConfigError::field("secrets.accept", "holds one id twice"));
            }
            secrets.push(secret);
        }
        let identity = match &settings.identity {
            None => None,
            Some(seed) => {
                // Exposed to decode it.
                let seed = seed.expose_str().and_then(decode_32).ok_or_else(|| {
                    ConfigError::field(
                        "secrets.identity",
                        "expected 32 bytes in base64, as `keyferry-relay keygen --identity` prints them",
                    )
                })?;
                Some(IdentityKey::from_seed(*seed))
            }
        };
        if identity.is_some() && settings.current.is_none() {
            return Err(ConfigError::field(
                "secrets.current",
                "needed with secrets.identity",
            ));
        }
        if settings.require_sealed && identity.is_none() {
            return Err(ConfigError::field(
                "secrets.identity",
                "needed with secrets.require_sealed: nothing can be sealed without it",
            ));
        }
        Ok(Self { secrets, identity })
    }

    /// True when vaults can seal for this relay.
    pub(crate) fn seals(&self) -> bool {
        self.identity.is_some()
    }

    /// The sealing keys at `now` (Unix seconds).
    ///
    /// # Errors
    /// Only if a derived key were no X25519 key, which cannot happen.
    pub(super) fn keys(&self, now: u64) -> Result<Keys, SealError> {
        let period = now / PERIOD;
        let mut keys = Keys {
            period,
            opening: Vec::new(),
            published: Vec::new(),
        };
        for (index, secret) in self.secrets.iter().enumerate() {
            // The week before stays open for sessions that began in it, the week to come for
            // clocks that are ahead.
            for week in [period, period.saturating_add(1), period.saturating_sub(1)] {
                let (not_before, not_after) = (week * PERIOD, (week + 1) * PERIOD);
                if not_after + GRACE <= now {
                    continue;
                }
                let entropy = secret
                    .derive(&[b"sealing key", &week.to_be_bytes()])
                    .ok_or(SealError::BadPoint)?;
                let key = OpeningKey::from_bytes(&OpeningKey::generate(&entropy))?;
                // Only the current secret is sealed for; the others are being phased out.
                if index == 0 && week >= period {
                    keys.published.push(SealingKey {
                        kid: key.kid().to_owned(),
                        public: *key.public(),
                        not_before,
                        not_after,
                    });
                }
                keys.opening.push(key);
            }
        }
        Ok(keys)
    }

    /// What vaults are told at `now`; `None` when this relay has no identity.
    ///
    /// # Errors
    /// Never for keys this ring made.
    pub(super) fn publish(&self, keys: &Keys, now: u64) -> Result<Option<Published>, SealError> {
        let Some(identity) = &self.identity else {
            return Ok(None);
        };
        let set = KeySet {
            issued_at: now,
            expires_at: now + SET_LIFETIME,
            keys: keys.published.clone(),
        };
        let (bytes, signature) = identity.sign(&set)?;
        Ok(Some(Published {
            bytes,
            signature,
            identity: identity.public(),
        }))
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("seals", &self.seals())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kid: &str, byte: u8) -> Secret {
        Secret::new(format!("{kid}:{}", STANDARD.encode([byte; 32])).into_bytes())
    }

    fn ring(current: Secret, accept: Vec<Secret>) -> Ring {
        Ring::new(&SecretSettings {
            current: Some(current),
            accept,
            identity: Some(Secret::new(STANDARD.encode([9; 32]).into_bytes())),
            require_sealed: false,
        })
        .unwrap()
    }

    fn kids(keys: &Keys) -> Vec<&str> {
        keys.opening.iter().map(OpeningKey::kid).collect()
    }

    #[test]
    fn two_instances_hold_the_same_keys() {
        let now = 100 * PERIOD + 5;
        let one = ring(entry("a", 1), Vec::new()).keys(now).unwrap();
        let other = ring(entry("a", 1), Vec::new()).keys(now + 60).unwrap();
        assert_eq!(kids(&one), kids(&other));
        assert_eq!(one.published, other.published);
        assert_eq!(one.published.len(), 2);
    }

    #[test]
    fn last_weeks_key_is_opened_for_a_day_and_then_gone() {
        let ring = ring(entry("a", 1), Vec::new());
        let before = ring.keys(100 * PERIOD - 1).unwrap();
        let old = before.published[0].kid.clone();
        let after = ring.keys(100 * PERIOD).unwrap();
        assert_eq!(
            before.published[1], after.published[0],
            "announced a week ahead"
        );
        assert!(kids(&after).contains(&old.as_str()));
        assert!(after.published.iter().all(|key| key.kid != old));
        assert!(!kids(&ring.keys(100 * PERIOD + GRACE).unwrap()).contains(&old.as_str()));
    }

    #[test]
    fn an_accepted_secret_is_opened_but_not_published() {
        let now = 100 * PERIOD;
        let old = ring(entry("a", 1), Vec::new()).keys(now).unwrap();
        let new = ring(entry("b", 2), vec![entry("a", 1)]).keys(now).unwrap();
        for kid in kids(&old) {
            assert!(kids(&new).contains(&kid));
            assert!(new.published.iter().all(|key| key.kid != kid));
        }
    }

    #[test]
    fn the_set_verifies_under_the_identity() {
        let now = 100 * PERIOD;
        let ring = ring(entry("a", 1), Vec::new());
        let published = ring
            .publish(&ring.keys(now).unwrap(), now)
            .unwrap()
            .unwrap();
        let set = KeySet::open(
            &published.bytes,
            &published.signature,
            &published.identity,
            now,
        )
        .unwrap();
        assert_eq!(set.current(now).unwrap().not_before, now);
    }

    #[test]
    fn purposes_are_apart() {
        let secret = RingSecret::parse("x", &entry("a", 1)).unwrap();
        assert_ne!(secret.derive(&[b"a"]), secret.derive(&[b"b"]));
        assert_ne!(secret.derive(&[b"a"]), Some(secret.bytes.clone()));
    }

    #[test]
    fn malformed_entries_name_the_field_and_not_the_value() {
        for text in ["", "a", "a:", "a:!!", ":AAAA", "a:c2hvcnQ=", "a b:AAAA"] {
            let error = RingSecret::parse("secrets.current", &Secret::new(text.into()))
                .err()
                .unwrap()
                .to_string();
            assert!(error.starts_with("secrets.current: expected"), "{error}");
        }
        let twice = SecretSettings {
            current: Some(entry("a", 1)),
            accept: vec![entry("a", 2)],
            ..SecretSettings::default()
        };
        assert!(Ring::new(&twice).is_err());
    }
}
