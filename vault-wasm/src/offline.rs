//! Opening a backup without a browser: the format alone, no platform.

use unicode_normalization::UnicodeNormalization as _;

use crate::{
    error::Error,
    format::{
        backup, envelope,
        header::Header,
        id::{Kind, RecordKey},
        key_record::KeyRecord,
        manifest::Manifest,
        slot::{Kdf, Slot, Way},
    },
    hazmat,
    secret::{Key, Secret},
};

/// One key of a backup.
#[derive(Debug)]
pub struct BackupKey {
    /// What is known about it.
    pub record: KeyRecord,
    /// The key itself.
    pub key: Secret,
}

/// Opens a backup file with its password.
///
/// # Errors
/// [`Error::BadBackup`], [`Error::FutureVersion`], [`Error::WrongPassword`], [`Error::KdfRefused`].
pub fn open_backup(file: &[u8], password: &Secret) -> Result<Vec<BackupKey>, Error> {
    let records = backup::decode(file).map_err(bad)?;
    let find = |wanted: RecordKey| {
        records
            .iter()
            .find(|(key, _)| *key == wanted)
            .map(|(_, bytes)| bytes.as_slice())
    };
    let header = Header::decode(find(RecordKey::HEADER).ok_or(Error::BadBackup)?).map_err(bad)?;
    let (slot_key, slot) = records
        .iter()
        .find(|(key, _)| key.kind == Kind::Slot)
        .ok_or(Error::BadBackup)?;
    let slot = Slot::decode(slot_key.id, slot).map_err(bad)?;
    let (Way::Password, Kdf::Pbkdf2Sha256 { iterations }) = (slot.info.way, slot.info.kdf) else {
        return Err(Error::BadBackup);
    };
    // Normalisation and derivation read the password.
    let typed = std::str::from_utf8(password.expose()).map_err(|_| Error::WrongPassword)?;
    let normal = Secret::new(typed.nfkc().collect::<String>().into_bytes());
    let kek = Key::filled(|out| {
        hazmat::derive_pbkdf2_sha256(normal.expose(), &slot.info.salt, iterations, out)
    })?;
    let vault_key = slot
        .open(&kek, header.vault, &header.relay)
        .map_err(|_| Error::WrongPassword)?;
    let keys = vault_key.derive(header.vault)?;
    let manifest = Manifest::decode(
        find(RecordKey::MANIFEST).ok_or(Error::BadBackup)?,
        header.vault,
        &keys,
    )
    .map_err(bad)?;
    let open = |key: RecordKey| {
        let revision = manifest.revision_of(key).ok_or(Error::BadBackup)?;
        let record_key = keys.for_kind(key.kind).ok_or(Error::BadBackup)?;
        let bytes = find(key).ok_or(Error::BadBackup)?;
        envelope::open(record_key, header.vault, key, revision, bytes).map_err(bad)
    };
    let mut found = Vec::new();
    for (key, _) in manifest
        .entries()
        .iter()
        .filter(|(key, _)| key.kind == Kind::Metadata)
    {
        let record = KeyRecord::decode(key.id, &open(*key)?).map_err(bad)?;
        let text = open(RecordKey::new(Kind::Secret, key.id))?;
        found.push(BackupKey {
            record,
            key: Secret::copy_of(&text),
        });
    }
    Ok(found)
}

fn bad(error: crate::format::FormatError) -> Error {
    match error.into() {
        error @ (Error::FutureVersion | Error::KdfRefused) => error,
        _ => Error::BadBackup,
    }
}
