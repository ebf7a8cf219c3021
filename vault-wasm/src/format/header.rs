//! The header: which vault this is and which relay it is bound to.
//!
//! In clear, because both are needed before a key exists; authenticated by every slot, whose
//! associated data contains both.
//!
//! ```text
//! "KEYFERRY" (8) ‖ version (2) ‖ vault id (16) ‖ relay: length (2) ‖ base URL
//! ```

use super::{
    FormatError, VERSION,
    codec::{Reader, Writer},
    id::Id,
};

const MAGIC: &[u8; 8] = b"KEYFERRY";

/// Which vault, bound to which relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Random, made at creation.
    pub vault: Id,
    /// Normalised base URL of the relay.
    pub relay: String,
}

impl Header {
    /// The bytes at rest.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a URL of more than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut writer = Writer::new();
        writer
            .bytes(MAGIC)
            .u16(VERSION)
            .bytes(self.vault.as_bytes());
        writer.short(self.relay.as_bytes())?;
        Ok(writer.finish_public())
    }

    /// Reads the bytes at rest.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], [`FormatError::FutureVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(FormatError::Malformed);
        }
        let version = reader.u16()?;
        if version > VERSION {
            return Err(FormatError::FutureVersion);
        }
        if version != VERSION {
            return Err(FormatError::Malformed);
        }
        let header = Self {
            vault: Id::from_bytes(reader.array()?),
            relay: reader.text()?,
        };
        reader.finish()?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let header = Header {
            vault: Id::from_bytes([5; 16]),
            relay: "https://relay.example".into(),
        };
        let bytes = header.encode().unwrap();
        assert_eq!(Header::decode(&bytes), Ok(header));
        for len in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..len]), Err(FormatError::Malformed));
        }
        let mut future = bytes.clone();
        future[9] = 9;
        assert_eq!(Header::decode(&future), Err(FormatError::FutureVersion));
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(Header::decode(&longer), Err(FormatError::Malformed));
    }
}
