//! A slot: one way of unlocking, holding the vault key wrapped under a key-encryption key (KEK).
//!
//! ```text
//! version (2) ‖ kind (1) ‖ revision (8)
//!   ‖ way (1) ‖ kdf (1) ‖ iterations (4) ‖ salt (16) ‖ PRF salt (32) ‖ created at (8)
//!   ‖ credential id: length (2) ‖ bytes ‖ rpId: length (2) ‖ UTF-8 ‖ label: length (2) ‖ UTF-8
//!   ‖ nonce (12) ‖ AES-256-GCM(vault key) (48)
//! ```
//!
//! Everything before the nonce, the vault's id and the relay are associated data: a slot with other
//! parameters, of another vault or for another relay does not open.

use super::{
    FormatError, aad,
    codec::{Reader, Writer},
    envelope::Prefix,
    id::{Id, Kind, RecordKey},
    keys::VaultKey,
};
use crate::{
    hazmat::{self, NONCE_LEN, Nonce, TAG_LEN},
    secret::Key,
};

/// How a KEK is derived. Bound as associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kdf {
    /// PBKDF2-HMAC-SHA256 (RFC 8018 §5.2), for passwords.
    Pbkdf2Sha256 {
        /// Iteration count, within [`KdfPolicy`].
        iterations: u32,
    },
    /// HKDF-SHA256 (RFC 5869), for inputs that are random already.
    HkdfSha256,
}

/// Bounds on what is derived at all: weaker is not accepted, stronger would be a way to hang a
/// browser with a tampered record.
#[derive(Debug, Clone, Copy)]
pub struct KdfPolicy;

impl KdfPolicy {
    /// The least, and what new slots get (OWASP's figure for PBKDF2-HMAC-SHA256).
    pub const MIN_ITERATIONS: u32 = 600_000;
    /// The most.
    pub const MAX_ITERATIONS: u32 = 3_000_000;
    /// What new slots get; slots with fewer are wrapped anew at the next unlock.
    pub const ITERATIONS: u32 = 600_000;
}

impl Kdf {
    const PBKDF2: u8 = 1;
    const HKDF: u8 = 2;

    fn to_bytes(self) -> (u8, u32) {
        match self {
            Self::Pbkdf2Sha256 { iterations } => (Self::PBKDF2, iterations),
            Self::HkdfSha256 => (Self::HKDF, 0),
        }
    }

    fn from_bytes(kdf: u8, iterations: u32) -> Result<Self, FormatError> {
        match (kdf, iterations) {
            (Self::PBKDF2, KdfPolicy::MIN_ITERATIONS..=KdfPolicy::MAX_ITERATIONS) => {
                Ok(Self::Pbkdf2Sha256 { iterations })
            }
            (Self::HKDF, 0) => Ok(Self::HkdfSha256),
            _ => Err(FormatError::KdfOutOfBounds),
        }
    }
}

/// The ways of unlocking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// Something known.
    Password = 1,
    /// Something written down.
    Recovery = 2,
    /// Something held: a WebAuthn credential with the PRF extension.
    Passkey = 3,
}

impl Way {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Password,
            2 => Self::Recovery,
            3 => Self::Passkey,
            _ => return None,
        })
    }
}

/// What a slot says in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotInfo {
    /// Random, made with the slot.
    pub id: Id,
    /// Counts with the vault's writes.
    pub revision: u64,
    /// Which way of unlocking.
    pub way: Way,
    /// How the KEK is derived.
    pub kdf: Kdf,
    /// Salt of that derivation.
    pub salt: [u8; 16],
    /// Input of the PRF extension; zeros unless a passkey.
    pub prf_salt: [u8; 32],
    /// Unix milliseconds.
    pub created_at: u64,
    /// WebAuthn credential id; empty unless a passkey.
    pub credential_id: Vec<u8>,
    /// WebAuthn relying party; empty unless a passkey.
    pub rp_id: String,
    /// What the person calls it; empty unless a passkey.
    pub label: String,
}

