//! Creating a vault.

use zeroize::Zeroizing;

use super::{Call, Stage, Vault, call::Records};
use crate::{
    error::Error,
    format::{
        audit::Action,
        header::Header,
        id::{Id, RecordKey},
        settings::Settings,
    },
    password,
    platform::Platform,
    secret::Secret,
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
    pub fn create(&self, typed: &Secret) -> Call<'_, P, Created> {
        Call::new(self, || {
            if !matches!(self.state.borrow().stage, Stage::Empty) {
                return Err(Error::Exists);
            }
            let password = self.new_password(typed)?;
            let (by_code, code) = self.new_recovery_slot()?;
            let wait = self.begin_closed(Records::Known).slot_for(password);
            let wait = wait.replace(move |vault, ready| {
                let header = Header {
                    vault: Id::generate(vault.platform.random())?,
                    relay: vault.config.relay.base(),
                };
                let settings = Settings {
                    auto_lock_minutes: vault.config.auto_lock_minutes,
                    lock_on_hide: false,
                    created_at: vault.now(),
                    exported_at: None,
                    relay_key: vault.config.relay_key,
                };
                let mut slots = vec![by_code];
                slots.extend(ready.slot.take());
                let contents = || vec![(RecordKey::SETTINGS, settings.encode())];
                vault.replacement(header, slots, &|_| Ok(contents()), None, 1)
            });
            Ok(wait.then(move |vault, ready| {
                let session = ready.session.take().ok_or(Error::StorageFailed)?;
                vault.install(ready.ticket.0, session)?;
                vault.note(Action::Created, Id::ONLY, 0);
                Ok(Created {
                    recovery_code: code.to_text(),
                })
            }))
        })
    }

    /// A password somebody wants from now on: normalised, and strong enough.
    pub(super) fn new_password(&self, typed: &Secret) -> Result<Secret, Error> {
        let password = self.normalize(typed).map_err(|_| Error::WeakPassword)?;
        password::check(&password)?;
        Ok(password)
    }
}
