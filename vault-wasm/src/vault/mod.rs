//! The vault itself: what it is, opening it, and its states.
//!
//! Nothing in here holds a borrow of the state over an await or while telling an event: a call that
//! waits comes back with its `Ticket` and finds out whether the vault was locked meanwhile.

mod audit;
mod backup;
mod call;
mod change;
mod commit;
mod create;
mod damage;
mod driver;
mod env;
mod kek;
mod keys;
mod manage;
mod passkeys;
mod rekey;
mod relay;
mod repair;
mod seal_all;
mod session;
mod table;
mod turns;
mod unlock;
mod usage;

pub use audit::UsageRow;
pub use backup::Imported;
pub use call::Call;
#[cfg(target_arch = "wasm32")]
pub(crate) use call::Steps;
pub(crate) use change::Changes;
pub use create::Created;
pub use damage::{Damage, DamageKind};
pub use env::{EnvImport, Skipped};
pub use keys::{KeyInfo, NewKey};
pub use manage::{KeyChanges, TestReport};
pub use passkeys::{NewPasskey, PasskeyInfo, PasskeyRequest};
pub use rekey::PasskeyProof;
pub use relay::{ContextOf, NewLease};
pub use repair::Repaired;
pub use unlock::Unlock;

use std::{
    cell::{Cell, RefCell, RefMut},
    rc::Rc,
};

use keyferry_protocol::{Catalogue, sealed::Sealer};

use crate::{
    error::Error,
    fetch::{Relay, RelayInfo},
    format::{header::Header, id::RecordKey},
    lock::{Action, Input, Machine, Policy, Reason},
    platform::{Clock, Event, Events, Platform},
    store::{Batch, Store},
};
use change::Staged;
use session::Session;
use turns::Turns;

/// What `openVault` was given.
#[derive(Debug, Clone)]
pub struct Config {
    /// The relay to work with.
    pub relay: Relay,
    /// The relay's Ed25519 identity key, where the app knows it.
    pub relay_key: Option<[u8; 32]>,
    /// Idle minutes of a vault created now.
    pub auto_lock_minutes: u16,
    /// WebAuthn relying party of passkeys: the host name of the vault's own origin.
    pub rp_id: String,
}

/// Whether there is a vault and whether it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There is none.
    Empty,
    /// It is closed.
    Locked,
    /// It is open.
    Unlocked,
}

impl Status {
    /// The name used in JavaScript.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
        }
    }
}

enum Stage {
    Empty,
    Locked,
    Unlocked(Box<Session>),
}

struct State {
    stage: Stage,
    machine: Machine,
    /// Keys that kept the locked vault from being bound to another relay.
    blocking: Vec<Damage>,
    /// What the relay said of itself, while that is fresh.
    relay: Option<RelayInfo>,
    /// The sealing session of an open vault.
    sealer: Option<Sealer>,
}

/// Proof that the vault was open when a call began; void once it has been locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// One vault of one browser profile.
pub struct Vault<P: Platform> {
    platform: P,
    config: Config,
    catalogue: Catalogue,
    state: RefCell<State>,
    /// Counts locks, so that a call under way notices one.
    epoch: Cell<u64>,
    /// Writing behind.
    flushing: Turns,
    /// Trying a secret: guesses made at once would all be the first.
    proving: Turns,
    /// Changes on their way to the store.
    in_flight: RefCell<Vec<Rc<Staged>>>,
    /// What was unsaved when the vault was locked: encrypted, and not written yet. One of them fits
    /// what the store holds by then.
    parting: RefCell<Vec<Batch>>,
}

/// What a page shows without asking further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether there is a vault and whether it is open.
    pub status: Status,
    /// The catalogue, and which providers have an active key (none while locked).
    pub providers: Vec<ProviderInfo>,
    /// When it locks unless used (Unix milliseconds).
    pub lock_at: Option<u64>,
    /// When the warning is due (Unix milliseconds).
    pub warn_at: Option<u64>,
    /// What is damaged at rest: known while unlocked, and of a locked vault what kept it from being
    /// bound to another relay.
    pub damaged: Vec<Damage>,
}

/// One row of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// Catalogue id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Origin of its API.
    pub origin: String,
    /// Where a person makes a key.
    pub key_page: String,
    /// Whether it has an active key.
    pub has_key: bool,
}

impl<P: Platform> Vault<P> {
    /// Opens the store and finds out whether there is a vault.
    ///
    /// # Errors
    /// Storage errors, [`Error::Corrupt`] and [`Error::FutureVersion`]: what cannot be read is never
    /// taken for an empty vault.
    pub async fn open(platform: P, config: Config) -> Result<Self, Error> {
        let stage = match platform.store().read(RecordKey::HEADER).await? {
            Some(bytes) => {
                Header::decode(&bytes)?;
                Stage::Locked
            }
            None if platform.store().read_all().await?.is_empty() => Stage::Empty,
            None => return Err(Error::Corrupt),
        };
        let policy = Policy::new(config.auto_lock_minutes, false);
        Ok(Self {
            platform,
            catalogue: Catalogue::builtin(),
            config,
            state: RefCell::new(State {
                stage,
                machine: Machine::new(policy),
                blocking: Vec::new(),
                relay: None,
                sealer: None,
            }),
            epoch: Cell::new(0),
            flushing: Turns::default(),
            proving: Turns::default(),
            in_flight: RefCell::default(),
            parting: RefCell::default(),
        })
    }

    /// The world this vault lives in.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// The relay it works with.
    pub fn relay(&self) -> &Relay {
        &self.config.relay
    }

