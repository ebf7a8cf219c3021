//! What lies in IndexedDB may have been changed by anything that runs on the origin.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vault_wasm::Key;
use vault_wasm::format::{
    audit, envelope,
    header::Header,
    id::{Id, Kind, RecordKey},
    key_record::KeyRecord,
    settings::Settings,
    slot::Slot,
    usage::Usage,
};

fuzz_target!(|bytes: &[u8]| {
    let id = Id::ONLY;
    drop(Header::decode(bytes));
    drop(Slot::decode(id, bytes));
    drop(KeyRecord::decode(id, bytes));
    drop(Settings::decode(bytes));
    drop(Usage::decode(bytes));
    drop(audit::decode(bytes));
    if let Some(key) = Key::copy_of(&[7; 32]) {
        let record = RecordKey::new(Kind::Metadata, id);
        let opened = envelope::open(&key, id, record, 1, bytes);
        assert!(opened.is_err(), "a forged record opened");
    }
});
