//! What the vault needs from the world around it. The browser's versions are in `browser/`, the
//! test versions in `testing`.

use std::future::Future;

use crate::{error::Error, fetch::Transport, secret::Key, store::Store};

/// Wall-clock time.
pub trait Clock {
    /// Milliseconds since the Unix epoch.
    fn now(&self) -> u64;

    /// Resolves after `milliseconds`; used to slow down guessing.
    fn sleep(&self, milliseconds: u64) -> impl Future<Output = ()>;
}

/// A cryptographically secure random generator.
pub trait Random {
    /// Fills `bytes` or fails; never leaves part of them predictable.
    ///
    /// # Errors
    /// [`Error::Random`] when the generator cannot be reached.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error>;
}

/// PBKDF2-HMAC-SHA256, wherever it runs fastest.
pub trait Kdf {
    /// The iteration count of new password slots; slots with fewer are wrapped anew when they are
    /// next opened.
    fn target_iterations(&self) -> u32 {
        crate::format::slot::KdfPolicy::ITERATIONS
    }

    /// Derives a 256-bit key. `iterations` has been checked against the policy.
    ///
    /// # Errors
    /// None in practice.
    fn derive_pbkdf2(
        &self,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> impl Future<Output = Result<Key, Error>>;
}

/// Unicode normalisation, whose tables the platform has already.
pub trait Text {
    /// NFKC (Unicode Standard Annex #15) of non-ASCII text.
    fn nfkc(&self, text: &str) -> String;
}

/// Secrets tried in vain, counted where a vault object's end does not reach: locking must not make
/// guessing quick again.
pub trait Guesses {
    /// Wrong ones since the last right one.
    fn failures(&self) -> u32;
    /// Remembers how many there are now.
    fn set_failures(&self, failures: u32);
}

/// Where the vault tells what happened.
pub trait Events {
    /// Called synchronously; must not call back into the vault.
    fn emit(&self, event: &Event);
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something a snapshot or a list shows has changed.
    Change,
    /// The vault was opened.
    Unlock,
    /// The vault was locked.
    Lock(crate::lock::Reason),
    /// The vault will lock at this time (Unix milliseconds) unless it is used.
    LockWarning(u64),
    /// A request could not be served for want of a key.
    KeyNeeded {
        /// Catalogue id of the provider, when the request named one.
        provider: Option<String>,
        /// `empty`, `locked`, `missing`, `inactive`, `expired`, `daily_cap` or `damaged`.
        reason: &'static str,
    },
    /// A key expires soon or has expired.
    KeyExpiring {
        /// The key's id.
        id: String,
        /// Unix milliseconds.
        expires_at: u64,
    },
}

/// The world, as one type parameter.
pub trait Platform: 'static {
    /// Wall clock.
    type Clock: Clock;
    /// Randomness.
    type Random: Random;
    /// Password derivation.
    type Kdf: Kdf;
    /// Normalisation.
    type Text: Text;
    /// Secrets tried in vain.
    type Guesses: Guesses;
    /// Event sink.
    type Events: Events;
    /// Records at rest.
    type Store: Store;
    /// The network.
    type Transport: Transport;

    /// Wall clock.
    fn clock(&self) -> &Self::Clock;
    /// Randomness.
    fn random(&self) -> &Self::Random;
    /// Password derivation.
    fn kdf(&self) -> &Self::Kdf;
    /// Normalisation.
    fn text(&self) -> &Self::Text;
    /// Secrets tried in vain.
    fn guesses(&self) -> &Self::Guesses;
    /// Event sink.
    fn events(&self) -> &Self::Events;
    /// Records at rest.
    fn store(&self) -> &Self::Store;
    /// The network.
    fn transport(&self) -> &Self::Transport;
}

/// An array of random bytes.
pub(crate) fn random_bytes<const N: usize>(random: &impl Random) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}
