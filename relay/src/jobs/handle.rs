//! `kfj_<id>.<secret>`: what proves a job its maker's. 128 and 256 random bits, the id in
//! hexadecimal, the secret in base64url.

use keyferry_protocol::{base64url, header::JOB_PREFIX};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::store::{JobId, Proof};

/// A job's handle; wiped when dropped.
pub(crate) struct JobHandle {
    id: JobId,
    secret: Zeroizing<[u8; 32]>,
}

impl JobHandle {
    /// A fresh one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut *secret)?;
        Ok(Self {
            id: JobId::new(id),
            secret,
        })
    }

    /// From its halves.
    pub(super) fn new(id: JobId, secret: Zeroizing<[u8; 32]>) -> Self {
        Self { id, secret }
    }

    /// Reads the one form [`JobHandle::text`] writes.
    pub(crate) fn parse(text: &Secret) -> Option<Self> {
        // Exposed to take it apart.
        let (id, secret) = text
            .expose_str()?
            .strip_prefix(JOB_PREFIX)?
            .split_once('.')?;
        Some(Self {
            id: JobId::parse(id)?,
            secret: Zeroizing::new(base64url::decode_array(secret)?),
        })
    }

    /// As it travels.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(base64url::encode(&*self.secret));
        Zeroizing::new(format!("{JOB_PREFIX}{}.{}", self.id, *secret))
    }

    /// Its public half.
    pub(crate) fn id(&self) -> JobId {
        self.id
    }

    /// What the store compares.
    pub(super) fn proof(&self) -> Proof {
        Sha256::digest(*self.secret).into()
    }

    /// Its secret half: the salt under which the job's keys are derived.
    pub(super) fn salt(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl std::fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<JobHandle> {
        JobHandle::parse(&Secret::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let handle = JobHandle::generate().unwrap();
        let text = handle.text();
        let read = parse(&text).unwrap();
        assert_eq!((read.id, *read.secret), (handle.id, *handle.secret));
        let (id, secret) = text[4..].split_once('.').unwrap();
        for other in [
            String::new(),
            text.replace("kfj_", "kfl_"),
            text.replace('.', ""),
            format!("kfj_{}.{secret}", &id[1..]),
            format!("kfj_{id}.{}", &secret[1..]),
            format!("kfj_{id}.{secret}="),
            format!("kfj_{id}.{secret}.x"),
        ] {
            assert!(parse(&other).is_none(), "{other}");
        }
        assert_eq!(format!("{handle:?}"), "[redacted]");
    }
}
