//! Arbitrary bytes, and arbitrary changes of good ones: parsers answer with an error or with what
//! they would write themselves, and never panic.

use proptest::prelude::*;

use super::{super::backup, *};
use crate::format::{audit, settings::Settings, usage::Usage};

fn read_everything(bytes: &[u8]) {
    let keys = vault_key().derive(VAULT).unwrap();
    drop(Manifest::decode(bytes, VAULT, &keys));
    drop(backup::decode(bytes));
    let kek = Key::copy_of(&[0x88; 32]).unwrap();
    if let Ok(slot) = Slot::decode(SLOT_ID, bytes) {
        drop(slot.open(&kek, VAULT, RELAY));
    }
    for kind in [
        Kind::Metadata,
        Kind::Secret,
        Kind::Settings,
        Kind::Usage,
        Kind::Audit,
    ] {
        let key = RecordKey::new(kind, KEY_ID);
        drop(envelope::open(
            keys.for_kind(kind).unwrap(),
            VAULT,
            key,
            7,
            bytes,
        ));
    }
    // What is read is written back as it was: there is one spelling.
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode().unwrap(), bytes);
    }
    if let Ok(record) = KeyRecord::decode(KEY_ID, bytes) {
        assert_eq!(*record.encode().unwrap(), bytes);
    }
    if let Ok(settings) = Settings::decode(bytes)
        && settings.relay_key.is_some()
    {
        assert_eq!(*settings.encode(), bytes);
    }
    if let Ok(usage) = Usage::decode(bytes) {
        assert_eq!(*usage.encode().unwrap(), bytes);
    }
    if let Ok(events) = audit::decode(bytes) {
        assert_eq!(*audit::encode(&events).unwrap(), bytes);
    }
    if let Ok(records) = backup::decode(bytes) {
        assert_eq!(backup::encode(&records).unwrap(), bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read_everything(&bytes);
    }

    #[test]
    fn altered_records(
        which in 0..9_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let (_, mut bytes) = vectors().swap_remove(which);
        let len = bytes.len();
        bytes[at.index(len)] = byte;
        bytes.truncate(cut.index(len + 1));
        bytes.extend_from_slice(&tail);
        read_everything(&bytes);
    }

    #[test]
    fn altered_backups(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut file = include_bytes!("../../../tests/vectors/backup-v1.keyferry").to_vec();
        let at = at.index(file.len());
        file[at] = byte;
        read_everything(&file);
    }

    #[test]
    fn recovery_codes(typed in "\\PC{0,60}") {
        drop(recovery::RecoveryCode::parse(typed.as_bytes()));
    }
}
