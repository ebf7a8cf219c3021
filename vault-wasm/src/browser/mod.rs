//! The browser: the only files that know JavaScript.

mod convert;
mod crypto;
mod exports;
mod indexeddb;
mod js;
mod meter;
mod ops;
#[cfg(feature = "vectors")]
pub mod primitives;
mod transport;
mod world;

pub use crypto::{derive_in_wasm, derive_in_webcrypto};
pub use exports::Vault;
pub use indexeddb::IndexedDb;

/// Where the module's memory comes from. `dlmalloc`, the standard library's choice, is twice the
/// size and gains nothing here: one thread, few and small allocations.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
