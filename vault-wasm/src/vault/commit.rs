//! Writing: plan on what is known, write if nobody else did, otherwise read anew and plan again.

use std::rc::Rc;

use super::{
    Stage, Ticket, Vault, call::Found, change::Changes, session::Session, unlock::find_header,
};
use crate::{
    error::Error,
    format::id::RecordKey,
    lock::{Input, Reason},
    platform::{Event, Platform},
    store::{Durability, Store, StoreError},
};

/// How often a plan is made anew because another tab was faster.
const ATTEMPTS: usize = 8;

impl<P: Platform> Vault<P> {
    /// Carries out one change of the vault in one transaction.
    ///
    /// `plan` may run several times; it must depend on nothing but the session it is shown.
    ///
    /// # Errors
    /// What `plan` says, storage errors (nothing has changed then), [`Error::Locked`] when the vault
    /// was locked meanwhile.
    pub(crate) async fn commit(
        &self,
        ticket: Ticket,
        durability: Durability,
        plan: &dyn Fn(&Session) -> Result<Changes, Error>,
    ) -> Result<(), Error> {
        let _turn = self.platform.store().turn().await;
        for _ in 0..ATTEMPTS {
            let planned = self.with(ticket, |session| {
                let changes = plan(session)?;
                if changes.is_empty() {
                    return Ok(None);
                }
                session
                    .stage(changes, durability, self.platform.random())
                    .map(Some)
            })?;
            let Some(staged) = planned else { return Ok(()) };
            let staged = Rc::new(staged);
            self.in_flight.borrow_mut().push(Rc::clone(&staged));
            let written = self.platform.store().write(&staged.batch).await;
            self.in_flight
                .borrow_mut()
                .retain(|other| !Rc::ptr_eq(other, &staged));
            match written {
                Ok(()) => {
                    self.with_mut(ticket, |session| {
                        session.adopt(&staged);
                        Ok(())
                    })?;
                    self.emit(&Event::Change);
                    return Ok(());
                }
                Err(StoreError::Conflict) => self.reload(ticket).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Takes over what other tabs wrote. No use of the vault: its idle deadline stays where it is.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Empty`], [`Error::StorageLost`].
    pub async fn catch_up(&self) -> Result<(), Error> {
        self.handle(Input::Woken);
        self.check_open()?;
        self.refresh(Ticket(self.epoch.get())).await
    }

    /// Takes over what other tabs wrote, if they did.
    ///
    /// # Errors
    /// [`Error::Locked`] or [`Error::StorageLost`] when what is stored is no longer this vault. A
    /// store that cannot be read is no error here: what is in memory stays usable.
    pub(crate) async fn refresh(&self, ticket: Ticket) -> Result<(), Error> {
        match self.platform.store().read(RecordKey::MANIFEST).await {
            Ok(Some(bytes)) => {
                let current = self.with(ticket, |session| Ok(session.guard() == bytes))?;
                if current {
                    Ok(())
                } else {
                    self.reload(ticket).await
                }
            }
            Ok(None) | Err(StoreError::Lost) => self.reload(ticket).await,
            Err(_) => Ok(()),
        }
    }

    /// The revision of the open vault. To be asked for before everything is read: a change on its way
    /// may be written meanwhile, and known here first.
    pub(super) fn known_revision(&self) -> u64 {
        match &self.state.borrow().stage {
            Stage::Unlocked(session) => session.manifest().revision,
            _ => 0,
        }
    }

    /// What is stored from before a revision that is `known` is an older copy that something put in
    /// the vault's place. Whoever knows better does not take it for the vault.
    ///
    /// # Errors
    /// [`Error::Corrupt`] then, and the vault is locked.
    pub(super) fn check_not_older(
        &self,
        ticket: Ticket,
        known: u64,
        found: &Found,
    ) -> Result<(), Error> {
        let stored = self.with(ticket, |session| Ok(session.revision_of(found)));
        if stored.ok().flatten().is_some_and(|stored| stored < known) {
            self.lock_out(Reason::RolledBack);
            return Err(Error::Corrupt);
        }
        Ok(())
    }

    /// Reads everything anew.
    async fn reload(&self, ticket: Ticket) -> Result<(), Error> {
        let known = self.known_revision();
        let found = self.platform.store().read_all().await?;
        self.check_not_older(ticket, known, &found)?;
        if found.is_empty() {
            self.with(ticket, |_| Ok(()))?;
            self.lock_out(Reason::StorageLost);
            return Err(Error::StorageLost);
        }
        let header = find_header(&found).ok();
        let read = self.with_mut(ticket, |session| {
            if header.as_ref() != Some(session.header()) {
                return Err(Error::Corrupt);
            }
            session.reload(found)
        });
        match read {
            Ok(()) => {
                self.emit(&Event::Change);
                Ok(())
            }
            // Another tab changed the vault key, or somebody tampered: both need an unlock, which
            // tells them apart.
            Err(Error::Corrupt | Error::FutureVersion) => {
                self.lock_out(Reason::Rekeyed);
                Err(Error::Locked)
            }
            Err(error) => Err(error),
        }
    }
}
