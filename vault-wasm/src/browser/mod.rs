//! The browser: the only files that know JavaScript.

mod crypto;
mod exports;
mod indexeddb;
mod js;
mod transport;
mod world;

pub use exports::Vault;
#[cfg(any(test, feature = "testing"))]
pub use {
    crypto::{derive_in_wasm, derive_in_webcrypto},
    indexeddb::IndexedDb,
};