    /// The current state; checks the deadlines first.
    pub fn snapshot(&self) -> Snapshot {
        self.handle(Input::Woken);
        let now = self.now();
        let state = self.state.borrow();
        let session = match &state.stage {
            Stage::Unlocked(session) => Some(session),
            _ => None,
        };
        Snapshot {
            status: match &state.stage {
                Stage::Empty => Status::Empty,
                Stage::Locked => Status::Locked,
                Stage::Unlocked(_) => Status::Unlocked,
            },
            providers: self
                .catalogue
                .iter()
                .map(|row| ProviderInfo {
                    id: row.id.clone().into_owned(),
                    name: row.name.clone().into_owned(),
                    origin: row.origin.clone().into_owned(),
                    key_page: row.key_page.clone().into_owned(),
                    has_key: session.is_some_and(|session| session.has_usable_key(&row.id, now)),
                })
                .collect(),
            lock_at: state.machine.deadline().map(|(at, _)| at),
            warn_at: state.machine.warning(),
            damaged: match &state.stage {
                Stage::Empty => Vec::new(),
                Stage::Locked => state.blocking.clone(),
                Stage::Unlocked(session) => session.damage().to_vec(),
            },
        }
    }

    /// Locks at once: secrets are wiped before this returns.
    pub fn lock(&self, reason: Reason) {
        // Also stops an unlock that is under way, when there is nothing to lock yet.
        self.epoch.set(self.epoch.get() + 1);
        self.handle(Input::Lock(reason));
    }

    /// Checks the deadlines; the caller sets its timer from the answer: (locks at, warns at).
    pub fn wake(&self) -> (Option<u64>, Option<u64>) {
        self.handle(Input::Woken);
        let state = self.state.borrow();
        (
            state.machine.deadline().map(|(at, _)| at),
            state.machine.warning(),
        )
    }

    /// A person was seen.
    pub fn touch(&self) {
        self.handle(Input::Used);
    }

    /// The last page of the vault became invisible, or one became visible.
    pub fn hidden(&self, hidden: bool) {
        self.handle(Input::Hidden(hidden));
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(crate) fn now(&self) -> u64 {
        self.platform.clock().now()
    }

    pub(crate) fn emit(&self, event: &Event) {
        self.platform.events().emit(event);
    }

    /// Runs the lock machine and does what it says.
    fn handle(&self, input: Input) {
        let now = self.now();
        let action = {
            let mut state = self.state.borrow_mut();
            let action = state.machine.handle(input, now);
            if let Action::Lock(reason) = action {
                // Dropping the session wipes every derived key.
                if let Stage::Unlocked(mut session) =
                    std::mem::replace(&mut state.stage, Stage::Locked)
                {
                    *self.parting.borrow_mut() = self.parting_of(&mut session, reason, now);
                }
                state.sealer = None;
                self.epoch.set(self.epoch.get() + 1);
            }
            action
        };
        match action {
            Action::None => {}
            Action::Warn(at) => self.emit(&Event::LockWarning(at)),
            Action::Lock(reason) => {
                self.emit(&Event::Lock(reason));
                self.emit(&Event::Change);
            }
        }
    }

    /// Begins a use of the open vault.
    pub(crate) fn enter(&self) -> Result<Ticket, Error> {
        self.handle(Input::Used);
        self.check_open()?;
        Ok(Ticket(self.epoch.get()))
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.state.borrow().stage {
            Stage::Empty => Err(Error::Empty),
            Stage::Locked => Err(Error::Locked),
            Stage::Unlocked(_) => Ok(()),
        }
    }

    /// Looks at the open vault.
    pub(crate) fn with<R>(
        &self,
        ticket: Ticket,
        look: impl FnOnce(&Session) -> Result<R, Error>,
    ) -> Result<R, Error> {
        look(&*self.session(ticket)?)
    }

    /// Changes what is in memory.
    pub(crate) fn with_mut<R>(
        &self,
        ticket: Ticket,
        change: impl FnOnce(&mut Session) -> Result<R, Error>,
    ) -> Result<R, Error> {
        change(&mut *self.session(ticket)?)
    }

    /// The open vault. Compiled once, unlike what is done with it.
    fn session(&self, ticket: Ticket) -> Result<RefMut<'_, Session>, Error> {
        self.check(ticket)?;
        RefMut::filter_map(self.state.borrow_mut(), |state| match &mut state.stage {
            Stage::Unlocked(session) => Some(&mut **session),
            _ => None,
        })
        .map_err(|_| Error::Locked)
    }

    /// Fails when the vault was locked since.
    fn check(&self, ticket: Ticket) -> Result<(), Error> {
        if self.epoch.get() == ticket.0 {
            Ok(())
        } else {
            Err(Error::Locked)
        }
    }

    /// Puts a session in place, unless the vault was locked since `epoch`: lock wins.
    fn install(&self, epoch: u64, session: Session) -> Result<(), Error> {
        if self.epoch.get() != epoch {
            return Err(Error::Locked);
        }
        let settings = session.settings();
        let policy = Policy::new(settings.auto_lock_minutes, settings.lock_on_hide);
        let now = self.now();
        {
            let mut state = self.state.borrow_mut();
            state.stage = Stage::Unlocked(Box::new(session));
            state.blocking.clear();
            state.machine = Machine::new(policy);
            state.machine.handle(Input::Unlocked, now);
        }
        self.emit(&Event::Unlock);
        self.emit(&Event::Change);
        Ok(())
    }

    /// Locks because of what was found in the store.
    fn lock_out(&self, reason: Reason) {
        self.lock(reason);
        if reason == Reason::StorageLost {
            self.state.borrow_mut().stage = Stage::Empty;
            self.emit(&Event::Change);
        }
    }
}

#[cfg(test)]
mod tests;
