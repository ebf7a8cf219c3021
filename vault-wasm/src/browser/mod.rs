//! The browser: the only files that know JavaScript.

mod convert;
mod crypto;
mod exports;
mod indexeddb;
mod js;
mod meter;
mod ops;
mod transport;
mod world;

pub use crypto::{derive_in_wasm, derive_in_webcrypto};
pub use exports::Vault;
pub use indexeddb::IndexedDb;
