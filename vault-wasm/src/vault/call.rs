//! An operation of the vault, taken apart at the places where it waits.
//!
//! What an operation decides, it decides in synchronous functions. Everything that waits is done by
//! one driver for all operations, always in this order:
//!
//! ```text
//! records ─► proof ─► new slot ─► question to the relay ─► write ─► finish
//! ```
//!
//! An operation says which of these it needs and hands over the functions that run between them.
//! The module then has one state machine instead of one for every operation.

use std::{cell::Cell, pin::Pin};

use super::{
    Stage, Ticket, Vault,
    backup::bad_backup,
    kek::NewSlot,
    relay::{ContextOf, Question},
    session::{Changes, Session},
    unlock::{Kek, Unlock, find_header},
};
use crate::{
    error::Error,
    format::{
        header::Header,
        id::{Id, RecordKey},
        keys::VaultKey,
        slot::SlotInfo,
    },
    platform::{Clock, Platform},
    secret::Secret,
    store::{Batch, Durability, Store, StoreError},
};

/// Records as they lie at rest.
pub(super) type Found = Vec<(RecordKey, Vec<u8>)>;

/// Which records an operation is about.
pub(super) enum Records {
    /// None, or those of the open vault as this tab knows them.
    Known,
    /// Those of the open vault, after taking over what other tabs wrote.
    Fresh,
    /// What is in the store, whether the vault is open or not.
    Stored,
    /// Those of a backup.
    Given(Found),
}

/// What has come of the waiting.
pub(super) struct Ready<P: Platform> {
    /// Of the moment the operation began.
    pub(super) ticket: Ticket,
    /// Header and records, where the operation needs them as they lie at rest.
    pub(super) header: Option<Header>,
    pub(super) found: Found,
    /// The slot that opened, its vault key, and how many wrong attempts came before.
    pub(super) proven: Option<(SlotInfo, VaultKey)>,
    pub(super) failures: u32,
    /// For the new password.
    pub(super) slot: Option<NewSlot>,
    /// The key the relay was asked with, where the question chose it.
    pub(super) key: Cell<Option<Id>>,
    /// The relay's.
    pub(super) answer: Vec<u8>,
    /// The vault that was written whole, read back and opened.
    pub(super) session: Option<Session>,
    /// What is done behind the operation; its failure is none of the operation's.
    pub(super) next: Option<Box<Wait<P>>>,
}

impl<P: Platform> Ready<P> {
    /// The header of the records.
    pub(super) fn header(&self) -> Result<&Header, Error> {
        self.header.as_ref().ok_or(Error::Corrupt)
    }

    /// The vault key that was proven to be known.
    pub(super) fn vault_key(&self) -> Result<&VaultKey, Error> {
        match &self.proven {
            Some((_, vault_key)) => Ok(vault_key),
            None => Err(Error::WrongPassword),
        }
    }
}

/// A vault to be written whole.
pub(super) struct Replacement {
    pub(super) header: Header,
    pub(super) vault_key: VaultKey,
    pub(super) slots: Vec<NewSlot>,
    pub(super) batch: Batch,
}

impl Replacement {
    /// Opens what was just written the way it will be opened later.
    fn opened(self, found: Found) -> Result<Session, Error> {
        for slot in &self.slots {
            let bytes = found
                .iter()
                .find(|(key, _)| *key == slot.info.key())
                .map(|(_, bytes)| bytes)
                .ok_or(Error::StorageFailed)?;
            slot.check(
                bytes,
                &self.vault_key,
                self.header.vault,
                &self.header.relay,
            )?;
        }
        let keys = self.vault_key.derive(self.header.vault)?;
        Session::load(self.header, keys, found)
    }
}

type Ask<P> = Box<dyn FnOnce(&Vault<P>, &Ready<P>) -> Result<Question, Error>>;
type Plan<P> = Box<dyn Fn(&Vault<P>, &Ready<P>, &Session) -> Result<Changes, Error>>;
type Replace<P> = Box<dyn FnOnce(&Vault<P>, &mut Ready<P>) -> Result<Replacement, Error>>;
type Finish<P, T> = Box<dyn FnOnce(&Vault<P>, &mut Ready<P>) -> Result<T, Error>>;

/// What an operation waits for.
pub(super) struct Wait<P: Platform> {
    ticket: Ticket,
    records: Records,
    /// Whether it is refused when the vault is bound to another relay.
    here: bool,
    proof: Option<Unlock>,
    password: Option<Secret>,
    ask: Option<(Ask<P>, Option<ContextOf<P>>)>,
    plan: Option<(Durability, Plan<P>)>,
    replace: Option<Replace<P>>,
    /// Whether the store is emptied, and the database deleted.
    destroy: bool,
}

impl<P: Platform> Wait<P> {
    /// The store is emptied, and the database deleted.
    pub(super) fn destroy(mut self: Box<Self>) -> Box<Self> {
        self.destroy = true;
        self
    }

    /// For what opens the vault: refused when it is bound to another relay.
    pub(super) fn here(mut self: Box<Self>) -> Box<Self> {
        self.here = true;
        self
    }

    /// One of the slots must open.
    pub(super) fn proof(mut self: Box<Self>, way: Unlock) -> Box<Self> {
        self.proof = Some(way);
        self
    }

    /// The password slot must open.
    pub(super) fn proof_of(self: Box<Self>, typed: &Secret) -> Box<Self> {
        // Copied because the operation outlives the call; wiped with it.
        self.proof(Unlock::Password(Secret::copy_of(typed.expose())))
    }

    /// A slot for a password, normalised, is derived.
    pub(super) fn slot_for(mut self: Box<Self>, password: Secret) -> Box<Self> {
        self.password = Some(password);
        self
    }

