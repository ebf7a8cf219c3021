//! Entries of the secret ring.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// `k` and the time in seconds: sorts by age and needs no register.
fn default_kid() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("k{}", now.as_secs())
}
