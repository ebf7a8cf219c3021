//! `kfl_<id>.<secret>`: what travels in place of a key. 128 and 256 random bits, the id in
//! hexadecimal, the secret in base64url.

use keyferry_protocol::{base64url, header::LEASE_PREFIX};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::store::{LeaseId, Proof};

/// A lease's handle; wiped when dropped.
pub(crate) struct Handle {
    id: LeaseId,
    secret: Zeroizing<[u8; 32]>,
}

impl Handle {
    /// A fresh one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut *secret)?;
        Ok(Self {
            id: LeaseId::new(id),
            secret,
        })
    }

    /// Reads the one form [`Handle::text`] writes.
    pub(super) fn parse(text: &Secret) -> Option<Self> {
        // Exposed to take it apart.
        let (id, secret) = text
            .expose_str()?
            .strip_prefix(LEASE_PREFIX)?
            .split_once('.')?;
        Some(Self {
            id: LeaseId::parse(id)?,
            secret: Zeroizing::new(base64url::decode_array(secret)?),
        })
    }

    /// As it travels.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(base64url::encode(&*self.secret));
        Zeroizing::new(format!("{LEASE_PREFIX}{}.{}", self.id, *secret))
    }

    /// Its public half.
    pub(crate) fn id(&self) -> LeaseId {
        self.id
    }

    /// What the store compares.
    pub(super) fn proof(&self) -> Proof {
        Sha256::digest(*self.secret).into()
    }

    /// Its secret half: the salt under which the lease's keys are derived.
    pub(super) fn salt(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Handle> {
        Handle::parse(&Secret::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let handle = Handle::generate().unwrap();
        let text = handle.text();
        assert_eq!(text.len(), 4 + 32 + 1 + 43);
        let read = parse(&text).unwrap();
        assert_eq!((read.id, *read.secret), (handle.id, *handle.secret));
        let (id, secret) = text[4..].split_once('.').unwrap();
        for other in [
            String::new(),
            "kfl_".to_owned(),
            text.replace("kfl_", "kfj_"),
            text.replace('.', ""),
            format!("kfl_{}.{secret}", &id[1..]),
            format!("kfl_{}.{secret}", "+".repeat(32)),
            format!("kfl_{}.{secret}", "A".repeat(32)),
            format!("kfl_{id}.{}", &secret[1..]),
            format!("kfl_{id}.{secret}="),
            format!("kfl_{id}.{secret}.x"),
        ] {
            assert!(parse(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn two_are_never_alike_and_debug_shows_neither() {
        let (one, two) = (Handle::generate().unwrap(), Handle::generate().unwrap());
        assert_ne!(one.id, two.id);
        assert_ne!(one.proof(), two.proof());
        assert_eq!(format!("{one:?}"), "[redacted]");
    }
}
