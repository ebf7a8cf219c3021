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
    Ticket, Vault,
    change::Changes,
    kek::NewSlot,
    relay::{ContextOf, Question},
    session::Session,
    unlock::Unlock,
};
use crate::{
    error::Error,
    format::{
        header::Header,
        id::{Id, RecordKey},
        keys::VaultKey,
        slot::SlotInfo,
    },
    platform::Platform,
    secret::Secret,
    store::{Batch, Durability},
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
    pub(super) fn new(ticket: Ticket) -> Self {
        Self {
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
        }
    }

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
    /// There is no vault before it.
    pub(super) first: bool,
}

impl Replacement {
    /// Opens what was just written the way it will be opened later.
    pub(super) fn opened(self, found: Found) -> Result<Session, Error> {
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
    pub(super) ticket: Ticket,
    pub(super) records: Records,
    /// Whether it is refused when the vault is bound to another relay.
    pub(super) here: bool,
    pub(super) proof: Option<Unlock>,
    pub(super) password: Option<Secret>,
    pub(super) ask: Option<(Ask<P>, Option<ContextOf<P>>)>,
    pub(super) plan: Option<(Durability, Plan<P>)>,
    pub(super) replace: Option<Replace<P>>,
    /// Whether the store is emptied, and the database deleted.
    pub(super) destroy: bool,
}

impl<P: Platform> Wait<P> {
    /// For nothing but these records.
    pub(super) fn new(ticket: Ticket, records: Records) -> Box<Self> {
        Box::new(Self {
            ticket,
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
    pub(super) wait: Box<Wait<P>>,
    pub(super) finish: Finish<P, T>,
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
