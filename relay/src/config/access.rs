//! Who may call and which models their plan includes, as it stands in the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError};
use crate::limits::Usd;
use crate::origin::Origin;
use crate::secret::Secret;

/// `[auth]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// How callers prove who they are.
    pub mode: AuthMode,
    /// Accept `mode = "none"` on an address others can reach.
    pub allow_none: bool,
    /// The `iss` every app token must have.
    pub issuer: Option<String>,
    /// One of these must be among a token's `aud`.
    pub audience: Vec<String>,
    /// For an issuer that signs with HS256: the shared secret, 32 bytes at least.
    #[serde(serialize_with = "Secret::redact_option")]
    pub secret: Option<Secret>,
    /// For an issuer that publishes its keys: the address of its JSON Web Key set.
    pub jwks_url: Option<String>,
}

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Anyone who reaches the relay may relay with their own key.
    #[default]
    None,
    /// Everyone presents a signed app token in `Authorization: Bearer`.
    Jwt,
}

/// `[plans.<name>]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanSettings {
    /// Tiers of models that callers with this plan may use. Absent: all.
    pub tiers: Option<Vec<u32>>,
    /// In place of `limits.byok_requests_per_hour`.
    pub byok_requests_per_hour: Option<u64>,
    /// In place of `limits.server_requests_per_hour`.
    pub server_requests_per_hour: Option<u64>,
    /// In place of `limits.byok_tokens_per_hour`.
    pub byok_tokens_per_hour: Option<u64>,
    /// In place of `limits.server_tokens_per_hour`.
    pub server_tokens_per_hour: Option<u64>,
    /// In place of `limits.daily_cap_usd`.
    pub daily_cap_usd: Option<Usd>,
}

/// `[tiers]`: model (a name, or a beginning followed by `*`) to tier; `"*"` for all others.
pub type TierSettings = BTreeMap<String, u32>;

/// RFC 7518 §3.2: a key of the hash's size or larger.
const MIN_SECRET: usize = 32;

/// # Errors
/// The first field that cannot work, with what would.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    check_auth(&config.auth)?;
    if !config.tiers.is_empty() && config.plans.is_empty() {
        return Err(ConfigError::field(
            "tiers",
            "has no effect without a [plans.<name>] section",
        ));
    }
    Ok(())
}

fn check_auth(auth: &AuthSettings) -> Result<(), ConfigError> {
    if auth.mode == AuthMode::None {
        let set = [
            ("auth.issuer", auth.issuer.is_some()),
            ("auth.audience", !auth.audience.is_empty()),
            ("auth.secret", auth.secret.is_some()),
            ("auth.jwks_url", auth.jwks_url.is_some()),
        ];
        return match set.into_iter().find(|(_, set)| *set) {
            Some((field, _)) => Err(ConfigError::field(
                field,
                "has no effect without auth.mode = \"jwt\"",
            )),
            None => Ok(()),
        };
    }
    if auth.issuer.as_deref().is_none_or(str::is_empty) {
        return Err(ConfigError::field(
            "auth.issuer",
            "needed with auth.mode = \"jwt\"",
        ));
    }
    if auth.audience.is_empty() || auth.audience.iter().any(String::is_empty) {
        return Err(ConfigError::field(
            "auth.audience",
            "needed with auth.mode = \"jwt\": the audiences that tokens for this relay carry",
        ));
    }
    match (&auth.secret, &auth.jwks_url) {
        (Some(secret), None) if secret.expose().len() < MIN_SECRET => Err(ConfigError::field(
            "auth.secret",
            "must have at least 32 bytes",
        )),
        (Some(_), None) => Ok(()),
        (None, Some(url)) => check_jwks_url(url),
        _ => Err(ConfigError::field(
            "auth.secret",
            "exactly one of auth.secret and auth.jwks_url is needed with auth.mode = \"jwt\"",
        )),
    }
}

fn check_jwks_url(url: &str) -> Result<(), ConfigError> {
    let refuse = |message: &str| Err(ConfigError::field("auth.jwks_url", message));
    let Ok(uri) = url.parse::<http::Uri>() else {
        return refuse("is not a URL");
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return refuse("is not an absolute URL");
    };
    let Ok(origin) = format!("{scheme}://{authority}").parse::<Origin>() else {
        return refuse("must be an http or https URL without a user name");
    };
    if !origin.is_https() && !origin.is_loopback() {
        return refuse("must be https: whoever changes the keys on the way signs tokens at will");
    }
    Ok(())
}