impl SlotInfo {
    /// The slot's key in the store.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        RecordKey::new(Kind::Slot, self.id)
    }

    fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let (kdf, iterations) = self.kdf.to_bytes();
        let mut writer = Writer::new();
        Prefix::write(&mut writer, Kind::Slot, self.revision);
        writer
            .u8(self.way as u8)
            .u8(kdf)
            .u32(iterations)
            .bytes(&self.salt)
            .bytes(&self.prf_salt)
            .u64(self.created_at)
            .short(&self.credential_id)?
            .short(self.rp_id.as_bytes())?
            .short(self.label.as_bytes())?;
        Ok(writer.finish_public())
    }

    /// record's associated data (43) ‖ SHA-256 of the slot's clear fields (32) ‖ SHA-256 of the
    /// relay's base URL (32).
    fn aad(&self, clear: &[u8], vault: Id, relay: &str) -> Vec<u8> {
        let mut bytes = aad::record(vault, self.key(), self.revision).to_vec();
        bytes.extend_from_slice(&hazmat::sha256(&[clear]));
        bytes.extend_from_slice(&hazmat::sha256(&[relay.as_bytes()]));
        bytes
    }
}

/// A slot as read: its clear fields, and the wrapped vault key.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The clear fields.
    pub info: SlotInfo,
    clear: Vec<u8>,
    nonce: Nonce,
    wrapped: [u8; Key::LEN + TAG_LEN],
}

impl Slot {
    /// Wraps the vault key and returns the bytes at rest.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] when a field is longer than the format allows.
    pub fn seal(
        info: &SlotInfo,
        kek: &Key,
        vault_key: &VaultKey,
        nonce: &Nonce,
        vault: Id,
        relay: &str,
    ) -> Result<Vec<u8>, FormatError> {
        let mut bytes = info.encode()?;
        let aad = info.aad(&bytes, vault, relay);
        // Wrapping needs the vault key's bytes, once.
        let mut wrapped = Vec::with_capacity(Key::LEN + TAG_LEN);
        wrapped.extend_from_slice(vault_key.0.expose());
        hazmat::seal(kek.expose(), nonce, &aad, &mut wrapped)?;
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(&wrapped);
        Ok(bytes)
    }

    /// Reads the bytes at rest. Nothing is believed yet but the bounds of the KDF parameters, which
    /// are checked here so that no caller can derive outside them.
    ///
    /// # Errors
    /// [`FormatError`]: of the future, malformed, or KDF out of bounds.
    pub fn decode(id: Id, bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let revision = Prefix::read(&mut reader, Kind::Slot)?.revision;
        let way = Way::from_byte(reader.u8()?).ok_or(FormatError::Malformed)?;
        let kdf = Kdf::from_bytes(reader.u8()?, reader.u32()?)?;
        if (way == Way::Password) != (kdf != Kdf::HkdfSha256) {
            return Err(FormatError::KdfOutOfBounds);
        }
        let info = SlotInfo {
            id,
            revision,
            way,
            kdf,
            salt: reader.array()?,
            prf_salt: reader.array()?,
            created_at: reader.u64()?,
            credential_id: reader.short()?.to_vec(),
            rp_id: reader.text()?,
            label: reader.text()?,
        };
        let clear_len = bytes.len() - reader.rest().len();
        let slot = Self {
            info,
            clear: bytes.get(..clear_len).unwrap_or_default().to_vec(),
            nonce: reader.array::<NONCE_LEN>()?,
            wrapped: reader.array()?,
        };
        reader.finish()?;
        Ok(slot)
    }

    /// Unwraps the vault key.
    ///
    /// # Errors
    /// [`FormatError::NotAuthentic`]: the KEK is another, or a field was altered.
    pub fn open(&self, kek: &Key, vault: Id, relay: &str) -> Result<VaultKey, FormatError> {
        let mut buffer = zeroize::Zeroizing::new(self.wrapped.to_vec());
        let aad = self.info.aad(&self.clear, vault, relay);
        // Unwrapping needs the KEK's bytes, once.
        hazmat::open(kek.expose(), &self.nonce, &aad, &mut buffer)?;
        Key::copy_of(&buffer)
            .map(VaultKey)
            .ok_or(FormatError::Malformed)
    }
}

