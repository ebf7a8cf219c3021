//! Associated data: fixed-width fields, so that no two different sets of fields share their bytes.
//! What varies in length enters as its SHA-256.

use super::{
    VERSION,
    id::{Id, RecordKey},
};

/// Bytes of the associated data of a record.
pub const RECORD_LEN: usize = 2 + Id::LEN + 1 + Id::LEN + 8;

/// version (2) ‖ vault id (16) ‖ kind (1) ‖ record id (16) ‖ revision (8).
#[must_use]
pub fn record(vault: Id, key: RecordKey, revision: u64) -> [u8; RECORD_LEN] {
    let mut aad = [0; RECORD_LEN];
    let mut rest = aad.as_mut_slice();
    for field in [
        VERSION.to_be_bytes().as_slice(),
        vault.as_bytes(),
        &[key.kind.byte()],
        key.id.as_bytes(),
        &revision.to_be_bytes(),
    ] {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(field.len());
        head.copy_from_slice(field);
        rest = tail;
    }
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::id::Kind;

    #[test]
    fn fields_are_where_the_format_says() {
        let aad = record(
            Id::from_bytes([0x11; 16]),
            RecordKey::new(Kind::Secret, Id::from_bytes([0x22; 16])),
            0x0102,
        );
        assert_eq!(aad[..2], [0, 1]);
        assert_eq!(aad[2..18], [0x11; 16]);
        assert_eq!(aad[18], 6);
        assert_eq!(aad[19..35], [0x22; 16]);
        assert_eq!(aad[35..], [0, 0, 0, 0, 0, 0, 1, 2]);
    }
}
