//! A backup file: a small vault of its own, with a password slot and the keys, in the same records.
//!
//! ```text
//! "KEYFBACK" (8) ‖ version (2) ‖ count (4) ‖ count × [kind (1) ‖ id (16) ‖ length (4) ‖ record]
//! ```

use super::{
    FormatError, VERSION,
    codec::{Reader, Writer},
    id::{Id, Kind, RecordKey},
};

const MAGIC: &[u8; 8] = b"KEYFBACK";
/// What the relay of a backup's slot is: a backup belongs to no relay.
pub const NO_RELAY: &str = "";
/// More than anyone has; a guard against a file that claims billions.
const MAX_RECORDS: u32 = 100_000;

/// The bytes of a file.
///
/// # Errors
/// [`FormatError::Malformed`] for a record of more than 4 GiB.
pub fn encode(records: &[(RecordKey, Vec<u8>)]) -> Result<Vec<u8>, FormatError> {
    let mut writer = Writer::new();
    writer.bytes(MAGIC).u16(VERSION);
    writer.u32(u32::try_from(records.len()).map_err(|_| FormatError::Malformed)?);
    for (key, bytes) in records {
        let len = u32::try_from(bytes.len()).map_err(|_| FormatError::Malformed)?;
        writer
            .u8(key.kind.byte())
            .bytes(key.id.as_bytes())
            .u32(len)
            .bytes(bytes);
    }
    Ok(writer.finish_public())
}

/// Takes a file apart. Nothing in it is believed yet.
///
/// # Errors
/// [`FormatError::Malformed`], [`FormatError::FutureVersion`].
pub fn decode(bytes: &[u8]) -> Result<Vec<(RecordKey, Vec<u8>)>, FormatError> {
    let mut reader = Reader::new(bytes);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(FormatError::Malformed);
    }
    let version = reader.u16()?;
    if version > VERSION {
        return Err(FormatError::FutureVersion);
    }
    let count = reader.u32()?;
    if version != VERSION || count > MAX_RECORDS {
        return Err(FormatError::Malformed);
    }
    let mut records: Vec<(RecordKey, Vec<u8>)> = Vec::new();
    for _ in 0..count {
        let kind = Kind::from_byte(reader.u8()?).ok_or(FormatError::Malformed)?;
        let key = RecordKey::new(kind, Id::from_bytes(reader.array()?));
        if records.iter().any(|(known, _)| *known == key) {
            return Err(FormatError::Malformed);
        }
        let len = usize::try_from(reader.u32()?).map_err(|_| FormatError::Malformed)?;
        records.push((key, reader.take(len)?.to_vec()));
    }
    reader.finish()?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let records = vec![
            (RecordKey::HEADER, vec![1, 2, 3]),
            (
                RecordKey::new(Kind::Secret, Id::from_bytes([7; 16])),
                Vec::new(),
            ),
        ];
        let bytes = encode(&records).unwrap();
        assert_eq!(decode(&bytes), Ok(records.clone()));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), Err(FormatError::Malformed));
        }
        let twice = encode(&[records[0].clone(), records[0].clone()]).unwrap();
        assert_eq!(decode(&twice), Err(FormatError::Malformed));
        let mut future = bytes;
        future[9] = 3;
        assert_eq!(decode(&future), Err(FormatError::FutureVersion));
    }
}
