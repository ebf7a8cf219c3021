//! An encrypted record: what it is in clear and authenticated, what it says encrypted and padded.
//!
//! ```text
//! version (2) ‖ kind (1) ‖ revision (8) ‖ nonce (12) ‖ AES-256-GCM(length (4) ‖ text ‖ zeros) (n × 256 + 16)
//! ```

use zeroize::Zeroizing;

use super::{
    FormatError, VERSION, aad,
    codec::{Reader, Writer},
    id::{Id, Kind, RecordKey},
};
use crate::{
    hazmat::{self, NONCE_LEN, Nonce},
    secret::Key,
};

/// Ciphertexts grow in steps of this many bytes, so that their length tells neither the provider
/// nor the kind of key.
pub const PADDING_STEP: usize = 256;

/// version (2) ‖ kind (1) ‖ revision (8)
const PREFIX_LEN: usize = 11;

/// The clear prefix every record but header and manifest begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Counts up with every write.
    pub revision: u64,
}

impl Prefix {
    /// version (2) ‖ kind (1) ‖ revision (8).
    pub fn write(writer: &mut Writer, kind: Kind, revision: u64) {
        writer.u16(VERSION).u8(kind.byte()).u64(revision);
    }

    /// Reads the prefix of a record that should be of this kind.
    ///
    /// # Errors
    /// [`FormatError::FutureVersion`], [`FormatError::Malformed`].
    pub fn read(reader: &mut Reader<'_>, kind: Kind) -> Result<Self, FormatError> {
        let version = reader.u16()?;
        if version > VERSION {
            return Err(FormatError::FutureVersion);
        }
        if version != VERSION || reader.u8()? != kind.byte() {
            return Err(FormatError::Malformed);
        }
        Ok(Self {
            revision: reader.u64()?,
        })
    }
}

/// The revision a record claims in its prefix, of whichever version it is; zero when it is cut before
/// that. Nothing proves it.
#[must_use]
pub fn claimed_revision(bytes: &[u8]) -> u64 {
    let revision = bytes
        .get(3..PREFIX_LEN)
        .and_then(|bytes| bytes.try_into().ok());
    revision.map_or(0, u64::from_be_bytes)
}

/// Fails when a record has a length that none has: it was cut, or is something else. Decrypts nothing.
///
/// # Errors
/// [`FormatError::Malformed`].
pub fn check_length(bytes: &[u8]) -> Result<(), FormatError> {
    match bytes
        .len()
        .checked_sub(PREFIX_LEN + NONCE_LEN + hazmat::TAG_LEN)
    {
        Some(padded) if padded > 0 && padded % PADDING_STEP == 0 => Ok(()),
        _ => Err(FormatError::Malformed),
    }
}

/// Encrypts `text` as the content of record `key` at `revision`.
///
/// # Errors
/// [`FormatError::Malformed`] when the text is longer than 4 GiB.
pub fn seal(
    encryption_key: &Key,
    nonce: &Nonce,
    vault: Id,
    key: RecordKey,
    revision: u64,
    text: &[u8],
) -> Result<Vec<u8>, FormatError> {
    let len = u32::try_from(text.len()).map_err(|_| FormatError::Malformed)?;
    let padded = (text.len() + 4).next_multiple_of(PADDING_STEP);
    let mut buffer = Zeroizing::new(Vec::with_capacity(padded + hazmat::TAG_LEN));
    buffer.extend_from_slice(&len.to_be_bytes());
    buffer.extend_from_slice(text);
    buffer.resize(padded, 0);
    // The cipher needs the key itself.
    hazmat::seal(
        encryption_key.expose(),
        nonce,
        &aad::record(vault, key, revision),
        &mut buffer,
    )?;

    let mut writer = Writer::new();
    Prefix::write(&mut writer, key.kind, revision);
    writer.bytes(nonce).bytes(&buffer);
    Ok(writer.finish_public())
}

