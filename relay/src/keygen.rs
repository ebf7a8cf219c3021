//! Entries of the secret ring.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_protocol::base64url;
use keyferry_protocol::sealed::IdentityKey;
use zeroize::Zeroizing;

/// A fresh `<kid>:<32 random bytes, base64>` for `secrets.current`.
///
/// # Errors
/// When the system has no randomness.
pub fn keygen(kid: Option<&str>) -> Result<String, getrandom::Error> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes)?;
    let kid = kid.map_or_else(default_kid, str::to_owned);
    Ok(format!("{kid}:{}", STANDARD.encode(*bytes)))
}

/// A fresh identity.
#[derive(Debug)]
pub struct NewIdentity {
    /// For `secrets.identity`: the seed, base64.
    pub seed: String,
    /// For `openVault({ relayKey })`: the public key, base64url.
    pub public: String,
}

/// Draws an identity.
///
/// # Errors
/// When the system has no randomness.
pub fn keygen_identity() -> Result<NewIdentity, getrandom::Error> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes)?;
    let public = IdentityKey::from_seed(*bytes).public();
    Ok(NewIdentity {
        seed: STANDARD.encode(*bytes),
        public: base64url::encode(&public),
    })
}

/// `k` and the time in seconds: sorts by age and needs no register.
fn default_kid() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("k{}", now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_fresh_and_readable() {
        let one = keygen(Some("a")).unwrap();
        assert_ne!(one, keygen(Some("a")).unwrap());
        let (kid, secret) = one.split_once(':').unwrap();
        assert_eq!((kid, STANDARD.decode(secret).unwrap().len()), ("a", 32));
        assert!(keygen(None).unwrap().starts_with('k'));
    }

    #[test]
    fn an_identity_and_its_public_half() {
        let new = keygen_identity().unwrap();
        let seed: [u8; 32] = STANDARD.decode(&new.seed).unwrap().try_into().unwrap();
        assert_eq!(
            base64url::encode(&IdentityKey::from_seed(seed).public()),
            new.public
        );
        assert_ne!(new.seed, keygen_identity().unwrap().seed);
    }
}
