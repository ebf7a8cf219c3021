//! `<prefix><id>.<secret>`: what proves a lease or a job its maker's. 128 and 256 random bits, the
//! id in hexadecimal, the secret in base64url.

use std::fmt;

use keyferry_protocol::{base64url, header};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::store::{JobId, LeaseId, Proof};

/// The public half of a handle.
pub(crate) trait HandleId: Copy + fmt::Display {
    /// Begins every handle of its kind.
    const PREFIX: &'static str;

    /// From its bytes.
    fn new(bytes: [u8; 16]) -> Self;

    /// Its bytes.
    fn as_bytes(&self) -> &[u8; 16];

    /// Reads what [`fmt::Display`] prints.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! handle_ids {
    ($($id:ident = $prefix:expr;)*) => {$(
        impl HandleId for $id {
            const PREFIX: &'static str = $prefix;

            fn new(bytes: [u8; 16]) -> Self {
                Self::new(bytes)
            }

            fn as_bytes(&self) -> &[u8; 16] {
                self.as_bytes()
            }

            fn parse(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )*};
}

handle_ids! {
    LeaseId = header::LEASE_PREFIX;
    JobId = header::JOB_PREFIX;
}

/// A handle; wiped when dropped.
pub(crate) struct Handle<Id> {
    id: Id,
    secret: Zeroizing<[u8; 32]>,
}

impl<Id: HandleId> Handle<Id> {
    /// A fresh one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut *secret)?;
        Ok(Self::new(Id::new(id), secret))
    }

    /// From its halves.
    pub(crate) fn new(id: Id, secret: Zeroizing<[u8; 32]>) -> Self {
        Self { id, secret }
    }

    /// Reads the one form [`Handle::text`] writes.
    pub(crate) fn parse(text: &Secret) -> Option<Self> {
        // Exposed to take it apart.
        let (id, secret) = text
            .expose_str()?
            .strip_prefix(Id::PREFIX)?
            .split_once('.')?;
        Some(Self {
            id: Id::parse(id)?,
            secret: Zeroizing::new(base64url::decode_array(secret)?),
        })
    }

    /// As it travels.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(base64url::encode(&*self.secret));
        Zeroizing::new(format!("{}{}.{}", Id::PREFIX, self.id, *secret))
    }

    /// Its public half.
    pub(crate) fn id(&self) -> Id {
        self.id
    }

    /// What the store compares.
    pub(crate) fn proof(&self) -> Proof {
        Sha256::digest(*self.secret).into()
    }

    /// Its secret half: the salt under which the keys of its lease or job are derived.
    pub(crate) fn salt(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl<Id> fmt::Debug for Handle<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<Id: HandleId>(text: &str) -> Option<Handle<Id>> {
        Handle::parse(&Secret::new(text.as_bytes().to_vec()))
    }

    /// `prefix` is that of the kind, `other` that of the other.
    fn reads_what_it_writes_and_nothing_else<Id>(prefix: &str, other: &str)
    where
        Id: HandleId + PartialEq + fmt::Debug,
    {
        let handle = Handle::<Id>::generate().unwrap();
        let text = handle.text();
        assert_eq!(text.len(), 4 + 32 + 1 + 43);
        let read = parse::<Id>(&text).unwrap();
        assert_eq!((read.id, *read.secret), (handle.id, *handle.secret));
        let (id, secret) = text.strip_prefix(prefix).unwrap().split_once('.').unwrap();
        for other in [
            String::new(),
            prefix.to_owned(),
            text.replace(prefix, other),
            text.replace('.', ""),
            format!("{prefix}{}.{secret}", &id[1..]),
            format!("{prefix}{}.{secret}", "+".repeat(32)),
            format!("{prefix}{}.{secret}", "A".repeat(32)),
            format!("{prefix}{id}.{}", &secret[1..]),
            format!("{prefix}{id}.{secret}="),
            format!("{prefix}{id}.{secret}.x"),
        ] {
            assert!(parse::<Id>(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn leases_and_jobs_have_each_their_own_form() {
        reads_what_it_writes_and_nothing_else::<LeaseId>("kfl_", "kfj_");
        reads_what_it_writes_and_nothing_else::<JobId>("kfj_", "kfl_");
    }

    #[test]
    fn two_are_never_alike_and_debug_shows_neither() {
        let (one, two) = (
            Handle::<LeaseId>::generate().unwrap(),
            Handle::<LeaseId>::generate().unwrap(),
        );
        assert_ne!(one.id, two.id);
        assert_ne!(one.proof(), two.proof());
        assert_eq!(format!("{one:?}"), "[redacted]");
        let job = Handle::<JobId>::generate().unwrap();
        assert_eq!(format!("{job:?}"), "[redacted]");
    }
}
