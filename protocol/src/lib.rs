//! What the vault and the relay both speak.
//!
//! Pure code: no I/O, no clock and no randomness of its own; time and random bytes come in as
//! arguments. The same source runs natively in the relay and as WebAssembly in the vault, so that
//! both halves agree on every byte.
//!
//! ```text
//! key ──────► shape ─────┐                       names on both sides: header, error
//!                        ▼
//! request ──► path ──► catalogue ──► provider    key on its way to the relay: sealed
//!   └─ body ► json / multipart ─► routing
//!
//! answer ◄── scrub ◄── usage ◄── provider
//!                        └─────► price (money)
//! ```

pub mod base64url;
pub mod catalogue;
pub mod error;
pub mod header;
pub mod json;
pub mod money;
pub mod multipart;
pub mod path;
pub mod price;
pub mod routing;
mod run;
pub mod scrub;
pub mod sealed;
pub mod shape;
pub mod text;
pub mod usage;

pub use catalogue::{Catalogue, Provider, Verdict};
pub use error::ErrorCode;
pub use header::{Fallback, FallbackReason, Payer};
pub use money::PicoUsd;
pub use price::{Price, PriceTable};
pub use routing::{ModelField, Target, find_model, splice_model};
pub use scrub::Scrubber;
pub use usage::{Usage, UsageReader};