/// Decrypts a record, which must be the one named, of this vault, at this revision.
///
/// # Errors
/// [`FormatError`]: of the future, malformed, or not authentic.
pub fn open(
    encryption_key: &Key,
    vault: Id,
    key: RecordKey,
    revision: u64,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    let mut reader = Reader::new(bytes);
    if Prefix::read(&mut reader, key.kind)?.revision != revision {
        return Err(FormatError::NotAuthentic);
    }
    let nonce: [u8; NONCE_LEN] = reader.array()?;
    let mut buffer = Zeroizing::new(reader.rest().to_vec());
    // The cipher needs the key itself.
    hazmat::open(
        encryption_key.expose(),
        &nonce,
        &aad::record(vault, key, revision),
        &mut buffer,
    )?;

    let mut padded = Reader::new(&buffer);
    let len = usize::try_from(padded.u32()?).map_err(|_| FormatError::Malformed)?;
    let text = Zeroizing::new(padded.take(len)?.to_vec());
    if padded.rest().iter().any(|&byte| byte != 0) || padded.rest().len() >= PADDING_STEP {
        return Err(FormatError::Malformed);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: RecordKey = RecordKey::new(Kind::Metadata, Id::from_bytes([2; 16]));
    const VAULT: Id = Id::from_bytes([1; 16]);

    fn key() -> Key {
        Key::copy_of(&[3; 32]).unwrap()
    }

    #[test]
    fn opens_what_it_sealed_at_every_length_around_the_padding_step() {
        for len in [0, 1, 251, 252, 253, 507, 508, 509, 5000] {
            let text = vec![0x5a; len];
            let sealed = seal(&key(), &[4; 12], VAULT, KEY, 7, &text).unwrap();
            assert_eq!((sealed.len() - 23 - 16) % 256, 0);
            assert_eq!(check_length(&sealed), Ok(()));
            for wrong in [&sealed[..39], &sealed[..sealed.len() - 1], &[]] {
                assert_eq!(check_length(wrong), Err(FormatError::Malformed));
            }
            assert_eq!(*open(&key(), VAULT, KEY, 7, &sealed).unwrap(), text);
        }
    }

    #[test]
    fn lengths_within_a_step_look_alike() {
        let short = seal(&key(), &[4; 12], VAULT, KEY, 7, b"sk-1").unwrap();
        let long = seal(&key(), &[4; 12], VAULT, KEY, 7, &[b'x'; 200]).unwrap();
        assert_eq!(short.len(), long.len());
    }

    #[test]
    fn refuses_every_single_bit_flip() {
        let sealed = seal(&key(), &[4; 12], VAULT, KEY, 7, b"text").unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut altered = sealed.clone();
                altered[at] ^= 1 << bit;
                assert!(
                    open(&key(), VAULT, KEY, 7, &altered).is_err(),
                    "byte {at} bit {bit}"
                );
            }
        }
    }

    #[test]
    fn refuses_every_truncation_and_anything_appended() {
        let sealed = seal(&key(), &[4; 12], VAULT, KEY, 7, b"text").unwrap();
        for len in 0..sealed.len() {
            assert!(open(&key(), VAULT, KEY, 7, &sealed[..len]).is_err());
        }
        let mut longer = sealed;
        longer.push(0);
        assert_eq!(
            open(&key(), VAULT, KEY, 7, &longer),
            Err(FormatError::NotAuthentic)
        );
    }

    #[test]
    fn refuses_another_vault_record_kind_or_revision() {
        let sealed = seal(&key(), &[4; 12], VAULT, KEY, 7, b"text").unwrap();
        let other = Id::from_bytes([9; 16]);
        assert!(open(&key(), other, KEY, 7, &sealed).is_err());
        assert!(
            open(
                &key(),
                VAULT,
                RecordKey::new(Kind::Metadata, other),
                7,
                &sealed
            )
            .is_err()
        );
        assert!(
            open(
                &key(),
                VAULT,
                RecordKey::new(Kind::Secret, KEY.id),
                7,
                &sealed
            )
            .is_err()
        );
        assert!(open(&key(), VAULT, KEY, 6, &sealed).is_err());
        assert!(open(&Key::zeroed(), VAULT, KEY, 7, &sealed).is_err());
    }

    #[test]
    fn names_a_future_version() {
        let mut sealed = seal(&key(), &[4; 12], VAULT, KEY, 7, b"text").unwrap();
        sealed[1] = 2;
        assert_eq!(
            open(&key(), VAULT, KEY, 7, &sealed),
            Err(FormatError::FutureVersion)
        );
    }
}