/// Derives the KEK of a recovery code or of a passkey's PRF output.
///
/// # Errors
/// None in practice.
pub fn derive_kek(way: Way, input: &[u8], salt: &[u8; 16]) -> Result<Key, FormatError> {
    let label: &[u8] = match way {
        Way::Password => return Err(FormatError::KdfOutOfBounds),
        Way::Recovery => b"keyferry/v1/kek/recovery",
        Way::Passkey => b"keyferry/v1/kek/passkey",
    };
    Ok(Key::filled(|out| {
        hazmat::derive_key(input, salt, label, out)
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: Id = Id::from_bytes([1; 16]);
    const RELAY: &str = "https://relay.example";

    fn info(way: Way) -> SlotInfo {
        SlotInfo {
            id: Id::from_bytes([2; 16]),
            revision: 3,
            way,
            kdf: match way {
                Way::Password => Kdf::Pbkdf2Sha256 {
                    iterations: 600_000,
                },
                _ => Kdf::HkdfSha256,
            },
            salt: [4; 16],
            prf_salt: [5; 32],
            created_at: 6,
            credential_id: vec![7; 20],
            rp_id: "vault.example".into(),
            label: "laptop".into(),
        }
    }

    fn key(seed: u8) -> Key {
        Key::copy_of(&[seed; 32]).unwrap()
    }

    fn sealed(way: Way) -> Vec<u8> {
        Slot::seal(
            &info(way),
            &key(8),
            &VaultKey(key(9)),
            &[1; 12],
            VAULT,
            RELAY,
        )
        .unwrap()
    }

    #[test]
    fn round_trip() {
        for way in [Way::Password, Way::Recovery, Way::Passkey] {
            let slot = Slot::decode(Id::from_bytes([2; 16]), &sealed(way)).unwrap();
            assert_eq!(slot.info, info(way));
            assert!(slot.open(&key(8), VAULT, RELAY).unwrap().0 == key(9));
        }
    }

    #[test]
    fn every_altered_bit_is_refused() {
        let bytes = sealed(Way::Passkey);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[at] ^= 1 << bit;
                let opened = Slot::decode(Id::from_bytes([2; 16]), &altered)
                    .and_then(|slot| slot.open(&key(8), VAULT, RELAY));
                assert!(opened.is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn another_relay_vault_slot_or_kek_is_refused() {
        let slot = Slot::decode(Id::from_bytes([2; 16]), &sealed(Way::Password)).unwrap();
        assert!(slot.open(&key(8), VAULT, "https://evil.example").is_err());
        assert!(slot.open(&key(8), Id::from_bytes([3; 16]), RELAY).is_err());
        assert!(slot.open(&key(7), VAULT, RELAY).is_err());
        let moved = Slot::decode(Id::from_bytes([9; 16]), &sealed(Way::Password)).unwrap();
        assert!(moved.open(&key(8), VAULT, RELAY).is_err());
    }

    #[test]
    fn parameters_out_of_bounds_are_refused_before_deriving() {
        for iterations in [0, 1, 599_999, 3_000_001, u32::MAX] {
            let weak = SlotInfo {
                kdf: Kdf::Pbkdf2Sha256 { iterations },
                ..info(Way::Password)
            };
            let bytes =
                Slot::seal(&weak, &key(8), &VaultKey(key(9)), &[1; 12], VAULT, RELAY).unwrap();
            assert_eq!(
                Slot::decode(weak.id, &bytes).err(),
                Some(FormatError::KdfOutOfBounds),
                "{iterations}"
            );
        }
        // A password slot that claims the fast derivation.
        let fast = SlotInfo {
            kdf: Kdf::HkdfSha256,
            ..info(Way::Password)
        };
        let bytes = Slot::seal(&fast, &key(8), &VaultKey(key(9)), &[1; 12], VAULT, RELAY).unwrap();
        assert_eq!(
            Slot::decode(fast.id, &bytes).err(),
            Some(FormatError::KdfOutOfBounds)
        );
    }

    #[test]
    fn recovery_and_passkey_never_share_a_kek() {
        let recovery = derive_kek(Way::Recovery, &[1; 16], &[2; 16]).unwrap();
        let passkey = derive_kek(Way::Passkey, &[1; 16], &[2; 16]).unwrap();
        assert!(recovery != passkey);
        assert!(derive_kek(Way::Password, b"password", &[2; 16]).is_err());
    }
}
