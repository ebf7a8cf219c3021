//! Leases: a user's key kept for five minutes at most, so that work which outlives the user's
//! request can go on with a handle in place of the key.
//!
//! ```text
//! POST /v1/leases ─► terms + key ─► envelope ─► store        handle ─► the client
//! X-BYOK-Lease ─► handle ─► store (proof) ─► envelope ─► terms + key ─► the call
//! ```
//!
//! What is stored opens only with the server's secret and the handle's secret together, and says
//! nothing of its terms without them.

mod envelope;
pub(crate) mod header;
mod ring;
mod terms;

use std::time::Duration;

use keyferry_protocol::ErrorCode;

pub(crate) use ring::LeaseKeys;
pub(crate) use terms::{Terms, name_at_provider, scope};

use crate::error::ApiError;
use crate::handle;
use crate::secret::Secret;
use crate::store::{AnyStore, LeaseAction, LeaseId, MAX_LEASE_TTL, Store as _};

/// What travels in place of a key.
pub(crate) type Handle = handle::Handle<LeaseId>;

/// An opened lease. The key is wiped with it.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The public half of its handle.
    pub(crate) id: LeaseId,
    /// What it is good for.
    pub(crate) terms: Terms,
    /// The user's key.
    pub(crate) key: Secret,
}

/// Stores `key` under a new handle until `terms` end.
///
/// # Errors
/// `store_unavailable`; then nothing is left behind that anyone holds a handle to.
pub(crate) async fn create(
    store: &AnyStore,
    keys: &LeaseKeys,
    terms: &Terms,
    key: &Secret,
    ttl: Duration,
) -> Result<Handle, ApiError> {
    let failed = || ApiError::new(ErrorCode::Internal, "the lease could not be made");
    let handle = Handle::generate().map_err(|_| failed())?;
    // Exposed to be encrypted.
    let value =
        envelope::seal(keys, &handle, &terms.to_bytes(), key.expose()).ok_or_else(failed)?;
    let ttl = ttl.min(MAX_LEASE_TTL);
    match store
        .put_lease(handle.id(), &handle.proof(), &value, ttl)
        .await?
    {
        true => Ok(handle),
        // 128 random bits that were taken: there is something wrong with the randomness.
        false => Err(failed()),
    }
}

/// When a lease that is made now for `ttl` ends, in milliseconds since 1970 by the store's clock.
pub(crate) fn expiry(store: &AnyStore, ttl: Duration) -> u64 {
    store.now() / 1_000 + u64::try_from(ttl.as_millis()).unwrap_or_default()
}

/// Opens the lease that `text`, the value of `X-BYOK-Lease`, stands for.
///
/// # Errors
/// `lease_not_found` when there is none, the handle does not prove it, or it was not made here;
/// `lease_expired` when its time is over; `store_unavailable`.
pub(crate) async fn open(
    store: &AnyStore,
    keys: &LeaseKeys,
    text: &Secret,
) -> Result<Lease, ApiError> {
    let handle = Handle::parse(text).ok_or_else(not_found)?;
    let found = store
        .lease(handle.id(), &handle.proof(), LeaseAction::Get)
        .await?
        .ok_or_else(not_found)?;
    let (terms, key) = envelope::open(keys, &handle, &found.value).ok_or_else(not_found)?;
    let terms = Terms::from_bytes(&terms).ok_or_else(not_found)?;
    // The store forgets it at the same time; whoever can write to the store cannot prolong it.
    if store.now() / 1_000 >= terms.expires_at {
        return Err(ApiError::new(
            ErrorCode::LeaseExpired,
            "the lease has expired",
        ));
    }
    Ok(Lease {
        id: handle.id(),
        terms,
        key,
    })
}

/// Deletes the lease that `text` stands for.
///
/// # Errors
/// `lease_not_found`, `store_unavailable`.
pub(crate) async fn clear(store: &AnyStore, text: &Secret) -> Result<(), ApiError> {
    let handle = Handle::parse(text).ok_or_else(not_found)?;
    store
        .lease(handle.id(), &handle.proof(), LeaseAction::Clear)
        .await?
        .map(|_| ())
        .ok_or_else(not_found)
}

/// The refusal of a handle. Whether there is such a lease cannot be told from it.
pub(crate) fn not_found() -> ApiError {
    ApiError::new(
        ErrorCode::LeaseNotFound,
        "no such lease: it was cleared, its time is over, or the handle is not the one it was made with",
    )
}
