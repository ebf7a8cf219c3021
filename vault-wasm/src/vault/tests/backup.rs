//! Export and import.

use super::*;

const FILE_PASSWORD: &str = "a password for the file";

fn exported() -> (Vault<World>, Vec<u8>) {
    let (vault, _) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    block_on(vault.add_key(&new_key("groq", "gsk_abcdefghijklmnopqrstuvwxyz"))).unwrap();
    let file = block_on(vault.export(&secret(FILE_PASSWORD), &secret(PASSWORD))).unwrap();
    (vault, file)
}

#[test]
fn keys_come_back_in_another_vault_once() {
    let (_, file) = exported();
    let (other, _) = created(2);
    block_on(other.add_key(&new_key("openai", "sk-proj-this-one-was-here-before"))).unwrap();
    let imported = block_on(other.import(&file, &secret(FILE_PASSWORD))).unwrap();
    assert_eq!(imported, Imported { added: 2, known: 0 });
    let names: Vec<_> = block_on(other.list_keys())
        .unwrap()
        .into_iter()
        .map(|key| key.record.name)
        .collect();
    assert_eq!(names.len(), 3);
    assert!(names.contains(&"OpenAI".to_owned()) && names.contains(&"OpenAI 2".to_owned()));
    let again = block_on(other.import(&file, &secret(FILE_PASSWORD))).unwrap();
    assert_eq!(again, Imported { added: 0, known: 2 });
    for key in block_on(other.list_keys()).unwrap() {
        block_on(other.reveal_key(key.record.id, &secret(PASSWORD))).unwrap();
    }
}

#[test]
fn exporting_is_noted_and_needs_a_password_of_its_own() {
    let (vault, _) = exported();
    assert!(block_on(vault.settings()).unwrap().exported_at.is_some());
    assert_eq!(
        block_on(vault.export(&secret("short"), &secret(PASSWORD))).unwrap_err(),
        Error::WeakPassword
    );
}

#[test]
fn the_keys_go_out_to_nobody_without_the_vaults_own_password() {
    let (vault, code) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    block_on(vault.flush()).unwrap();
    let before = vault.platform().store.with(|records| records.clone());
    // The password of the file, nothing, and what reveals no key either.
    for typed in [FILE_PASSWORD, "", &code] {
        assert_eq!(
            block_on(vault.export(&secret(FILE_PASSWORD), &secret(typed))).unwrap_err(),
            Error::WrongPassword
        );
    }
    assert_eq!(
        vault.platform().store.with(|records| records.clone()),
        before
    );
    assert!(block_on(vault.settings()).unwrap().exported_at.is_none());
    let slept = vault.platform().clock.slept();
    block_on(vault.export(&secret(FILE_PASSWORD), &secret(PASSWORD))).unwrap();
    assert_eq!(vault.platform().clock.slept() - slept, 1_000, "guessing");
}

#[test]
fn a_file_of_ones_own_makes_guessing_no_quicker() {
    let (vault, file) = exported();
    let guess = || block_on(vault.unlock(&password("wrong"))).unwrap_err();
    for _ in 0..4 {
        assert_eq!(guess(), Error::WrongPassword);
    }
    block_on(vault.import(&file, &secret(FILE_PASSWORD))).unwrap();
    // Nor does a mistake about a file make it slower.
    block_on(vault.import(&file, &secret("wrong"))).unwrap_err();
    assert_eq!(vault.platform().clock.slept(), 1_000);
    guess();
    assert_eq!(vault.platform().clock.slept(), 3_000);
}

#[test]
fn a_wrong_password_or_file_changes_nothing() {
    let (_, file) = exported();
    let (other, _) = created(2);
    let import =
        |file: &[u8], password: &str| block_on(other.import(file, &secret(password))).unwrap_err();
    assert_eq!(import(&file, PASSWORD), Error::WrongPassword);
    assert_eq!(import(b"", FILE_PASSWORD), Error::BadBackup);
    assert_eq!(
        import(b"not a backup at all", FILE_PASSWORD),
        Error::BadBackup
    );
    let mut future = file.clone();
    future[9] = 7;
    assert_eq!(import(&future, FILE_PASSWORD), Error::FutureVersion);
    for len in [8, 14, 40, file.len() / 2, file.len() - 1] {
        assert_eq!(
            import(&file[..len], FILE_PASSWORD),
            Error::BadBackup,
            "cut at {len}"
        );
    }
    assert!(block_on(other.list_keys()).unwrap().is_empty());
}

#[test]
fn a_tampered_file_is_refused_wherever_it_was_touched() {
    let (_, file) = exported();
    for at in (0..file.len()).step_by(7) {
        let (other, _) = created(2);
        let mut tampered = file.clone();
        tampered[at] ^= 0x40;
        assert!(
            block_on(other.import(&tampered, &secret(FILE_PASSWORD))).is_err(),
            "byte {at}"
        );
        assert!(block_on(other.list_keys()).unwrap().is_empty());
    }
}

#[test]
fn the_stored_vault_itself_is_no_backup() {
    let (vault, _) = created(1);
    let records: Vec<_> = vault.platform().store.with(|records| {
        records
            .iter()
            .map(|(key, bytes)| (*key, bytes.clone()))
            .collect()
    });
    let file = crate::format::backup::encode(&records).unwrap();
    let (other, _) = created(2);
    assert_eq!(
        block_on(other.import(&file, &secret(PASSWORD))).unwrap_err(),
        Error::BadBackup
    );
}
