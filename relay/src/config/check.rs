//! What types cannot say about a configuration.

use std::net::SocketAddr;

use super::{AuthMode, Config, ConfigError, ServerSettings, access};
use crate::secret::Secret;

/// # Errors
/// The first field whose value cannot work, with what would.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    check_listener("server.listen", config.server.listen, config)?;
    if let Some(listen) = config.vault.listen {
        check_listener("vault.listen", listen, config)?;
        if listen == config.server.listen && listen.port() != 0 {
            return Err(ConfigError::field(
                "vault.listen",
                "is the same as server.listen; use vault.origin for a second host name on one listener",
            ));
        }
    }
    config.tls.check()?;
    access::check(config)?;
    check_vault(config)?;
    check_sizes(&config.server)?;
    check_static_dir(&config.server)?;
    config.jobs.check(config.store.url.is_some())?;
    check_providers(config)
}

fn check_listener(field: &str, listen: SocketAddr, config: &Config) -> Result<(), ConfigError> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if !config.tls.is_on() && !config.server.allow_plain_http {
        return Err(ConfigError::field(
            field,
            "plain HTTP on an address others can reach; set tls.certificate and tls.key, or put TLS in front and set server.allow_plain_http = true, or listen on 127.0.0.1",
        ));
    }
    if config.auth.mode == AuthMode::None && !config.auth.allow_none {
        return Err(ConfigError::field(
            "auth.mode",
            "\"none\" on an address others can reach lets anyone relay through here; set auth.allow_none = true if that is meant",
        ));
    }
    if config.server.public_origins.is_empty() {
        return Err(ConfigError::field(
            "server.public_origins",
            "needed when listening on an address others can reach: the origins clients use, such as https://relay.example",
        ));
    }
    Ok(())
}

fn check_vault(config: &Config) -> Result<(), ConfigError> {
    let vault = &config.vault;
    let Some(origin) = &vault.origin else {
        if vault.listen.is_none() && !vault.embedders.is_empty() {
            return Err(ConfigError::field(
                "vault.embedders",
                "has no effect without vault.listen or vault.origin",
            ));
        }
        return Ok(());
    };
    if config.server.public_origins.contains(origin)
        || config.server.allowed_origins.contains(origin)
    {
        return Err(ConfigError::field(
            "vault.origin",
            "must not be an origin of the page or of an app: scripts there would share the vault's storage",
        ));
    }
    Ok(())
}

fn check_sizes(server: &ServerSettings) -> Result<(), ConfigError> {
    // hyper's own floor for the read buffer.
    if server.max_header_bytes < 8192 {
        return Err(ConfigError::field(
            "server.max_header_bytes",
            "must be at least 8192",
        ));
    }
    if server.max_headers == 0 {
        return Err(ConfigError::field(
            "server.max_headers",
            "must be at least 1",
        ));
    }
    if server.max_connections == 0 {
        return Err(ConfigError::field(
            "server.max_connections",
            "must be at least 1",
        ));
    }
    Ok(())
}

fn check_static_dir(server: &ServerSettings) -> Result<(), ConfigError> {
    match &server.static_dir {
        Some(folder) if !folder.is_dir() => Err(ConfigError::field(
            "server.static_dir",
            format!("{} is not a folder; build the page first", folder.display()),
        )),
        _ => Ok(()),
    }
}

fn check_providers(config: &Config) -> Result<(), ConfigError> {
    for (id, provider) in &config.providers {
        if let Some(origin) = &provider.base_url
            && !origin.is_https()
            && !origin.is_loopback()
            && !provider.allow_plain_http
        {
            return Err(ConfigError::field(
                format!("providers.{id}.base_url"),
                format!(
                    "plain HTTP would carry keys bare over the network; use https, or set providers.{id}.allow_plain_http = true"
                ),
            ));
        }
        if provider
            .server_key
            .as_ref()
            .is_some_and(|key| key.header_value("").is_none())
        {
            return Err(ConfigError::field(
                format!("providers.{id}.server_key"),
                "holds characters that no header may carry",
            ));
        }
        let header_ok = |name: &String| http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !provider.auth.as_ref().is_none_or(header_ok) {
            return Err(ConfigError::field(
                format!("providers.{id}.auth"),
                "expected \"bearer\" or the name of a header",
            ));
        }
        if provider.server_key.as_ref().is_some_and(Secret::is_empty) {
            return Err(ConfigError::field(
                format!("providers.{id}.server_key"),
                "is empty",
            ));
        }
    }
    Ok(())
}
