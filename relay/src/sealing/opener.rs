//! Opens sealed headers, cheapest checks first.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use keyferry_protocol::sealed::{Binding, SealError, SealedHeader, WINDOW_SECONDS};

use super::ring::{Keys, PERIOD, Published, Ring};
use super::sessions::Sessions;
use crate::error::ApiError;
use crate::secret::Secret;
use crate::store::Nonce;

/// How long a nonce is remembered: from a minute ahead of this clock to a minute behind it, and a
/// second for rounding.
const MEMORY: Duration = Duration::from_secs(2 * WINDOW_SECONDS + 1);

/// Opens what was sealed for one ring.
pub(crate) struct Opener {
    ring: Ring,
    keys: ArcSwap<Keys>,
    sessions: Sessions,
}

impl Opener {
    /// For this ring.
    ///
    /// # Errors
    /// Only if a derived key were no X25519 key, which cannot happen.
    pub(crate) fn new(ring: Ring) -> Result<Self, SealError> {
        let keys = ring.keys(now())?;
        Ok(Self {
            keys: ArcSwap::from_pointee(keys),
            ring,
            sessions: Sessions::new(),
        })
    }

    /// What vaults are told; `None` when nothing can be sealed for this relay.
    pub(crate) fn published(&self) -> Option<Published> {
        let now = now();
        self.ring.publish(&self.keys(now), now).ok().flatten()
    }

    /// Opens `value` for a request that may have been made for any of `bindings`: one per public
    /// origin of this relay. The key must not be used before its nonce is found to be fresh.
    ///
    /// # Errors
    /// `bad_seal`, `clock_skew`, `unknown_kid`.
    pub(crate) fn open<'b>(
        &self,
        value: &str,
        bindings: impl Iterator<Item = Binding<'b>>,
    ) -> Result<(Secret, Nonce), ApiError> {
        let now = now();
        let header = SealedHeader::parse(value).map_err(refuse)?;
        header.check_time(now).map_err(refuse)?;
        let cached = self.sessions.get(header.kid, &header.enc);
        let session = match &cached {
            Some(session) => Arc::clone(session),
            None => Arc::new(self.begin(&header, now).map_err(refuse)?),
        };
        let mut outcome = Err(SealError::BadTag);
        for binding in bindings {
            outcome = session.open(&header, &binding);
            if outcome.is_ok() {
                break;
            }
        }
        let key = outcome.map_err(refuse)?;
        // Only now: what was never sealed for this relay must not take up memory.
        if cached.is_none() {
            self.sessions.keep(header.kid, &header.enc, session);
        }
        let nonce = Nonce {
            name: header.enc.iter().chain(&header.nonce).copied().collect(),
            ttl: MEMORY,
        };
        Ok((Secret::new(key.to_vec()), nonce))
    }

    /// One X25519.
    fn begin(
        &self,
        header: &SealedHeader<'_>,
        now: u64,
    ) -> Result<keyferry_protocol::sealed::SessionSecret, SealError> {
        let keys = self.keys(now);
        let key = keys
            .opening
            .iter()
            .find(|key| key.kid() == header.kid)
            .ok_or(SealError::UnknownKid)?;
        key.session(header)
    }

    /// The keys of this week, made anew when the week has changed.
    fn keys(&self, now: u64) -> arc_swap::Guard<Arc<Keys>> {
        let keys = self.keys.load();
        if keys.period == now / PERIOD {
            return keys;
        }
        if let Ok(fresh) = self.ring.keys(now) {
            self.keys.store(Arc::new(fresh));
        }
        self.keys.load()
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener")
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn refuse(error: SealError) -> ApiError {
    ApiError::new(error.code(), error.to_string())
}
