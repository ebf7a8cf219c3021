//! The lock machine: (state, event, now) → (state, actions). Pure: it knows no timer and no key.
//!
//! All deadlines are wall-clock times, compared at every use and at every wake-up. A timer that
//! fires late, a computer that slept and a clock that was set forwards pass a deadline; a clock that
//! was set backwards is noticed against the latest time seen. Every one of them ends locked.

/// How far a clock may step back (time synchronisation does) before the vault locks.
const BACKWARD_TOLERANCE_MS: u64 = 5_000;
/// How long before locking the warning comes.
pub const WARNING_MS: u64 = 60_000;
/// No vault stays open longer than this, however much it is used.
pub const MAX_AGE_MS: u64 = 24 * 60 * 60 * 1000;
/// Minutes without use until the vault locks, unless set.
pub const DEFAULT_IDLE_MINUTES: u16 = 30;
/// The most that can be set.
pub const MAX_IDLE_MINUTES: u16 = 1440;

/// Why the vault was locked. The discriminant stands in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Reason {
    /// Somebody asked for it.
    Requested = 1,
    /// Not used for the idle time.
    Idle = 2,
    /// Open for the maximum time.
    MaxAge = 3,
    /// No page of the vault is visible, and the person wants it locked then.
    Hidden = 4,
    /// The clock went backwards.
    Clock = 5,
    /// Another tab changed the vault key.
    Rekeyed = 6,
    /// The stored vault is gone.
    StorageLost = 7,
    /// An older copy is in the stored vault's place.
    RolledBack = 8,
}

impl Reason {
    /// The name used in JavaScript.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Idle => "idle",
            Self::MaxAge => "max_age",
            Self::Hidden => "hidden",
            Self::Clock => "clock",
            Self::Rekeyed => "rekeyed",
            Self::StorageLost => "storage_lost",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// What a person chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Milliseconds without use until locking.
    pub idle_ms: u64,
    /// Lock when hidden.
    pub lock_on_hide: bool,
}

impl Policy {
    /// From minutes, brought within 1 to 1440.
    #[must_use]
    pub fn new(minutes: u16, lock_on_hide: bool) -> Self {
        let minutes = minutes.clamp(1, MAX_IDLE_MINUTES);
        Self {
            idle_ms: u64::from(minutes) * 60_000,
            lock_on_hide,
        }
    }
}

/// What happened to the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// It was opened.
    Unlocked,
    /// It was used, or a person was seen.
    Used,
    /// A timer fired, or something wants to know.
    Woken,
    /// Its last page became invisible, or one became visible.
    Hidden(bool),
    /// The policy changed.
    Configured(Policy),
    /// It must lock.
    Lock(Reason),
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Wipe and tell.
    Lock(Reason),
    /// Tell that the vault locks at this time (Unix milliseconds).
    Warn(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Locked,
    Open {
        since: u64,
        used: u64,
        seen: u64,
        warned: bool,
    },
}

/// The machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    state: State,
    policy: Policy,
}

impl Machine {
    /// Starts locked.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            state: State::Locked,
            policy,
        }
    }

    /// Whether it is open, as of the last event.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// When it locks and why, unless used (Unix milliseconds).
    #[must_use]
    pub fn deadline(&self) -> Option<(u64, Reason)> {
        match self.state {
            State::Locked => None,
            State::Open { since, used, .. } => {
                let idle = used.saturating_add(self.policy.idle_ms);
                let age = since.saturating_add(MAX_AGE_MS);
                Some(if idle < age {
                    (idle, Reason::Idle)
                } else {
                    (age, Reason::MaxAge)
                })
            }
        }
    }

    /// When the warning is due (Unix milliseconds).
    #[must_use]
    pub fn warning(&self) -> Option<u64> {
        self.deadline()
            .map(|(at, _)| at.saturating_sub(WARNING_MS.min(self.policy.idle_ms / 2)))
    }

    /// Takes one event. Deadlines are checked first, so that nothing done after one can undo it.
    pub fn handle(&mut self, input: Input, now: u64) -> Action {
        let mut overdue = self.overdue(now);
        if let Input::Configured(policy) = input {
            self.policy = policy;
            // A longer time revives nothing; a shorter one holds at once.
            overdue = overdue.or_else(|| self.overdue(now));
        }
        if let Some(reason) = overdue {
            return self.lock(reason);
        }
        match (input, &mut self.state) {
            (Input::Lock(reason), State::Open { .. }) => return self.lock(reason),
            (Input::Unlocked, _) => {
                self.state = State::Open {
                    since: now,
                    used: now,
                    seen: now,
                    warned: false,
                };
            }
            (_, State::Locked) => {}
            (
                Input::Used,
                State::Open {
                    used, seen, warned, ..
                },
            ) => {
                *used = now.max(*used);
                *seen = now.max(*seen);
                *warned = false;
            }
            (Input::Hidden(true), State::Open { .. }) if self.policy.lock_on_hide => {
                return self.lock(Reason::Hidden);
            }
            (Input::Woken | Input::Hidden(_) | Input::Configured(_), State::Open { seen, .. }) => {
                *seen = now.max(*seen);
            }
        }
        self.warn(now)
    }

    fn overdue(&self, now: u64) -> Option<Reason> {
        let State::Open { seen, .. } = self.state else {
            return None;
        };
        if now.saturating_add(BACKWARD_TOLERANCE_MS) < seen {
            return Some(Reason::Clock);
        }
        self.deadline()
            .filter(|&(at, _)| now >= at)
            .map(|(_, reason)| reason)
    }

    fn lock(&mut self, reason: Reason) -> Action {
        self.state = State::Locked;
        Action::Lock(reason)
    }

    fn warn(&mut self, now: u64) -> Action {
        let due = self.warning().is_some_and(|at| now >= at);
        let deadline = self.deadline();
        match (&mut self.state, deadline) {
            (State::Open { warned, .. }, Some((at, _))) if due && !*warned => {
                *warned = true;
                Action::Warn(at)
            }
            _ => Action::None,
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
