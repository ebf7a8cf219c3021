//! Settings of one vault, encrypted like metadata.

use zeroize::Zeroizing;

use super::{
    FormatError,
    codec::{Reader, Writer},
};

/// Version of this record's own layout.
const LAYOUT: u8 = 1;

/// What a person chose, and what was learnt of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Minutes without use until the vault locks, 1 to 1440.
    pub auto_lock_minutes: u16,
    /// Lock as soon as no page of the vault is visible.
    pub lock_on_hide: bool,
    /// Unix milliseconds.
    pub created_at: u64,
    /// When a backup was last exported, Unix milliseconds.
    pub exported_at: Option<u64>,
    /// The relay's long-term Ed25519 identity key, once known.
    pub relay_key: Option<[u8; 32]>,
}

impl Settings {
    /// The plaintext.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new();
        writer
            .u8(LAYOUT)
            .u16(self.auto_lock_minutes)
            .u8(u8::from(self.lock_on_hide))
            .u64(self.created_at)
            .optional_u64(self.exported_at)
            .u8(u8::from(self.relay_key.is_some()))
            .bytes(&self.relay_key.unwrap_or_default());
        writer.finish()
    }

    /// Reads the plaintext.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], [`FormatError::FutureVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.u8()?;
        if layout > LAYOUT {
            return Err(FormatError::FutureVersion);
        }
        let settings = Self {
            auto_lock_minutes: reader.u16()?,
            lock_on_hide: reader.bool()?,
            created_at: reader.u64()?,
            exported_at: reader.optional_u64()?,
            relay_key: {
                let known = reader.bool()?;
                let key = reader.array()?;
                known.then_some(key)
            },
        };
        reader.finish()?;
        Ok(settings)
    }
}
