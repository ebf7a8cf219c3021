//! The one place where operations wait: for the store, for keys derived from passwords, for the relay.

use std::pin::Pin;

use super::{
    Stage, Ticket, Vault,
    backup::bad_backup,
    call::{Ready, Records, Replacement, Steps, Wait},
    session::Session,
    unlock::{Kek, Unlock, delay_after, find_header},
};
use crate::{
    error::Error,
    format::header::Header,
    platform::{Clock, Guesses, Platform},
    store::{Store, StoreError},
};

impl<P: Platform> Vault<P> {
    /// Begins an operation of the open vault; counts as a use of it.
    pub(super) fn begin(&self, records: Records) -> Result<Box<Wait<P>>, Error> {
        self.enter()?;
        Ok(self.begin_closed(records))
    }

    /// Begins an operation that works on a locked vault too.
    pub(super) fn begin_closed(&self, records: Records) -> Box<Wait<P>> {
        Wait::new(Ticket(self.epoch.get()), records)
    }

    /// Runs an operation.
    pub(crate) async fn run<T>(&self, steps: Steps<P, T>) -> Result<T, Error> {
        let mut ready = self.wait(steps.wait).await?;
        let output = (steps.finish)(self, &mut ready)?;
        if let Some(next) = ready.next.take() {
            drop(self.wait(next).await);
        }
        Ok(output)
    }

    /// Does all the waiting of an operation.
    fn wait(
        &self,
        wait: Box<Wait<P>>,
    ) -> Pin<Box<dyn Future<Output = Result<Ready<P>, Error>> + '_>> {
        Box::pin(async move {
            let mut wait = *wait;
            let ticket = wait.ticket;
            let mut ready = Ready::new(ticket);
            let given = matches!(wait.records, Records::Given(_));
            let open = matches!(wait.records, Records::Known | Records::Fresh);
            match wait.records {
                Records::Known => {}
                Records::Fresh => self.refresh(ticket).await?,
                Records::Stored => {
                    let known = self.known_revision();
                    ready.found = self.platform.store().read_all().await?;
                    self.check_not_older(ticket, known, &ready.found)?;
                }
                Records::Given(found) => ready.found = found,
            }
            if !open {
                ready.header = Some(find_header(&ready.found)?);
            } else if wait.proof.is_some() {
                (ready.header, ready.found) = self.with(ticket, |session| {
                    Ok((Some(session.header().clone()), session.raw_records()?))
                })?;
            }
            if wait.here {
                self.check_here(ready.header()?)?;
            }
            if let Some(way) = wait.proof.take() {
                let opened = self.prove(&mut ready, &way, !given).await;
                opened.map_err(|error| if given { bad_backup(error) } else { error })?;
            }
            if let Some(password) = wait.password.take() {
                ready.slot = Some(self.new_password_slot(&password).await?);
            }
            self.check(ticket)?;
            if let Some((question, context)) = wait.ask.take() {
                let question = question(self, &ready)?;
                ready.answer = self.post(ticket, &question, context.as_ref()).await?;
            }
            if let Some(make) = wait.replace.take() {
                let _turn = self.platform.store().turn().await;
                if open && let Some((slot, _)) = &ready.proven {
                    // The proof took long: what was written meanwhile is taken along.
                    self.refresh(ticket).await?;
                    ready.found =
                        self.with(ticket, |session| match session.record(slot.key()) {
                            Some(_) => session.raw_records(),
                            None => Err(Error::Busy),
                        })?;
                }
                let new = make(self, &mut ready)?;
                ready.session = Some(self.write_whole(ticket, new).await?);
            }
            if wait.destroy {
                // Without a turn: it is planned on nothing, and must not wait for anybody.
                self.platform.store().destroy().await?;
            }
            if let Some((durability, plan)) = wait.plan.take() {
                self.commit(ticket, durability, &|session| plan(self, &ready, session))
                    .await?;
            }
            Ok(ready)
        })
    }

    /// Whether a vault found in the store may be opened here.
    pub(super) fn check_here(&self, header: &Header) -> Result<(), Error> {
        let mut state = self.state.borrow_mut();
        // Another tab may have created it since this one looked.
        if matches!(state.stage, Stage::Empty) {
            state.stage = Stage::Locked;
        }
        if header.relay == self.config.relay.base() {
            Ok(())
        } else {
            Err(Error::RelayChanged)
        }
    }

    /// Opens a slot, attempts made at once one after the other. One of this vault's `own` after the
    /// delay that is due; not one of a backup: whoever has the file can guess elsewhere, and opening a
    /// file must not make guessing at the vault quick again.
    async fn prove(&self, ready: &mut Ready<P>, way: &Unlock, own: bool) -> Result<(), Error> {
        let attempt = self.attempt(&ready.found, way)?;
        let _turn = self.proving.next().await;
        let guesses = self.platform.guesses();
        ready.failures = if own { guesses.failures() } else { 0 };
        let delay = delay_after(ready.failures);
        if delay > 0 {
            self.platform.clock().sleep(delay).await;
        }
        let kek = match self.kek_of(&attempt, way)? {
            Kek::Known(kek) => kek,
            Kek::OfPassword(password) => self.password_kek(&attempt.slot.info, &password).await?,
        };
        let opened = self.open_slot(&attempt, way, &kek, ready.header()?);
        if own {
            let failures = ready.failures.saturating_add(1);
            guesses.set_failures(if opened.is_ok() { 0 } else { failures });
        }
        ready.proven = Some((attempt.slot.info, opened?));
        Ok(())
    }

    /// Writes a vault whole and opens it again.
    async fn write_whole(&self, ticket: Ticket, new: Replacement) -> Result<Session, Error> {
        self.check(ticket)?;
        match self.platform.store().write(&new.batch).await {
            Ok(()) => {}
            Err(StoreError::Conflict) if new.first => {
                let stage = &mut self.state.borrow_mut().stage;
                // Unless it was this tab itself that was faster.
                if matches!(stage, Stage::Empty) {
                    *stage = Stage::Locked;
                }
                return Err(Error::Exists);
            }
            Err(error) => return Err(error.into()),
        }
        let first = new.first;
        let found = self.platform.store().read_all().await;
        let opened = found
            .map_err(Error::from)
            .and_then(|found| new.opened(found));
        if first && opened.is_err() {
            // What cannot be opened again must not look like a vault somebody relies on.
            self.platform.store().destroy().await?;
        }
        opened
    }
}
