//! Creating a vault.

use zeroize::Zeroizing;

use super::{Stage, Vault, kek::NewSlot, session::Session};
use crate::{
    error::Error,
    format::{
        envelope,
        header::Header,
        id::{Id, RecordKey},
        keys::VaultKey,
        manifest::Manifest,
        settings::Settings,
    },
    password,
    platform::{Platform, random_bytes},
    secret::Secret,
    store::{Batch, Durability, Store, StoreError},
};

/// What a person must keep.
#[derive(Debug)]
pub struct Created {
    /// To be written down; shown once.
    pub recovery_code: Zeroizing<String>,
}

impl<P: Platform> Vault<P> {
    /// Creates the vault, bound to the configured relay, and opens it.
    ///
    /// # Errors
    /// [`Error::Exists`] (also when another tab was faster), [`Error::WeakPassword`], storage errors.
    pub async fn create(&self, typed: &Secret) -> Result<Created, Error> {
        if !matches!(self.state.borrow().stage, Stage::Empty) {
            return Err(Error::Exists);
        }
        let password = self.normalize(typed).map_err(|_| Error::WeakPassword)?;
        password::check(&password)?;
        let epoch = self.epoch.get();

        let random = self.platform.random();
        let vault_key = VaultKey::generate(random)?;
        let header = Header {
            vault: Id::generate(random)?,
            relay: self.config.relay.base(),
        };
        let keys = vault_key.derive(header.vault)?;
        let by_password = self.new_password_slot(&password).await?;
        let (by_code, code) = self.new_recovery_slot()?;
        let settings = Settings {
            auto_lock_minutes: self.config.auto_lock_minutes,
            lock_on_hide: false,
            created_at: self.now(),
            exported_at: None,
            relay_key: self.config.relay_key,
            audit_chunk: 0,
        };

        let mut manifest = Manifest::at_revision(1);
        let mut puts = vec![(RecordKey::HEADER, header.encode()?)];
        for slot in [&by_password, &by_code] {
            let nonce = random_bytes(random)?;
            let bytes = slot.seal(&vault_key, &nonce, header.vault, &header.relay, 1)?;
            puts.push((slot.info.key(), bytes));
        }
        let settings_key = keys
            .for_kind(RecordKey::SETTINGS.kind)
            .ok_or(Error::Corrupt)?;
        let nonce = random_bytes(random)?;
        let text = settings.encode();
        let bytes = envelope::seal(
            settings_key,
            &nonce,
            header.vault,
            RecordKey::SETTINGS,
            1,
            &text,
        )?;
        puts.push((RecordKey::SETTINGS, bytes));
        for (key, _) in puts.iter().skip(1) {
            manifest.set(*key, 1);
        }
        puts.push((RecordKey::MANIFEST, manifest.encode(header.vault, &keys)?));

        if self.epoch.get() != epoch {
            return Err(Error::Locked);
        }
        let batch = Batch {
            guard: None,
            clear: false,
            puts,
            deletes: Vec::new(),
            durability: Durability::Strict,
        };
        match self.platform.store().write(&batch).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => {
                self.state.borrow_mut().stage = Stage::Locked;
                return Err(Error::Exists);
            }
            Err(error) => return Err(error.into()),
        }
        let session = self
            .read_back(header, &vault_key, &[&by_password, &by_code])
            .await;
        match session {
            Ok(session) => self.install(epoch, session)?,
            Err(error) => {
                // What cannot be opened again must not look like a vault somebody relies on.
                self.platform.store().destroy().await?;
                return Err(error);
            }
        }
        Ok(Created {
            recovery_code: code.to_text(),
        })
    }

    /// Reads what was just written and opens it the way it will be opened later.
    pub(super) async fn read_back(
        &self,
        header: Header,
        vault_key: &VaultKey,
        slots: &[&NewSlot],
    ) -> Result<Session, Error> {
        let found = self.platform.store().read_all().await?;
        for slot in slots {
            let bytes = found
                .iter()
                .find(|(key, _)| *key == slot.info.key())
                .map(|(_, bytes)| bytes)
                .ok_or(Error::StorageFailed)?;
            slot.check(bytes, vault_key, header.vault, &header.relay)?;
        }
        let keys = vault_key.derive(header.vault)?;
        Session::load(header, keys, found)
    }
}
