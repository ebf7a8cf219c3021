//! Names of things at rest.

use std::fmt;

use crate::{
    error::Error,
    platform::{Random, random_bytes},
};

/// 128 random bits: a vault, a slot or a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id([u8; Id::LEN]);

impl Id {
    /// Bytes in an id.
    pub const LEN: usize = 16;
    /// The id of records of which a vault has one.
    pub const ONLY: Self = Self([0; Self::LEN]);

    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// A number as an id, for numbered records (chunks of the audit log).
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        Self(u128::from(number).to_be_bytes())
    }

    /// The number of a numbered record.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        u64::try_from(u128::from_be_bytes(self.0)).ok()
    }

    /// A fresh random id.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(random: &impl Random) -> Result<Self, Error> {
        random_bytes(random).map(Self)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        let mut text = String::with_capacity(Self::LEN * 2);
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        text
    }

    /// The reverse of [`Id::to_hex`]; upper case is refused, so that a name has one spelling.
    #[must_use]
    pub fn parse_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != Self::LEN * 2 {
            return None;
        }
        let mut bytes = [0; Self::LEN];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
                *byte = (*byte << 4) | value;
            }
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// What a record holds. The discriminant is what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Vault id and relay, in clear, authenticated by every slot.
    Header = 1,
    /// The list of all records and their revisions, with its MAC.
    Manifest = 2,
    /// The vault key, wrapped under one way of unlocking.
    Slot = 3,
    /// Settings of the vault.
    Settings = 4,
    /// What is known about a provider key, without the key.
    Metadata = 5,
    /// A provider key.
    Secret = 6,
    /// What a provider key has been used for.
    Usage = 7,
    /// A chunk of the audit log.
    Audit = 8,
}

impl Kind {
    /// From what is written.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Header,
            2 => Self::Manifest,
            3 => Self::Slot,
            4 => Self::Settings,
            5 => Self::Metadata,
            6 => Self::Secret,
            7 => Self::Usage,
            8 => Self::Audit,
            _ => return None,
        })
    }

    /// What is written.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }
}

/// Which record: the primary key in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// What it holds.
    pub kind: Kind,
    /// Of which thing.
    pub id: Id,
}

impl RecordKey {
    /// The header.
    pub const HEADER: Self = Self::new(Kind::Header, Id::ONLY);
    /// The manifest.
    pub const MANIFEST: Self = Self::new(Kind::Manifest, Id::ONLY);
    /// The settings.
    pub const SETTINGS: Self = Self::new(Kind::Settings, Id::ONLY);

    /// A record of this kind about this thing.
    #[must_use]
    pub const fn new(kind: Kind, id: Id) -> Self {
        Self { kind, id }
    }

    /// The store's key: the kind as one digit, `/`, the id in hexadecimal.
    #[must_use]
    pub fn to_name(self) -> String {
        let mut name = String::with_capacity(34);
        name.push(char::from(b'0' + self.kind.byte()));
        name.push('/');
        name.push_str(&self.id.to_hex());
        name
    }

    /// The reverse of [`RecordKey::to_name`].
    #[must_use]
    pub fn parse_name(name: &str) -> Option<Self> {
        let (kind, id) = name.split_once('/')?;
        let &[digit] = kind.as_bytes() else {
            return None;
        };
        let kind = Kind::from_byte(digit.checked_sub(b'0')?)?;
        Some(Self {
            kind,
            id: Id::parse_hex(id)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        let key = RecordKey::new(Kind::Secret, Id::from_bytes([0xa5; 16]));
        assert_eq!(key.to_name(), "6/a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5");
        assert_eq!(RecordKey::parse_name(&key.to_name()), Some(key));
        for bad in [
            "6/A5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5",
            "9/a5",
            "66/a5",
            "",
            "6",
            "/",
            "0/",
        ] {
            assert_eq!(RecordKey::parse_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_kind_comes_back_from_its_byte() {
        for byte in 0..=u8::MAX {
            if let Some(kind) = Kind::from_byte(byte) {
                assert_eq!(kind.byte(), byte);
            }
        }
        assert_eq!(Kind::from_byte(0), None);
        assert_eq!(Kind::from_byte(9), None);
    }

    #[test]
    fn numbered_ids_keep_their_number_and_order() {
        assert_eq!(Id::numbered(77).number(), Some(77));
        assert!(Id::numbered(255) < Id::numbered(256));
        assert_eq!(Id::from_bytes([1; 16]).number(), None);
    }
}
