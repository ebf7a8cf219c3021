//! Opening sealed key headers, and publishing the keys they are sealed for.
//!
//! ```text
//! [secrets] ─► Ring ─► weekly sealing keys ─► signed key set ─► well-known document
//!                              │
//! X-BYOK-Key: kf1.… ─► Opener ─┴─► cached session secret ─► the key
//! ```
//!
//! Sealing keys are derived from the server's secret and the week, so every instance that shares
//! the secret holds the same ones without speaking to the others.

mod opener;
mod ring;
mod sessions;

pub(crate) use opener::Opener;
pub(crate) use ring::{Ring, RingSecret};