    /// The relay is asked.
    pub(super) fn ask(
        mut self: Box<Self>,
        context: Option<ContextOf<P>>,
        question: impl FnOnce(&Vault<P>, &Ready<P>) -> Result<Question, Error> + 'static,
    ) -> Box<Self> {
        self.ask = Some((Box::new(question), context));
        self
    }

    /// The open vault is changed. `plan` may run several times; it depends on nothing but what it
    /// is shown.
    pub(super) fn change(
        mut self: Box<Self>,
        durability: Durability,
        plan: impl Fn(&Vault<P>, &Ready<P>, &Session) -> Result<Changes, Error> + 'static,
    ) -> Box<Self> {
        self.plan = Some((durability, Box::new(plan)));
        self
    }

    /// The vault is written whole, and opened again before anyone relies on it.
    pub(super) fn replace(
        mut self: Box<Self>,
        make: impl FnOnce(&Vault<P>, &mut Ready<P>) -> Result<Replacement, Error> + 'static,
    ) -> Box<Self> {
        self.replace = Some(Box::new(make));
        self
    }

    /// What the operation ends with.
    pub(super) fn then<T>(
        self: Box<Self>,
        finish: impl FnOnce(&Vault<P>, &mut Ready<P>) -> Result<T, Error> + 'static,
    ) -> Steps<P, T> {
        Steps {
            wait: self,
            finish: Box::new(finish),
        }
    }
}

/// An operation, ready to be run.
pub(crate) struct Steps<P: Platform, T> {
    wait: Box<Wait<P>>,
    finish: Finish<P, T>,
}

/// An operation that has begun. Awaiting it runs it.
#[must_use = "it does nothing unless it is awaited"]
pub struct Call<'a, P: Platform, T> {
    vault: &'a Vault<P>,
    steps: Result<Steps<P, T>, Error>,
}

impl<'a, P: Platform, T: 'static> Call<'a, P, T> {
    pub(super) fn new(
        vault: &'a Vault<P>,
        begin: impl FnOnce() -> Result<Steps<P, T>, Error>,
    ) -> Self {
        Self {
            vault,
            steps: begin(),
        }
    }

    /// The operation by itself, with another output.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn map<U>(
        self,
        convert: impl FnOnce(T) -> U + 'static,
    ) -> Result<Steps<P, U>, Error> {
        self.try_map(|output| Ok(convert(output)))
    }

    /// The same, where the output may turn out to be unusable.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn try_map<U>(
        self,
        convert: impl FnOnce(T) -> Result<U, Error> + 'static,
    ) -> Result<Steps<P, U>, Error> {
        let Steps { wait, finish } = self.steps?;
        Ok(wait.then(move |vault, ready| convert(finish(vault, ready)?)))
    }
}

impl<'a, P: Platform, T: 'static> IntoFuture for Call<'a, P, T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.vault.run(self.steps?).await })
    }
}

impl<P: Platform> Vault<P> {
    /// Begins an operation of the open vault; counts as a use of it.
    pub(super) fn begin(&self, records: Records) -> Result<Box<Wait<P>>, Error> {
        self.enter()?;
        Ok(self.begin_closed(records))
    }

    /// Begins an operation that works on a locked vault too.
    pub(super) fn begin_closed(&self, records: Records) -> Box<Wait<P>> {
        Box::new(Wait {
            ticket: Ticket(self.epoch.get()),
            records,
            here: false,
            proof: None,
            password: None,
            ask: None,
            plan: None,
            replace: None,
            destroy: false,
        })
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
            let mut ready = Ready {
                ticket,
                header: None,
                found: Found::new(),
                proven: None,
                failures: 0,
                slot: None,
                key: Cell::new(None),
                answer: Vec::new(),
                session: None,
                next: None,
            };
            let given = matches!(wait.records, Records::Given(_));
            let open = matches!(wait.records, Records::Known | Records::Fresh);
            match wait.records {
                Records::Known => {}
                Records::Fresh => self.refresh(ticket).await?,
                Records::Stored => ready.found = self.platform.store().read_all().await?,
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
                let opened = self.prove(&mut ready, &way).await;
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
                let new = make(self, &mut ready)?;
                ready.session = Some(self.write_whole(ticket, new).await?);
            }
            if wait.destroy {
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
    fn check_here(&self, header: &Header) -> Result<(), Error> {
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

    /// Opens a slot, after the delay that is due.
    async fn prove(&self, ready: &mut Ready<P>, way: &Unlock) -> Result<(), Error> {
        ready.failures = self.state.borrow().throttle.failures();
        let header = ready.header()?;
        let attempt = self.attempt(&ready.found, way)?;
        if attempt.delay > 0 {
            self.platform.clock().sleep(attempt.delay).await;
        }
        let kek = match self.kek_of(&attempt, way)? {
            Kek::Known(kek) => kek,
            Kek::OfPassword(password) => self.password_kek(&attempt.slot.info, &password).await?,
        };
        let vault_key = self.open_slot(&attempt, way, &kek, header)?;
        ready.proven = Some((attempt.slot.info, vault_key));
        Ok(())
    }

    /// Writes a vault whole and opens it again.
    async fn write_whole(&self, ticket: Ticket, new: Replacement) -> Result<Session, Error> {
        self.check(ticket)?;
        let first = new.batch.guard.is_none();
        match self.platform.store().write(&new.batch).await {
            Ok(()) => {}
            Err(StoreError::Conflict) if first => {
                self.state.borrow_mut().stage = Stage::Locked;
                return Err(Error::Exists);
            }
            Err(error) => return Err(error.into()),
        }
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
