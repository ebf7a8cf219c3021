//! What SIGHUP replaces while requests run: everything derived from the configuration (secrets,
//! origins, providers and their keys, auth, tiers, prices) and the certificates.

use std::sync::Arc;

use crate::config::{Config, ConfigError};
use crate::state::Relay;
use crate::tls::{CertificateError, Certificates};

/// Why everything stayed as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
}

/// Reads everything anew and puts it in place, all or nothing. Logs and counts the outcome.
pub(crate) fn reload(
    relay: &Relay,
    certificates: Option<&Arc<Certificates>>,
    reread: impl Fn() -> Result<Config, ConfigError>,
) {
    let outcome = try_reload(relay, certificates, reread);
    relay.metrics().reload(outcome.is_ok());
    match outcome {
        Ok(restart) if restart.is_empty() => tracing::info!("configuration reloaded"),
        Ok(restart) => tracing::warn!(
            fields = restart.join(", "),
            "configuration reloaded, but these fields take effect at the next start only"
        ),
        Err(error) => {
            tracing::error!(%error, "configuration not reloaded, the old one stays");
        }
    }
}

fn try_reload(
    relay: &Relay,
    certificates: Option<&Arc<Certificates>>,
    reread: impl Fn() -> Result<Config, ConfigError>,
) -> Result<Vec<&'static str>, ReloadError> {
    let config = reread()?;
    let restart = fixed_at_start(&relay.live().config, &config);
    // Certificates first: reading them changes nothing until they are accepted.
    let fresh = certificates
        .map(|certificates| certificates.read())
        .transpose()?;
    relay.reload(config)?;
    if let (Some(certificates), Some(fresh)) = (certificates, fresh) {
        certificates.replace(fresh);
    }
    Ok(restart)
}

/// Changed fields that only a start reads.
fn fixed_at_start(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.server, &new.server);
    let (t, u) = (&old.timeouts, &new.timeouts);
    // Exposed to be compared.
    let url = |config: &Config| config.store.url.as_ref().map(|url| url.expose().to_vec());
    [
        ("server.listen", a.listen != b.listen),
        ("server.admin_listen", a.admin_listen != b.admin_listen),
        ("vault.listen", old.vault.listen != new.vault.listen),
        (
            "tls.certificate",
            old.tls.certificate != new.tls.certificate,
        ),
        ("tls.key", old.tls.key != new.tls.key),
        (
            "server.max_connections",
            a.max_connections != b.max_connections,
        ),
        (
            "server.max_header_bytes",
            a.max_header_bytes != b.max_header_bytes,
        ),
        ("server.max_headers", a.max_headers != b.max_headers),
        ("store.url", url(old) != url(new)),
        ("store.cluster", old.store.cluster != new.store.cluster),
        ("timeouts.header_ms", t.header != u.header),
        ("timeouts.connect_ms", t.connect != u.connect),
        ("timeouts.first_byte_ms", t.first_byte != u.first_byte),
    ]
    .into_iter()
    .filter_map(|(field, changed)| changed.then_some(field))
    .collect()
}
