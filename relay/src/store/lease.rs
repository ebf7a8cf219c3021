//! Leases as the store sees them: opaque bytes that prove nothing by themselves, and a hash that
//! whoever asks for them must match.

use std::time::Duration;

/// No lease lives longer, whatever was asked for.
pub const MAX_TTL: Duration = Duration::from_secs(300);

/// SHA-256 of the handle's secret half. The secret has 256 random bits, so the hash gives nothing
/// away and needs no salt.
pub type Proof = [u8; 32];

/// What to do with a lease whose handle proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseAction {
    /// Read it.
    Get,
    /// Read it and delete it: for work that runs once.
    Take,
    /// Only ask how long it still lives.
    Peek,
    /// Delete it.
    Clear,
}

/// What was found under a lease's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFound {
    /// The stored bytes; empty for [`LeaseAction::Peek`] and [`LeaseAction::Clear`].
    pub value: Vec<u8>,
    /// Until it expires; zero when it was deleted.
    pub expires_in: Duration,
}
