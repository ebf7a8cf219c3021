//! What is known about a provider key, without the key.

use zeroize::Zeroizing;

use super::{
    FormatError,
    codec::{Reader, Writer},
    id::Id,
};

/// Version of this record's own layout.
const LAYOUT: u8 = 1;

/// How a key fared at its last test or use. The discriminant is what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Status {
    /// Never tested.
    #[default]
    Unknown = 0,
    /// Accepted by the provider.
    Valid = 1,
    /// Refused by the provider.
    Invalid = 2,
    /// Genuine, without the permission that was needed.
    WrongScope = 3,
    /// Genuine, without credit.
    NoCredit = 4,
    /// Genuine, too many requests.
    RateLimited = 5,
    /// Of a form the provider has retired.
    DeprecatedFormat = 6,
    /// The provider could not be reached.
    Unreachable = 7,
}

impl Status {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Valid,
        Self::Invalid,
        Self::WrongScope,
        Self::NoCredit,
        Self::RateLimited,
        Self::DeprecatedFormat,
        Self::Unreachable,
    ];

    /// The name used in JavaScript and by the relay's verdicts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::WrongScope => "wrong_scope",
            Self::NoCredit => "no_credit",
            Self::RateLimited => "rate_limited",
            Self::DeprecatedFormat => "deprecated_format",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Metadata of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Random, made with the record.
    pub id: Id,
    /// Catalogue id.
    pub provider: String,
    /// Chosen by the person, unique per provider.
    pub name: String,
    /// `sk-p…wxyz`; empty for keys too short to show any part of.
    pub preview: String,
    /// Whether requests may use it.
    pub active: bool,
    /// Whether the key has a form its provider is known for.
    pub known_shape: bool,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds.
    pub updated_at: u64,
    /// Unix milliseconds.
    pub expires_at: Option<u64>,
    /// Millionths of a US dollar per UTC day.
    pub daily_cap_micros: Option<u64>,
    /// Unix milliseconds.
    pub tested_at: Option<u64>,
    /// How it fared last.
    pub status: Status,
    /// [`super::keys::VaultKeys::fingerprint`] of the key.
    pub fingerprint: [u8; 32],
}

impl KeyRecord {
    /// The plaintext.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] when a text is longer than 65,535 bytes.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        let mut writer = Writer::new();
        writer
            .u8(LAYOUT)
            .short(self.provider.as_bytes())?
            .short(self.name.as_bytes())?
            .short(self.preview.as_bytes())?
            .u8(u8::from(self.active))
            .u8(u8::from(self.known_shape))
            .u64(self.created_at)
            .u64(self.updated_at)
            .optional_u64(self.expires_at)
            .optional_u64(self.daily_cap_micros)
            .optional_u64(self.tested_at)
            .u8(self.status as u8)
            .bytes(&self.fingerprint);
        Ok(writer.finish())
    }

    /// Reads the plaintext.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], [`FormatError::FutureVersion`].
    pub fn decode(id: Id, bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.u8()?;
        if layout > LAYOUT {
            return Err(FormatError::FutureVersion);
        }
        let record = Self {
            id,
            provider: reader.text()?,
            name: reader.text()?,
            preview: reader.text()?,
            active: reader.bool()?,
            known_shape: reader.bool()?,
            created_at: reader.u64()?,
            updated_at: reader.u64()?,
            expires_at: reader.optional_u64()?,
            daily_cap_micros: reader.optional_u64()?,
            tested_at: reader.optional_u64()?,
            status: Status::ALL
                .get(usize::from(reader.u8()?))
                .copied()
                .ok_or(FormatError::Malformed)?,
            fingerprint: reader.array()?,
        };
        reader.finish()?;
        Ok(record)
    }
}
