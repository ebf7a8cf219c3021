//! Creating a vault.

use zeroize::Zeroizing;

use super::{Stage, Vault, kek::NewSlot, session::Session};
use crate::{
    error::Error,
    format::{
        audit::Action,
        header::Header,
        id::{Id, RecordKey},
        keys::VaultKey,
        settings::Settings,
    },
    password,
    platform::Platform,
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
        let password = self.new_password(typed)?;
        let epoch = self.epoch.get();

        let random = self.platform.random();
        let vault_key = VaultKey::generate(random)?;
        let header = Header {
            vault: Id::generate(random)?,
            relay: self.config.relay.base(),
        };
        let by_password = self.new_password_slot(&password).await?;
        let (by_code, code) = self.new_recovery_slot()?;
        let settings = Settings {
            auto_lock_minutes: self.config.auto_lock_minutes,
            lock_on_hide: false,
            created_at: self.now(),
            exported_at: None,
            relay_key: self.config.relay_key,
        };
        let slots = [&by_password, &by_code];
        let contents = vec![(RecordKey::SETTINGS, settings.encode())];
        let puts = self.seal_all(&header, &vault_key, &slots, &contents, 1)?;

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
        match self.read_back(header, &vault_key, &slots).await {
            Ok(session) => self.install(epoch, session)?,
            Err(error) => {
                // What cannot be opened again must not look like a vault somebody relies on.
                self.platform.store().destroy().await?;
                return Err(error);
            }
        }
        self.note(Action::Created, Id::ONLY, 0);
        Ok(Created {
            recovery_code: code.to_text(),
        })
    }

    /// A password somebody wants from now on: normalised, and strong enough.
    pub(super) fn new_password(&self, typed: &Secret) -> Result<Secret, Error> {
        let password = self.normalize(typed).map_err(|_| Error::WeakPassword)?;
        password::check(&password)?;
        Ok(password)
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
