//! The server's half of what opens leases and jobs, one key for each entry of the secret ring.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::config::{ConfigError, SecretSettings};
use crate::sealing::RingSecret;

type ServerKey = Zeroizing<[u8; 32]>;

/// The name of the process's own key. No entry of the ring is named so.
const OWN: &str = "";

/// Keys by the name of the ring's entry they come from, the current one first.
pub(crate) struct LeaseKeys {
    ring: Vec<(String, ServerKey)>,
    /// What leases are made under without `[secrets]`: good as long as the process, as the store
    /// then is. It outlives reloads.
    own: Arc<ServerKey>,
    has_current: bool,
}

impl LeaseKeys {
    /// From `[secrets]`; `previous` gives the process's own key.
    ///
    /// # Errors
    /// Naming the field that has no usable form; without randomness.
    pub(crate) fn new(
        settings: &SecretSettings,
        previous: Option<&Self>,
    ) -> Result<Self, ConfigError> {
        let current = settings
            .current
            .iter()
            .map(|entry| ("secrets.current", entry));
        let accept = settings
            .accept
            .iter()
            .map(|entry| ("secrets.accept", entry));
        let ring = current
            .chain(accept)
            .map(|(field, entry)| {
                let secret = RingSecret::parse(field, entry)?;
                let key = secret
                    .derive(&[b"leases"])
                    .ok_or_else(|| ConfigError::field(field, "yields no key"))?;
                Ok((secret.kid().to_owned(), key))
            })
            .collect::<Result<_, ConfigError>>()?;
        let own = match previous {
            Some(previous) => Arc::clone(&previous.own),
            None => {
                let mut own = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *own).map_err(|_| {
                    ConfigError::field("secrets.current", "the system has no randomness")
                })?;
                Arc::new(own)
            }
        };
        Ok(Self {
            ring,
            own,
            has_current: settings.current.is_some(),
        })
    }

    /// The one leases are made under, and its name.
    pub(crate) fn current(&self) -> (&str, &[u8; 32]) {
        match self.ring.first() {
            Some((name, key)) if self.has_current => (name, key),
            _ => (OWN, &self.own),
        }
    }

    /// The one of this name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8; 32]> {
        if name == OWN.as_bytes() {
            return Some(&self.own);
        }
        self.ring
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
            .map(|(_, key)| &**key)
    }
}

impl std::fmt::Debug for LeaseKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseKeys").finish_non_exhaustive()
    }
}
