//! The vault: keeps a person's API keys encrypted in their browser and is the only code that uses
//! them there.
//!
//! ```text
//!            browser/            wasm_bindgen exports, IndexedDB, fetch, WebCrypto
//!               │ implements
//!            platform, store, fetch::Transport      traits: the world
//!               │ used by
//!   lock ◄── vault/ ──► fetch/    what the vault does, pure apart from the traits
//!               │
//!            format/              what lies at rest, byte by byte
//!               │
//!            hazmat/              the primitives, and the only crates that implement them
//! ```
//!
//! Everything but `browser/` runs and is tested natively.
//!
//! What the vault decides, it decides in synchronous functions. An operation (`vault/call.rs`) is a
//! chain of them between waits it names: records, the proof of a secret, a new slot, an answer of
//! the relay, a write. `vault/driver.rs` does that waiting for all of them. The exports are one
//! `call` by name (`browser/ops.rs`), `fetch`, and a few that are synchronous.

mod error;
pub mod fetch;
pub mod format;
mod hazmat;
pub mod lock;
mod password;
pub mod platform;
mod secret;
pub mod store;
pub mod vault;

#[cfg(target_arch = "wasm32")]
pub mod browser;
#[cfg(all(not(target_arch = "wasm32"), any(test, feature = "testing")))]
pub mod offline;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::{Arg, Error};
pub use secret::{Key, Secret, wipe};
pub use vault::Vault;
