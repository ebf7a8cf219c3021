//! Limits: who may make a call now, and what is set aside for it.
//!
//! ```text
//! who, policy ─► admit ─► store ─► Ticket ─► call ─► settle ─► store
//!                  │                 │                  │
//!                  │                 └ heartbeat        └ backlog, while the store is away
//!                  └ refused: Denied ─► 429, 402, 503
//! ```
//!
//! docs/limits.md says what is counted, how, and what happens when Redis is away.

mod address;
mod ask;
mod backlog;
mod caller;
mod delivery;
mod heartbeat;
mod known;
mod policy;
mod refusal;
mod service;
mod settings;
mod slots;
mod ticket;

pub use address::{Network, NotANetwork, client_address};
pub use ask::Ask;
pub use caller::{Caller, Pseudonyms, Who};
pub use policy::{AccountLimits, Policy};
pub use refusal::{Denied, LimitName};
pub use service::Limits;
pub use settings::{LimitSettings, StoreSettings, Usd};
pub use slots::Slot;
pub use ticket::{Conclusion, Ticket};
