//! Which `Host` values and origins are this relay's own.
//!
//! A page of another site that rebinds its name to this address still sends its own name in
//! `Host`; answering only known names ends that attack before any work is done.

use std::net::SocketAddr;

use http::{Request, header};
use keyferry_protocol::ErrorCode;

use crate::config::Config;
use crate::error::ApiError;
use crate::origin::Origin;

/// Which of the relay's two web origins a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The page and the API.
    Page,
    /// The vault's frame and the API.
    Vault,
}

/// The relay's own origins.
#[derive(Debug)]
pub struct Hosts {
    /// A handful: looking at each is quicker than a hash.
    by_authority: Vec<(String, Site)>,
    own: Vec<Origin>,
    vault: Option<Origin>,
}

impl Hosts {
    /// From the configuration and the addresses that were bound (which know the port when the
    /// configuration says 0).
    #[must_use]
    pub fn new(config: &Config, page: SocketAddr, vault: Option<SocketAddr>) -> Self {
        let scheme = if config.tls.is_on() { "https" } else { "http" };
        let mut hosts = Self {
            by_authority: Vec::new(),
            own: Vec::new(),
            vault: None,
        };
        if config.server.public_origins.is_empty() {
            hosts.add_local(scheme, page, Site::Page);
        } else {
            for origin in &config.server.public_origins {
                hosts.add(origin.clone(), Site::Page);
            }
        }
        match (&config.vault.origin, vault) {
            (Some(origin), _) => {
                hosts.vault = Some(origin.clone());
                hosts.add(origin.clone(), Site::Vault);
            }
            (None, Some(address)) => {
                hosts.vault = local(scheme, "localhost", address.port());
                hosts.add_local(scheme, address, Site::Vault);
            }
            (None, None) => {}
        }
        hosts
    }

    fn add(&mut self, origin: Origin, site: Site) {
        let authority = origin.authority();
        match self
            .by_authority
            .iter_mut()
            .find(|(own, _)| own == authority)
        {
            Some((_, held)) => *held = site,
            None => self.by_authority.push((authority.to_owned(), site)),
        }
        self.own.push(origin);
    }

    fn add_local(&mut self, scheme: &str, address: SocketAddr, site: Site) {
        let ip = match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        };
        for host in ["localhost", "127.0.0.1", "[::1]", &ip] {
            if let Some(origin) = local(scheme, host, address.port()) {
                self.add(origin, site);
            }
        }
    }

    /// Which site the request asks for.
    ///
    /// # Errors
    /// `host_denied` for a missing, repeated or unknown host.
    pub fn site<B>(&self, request: &Request<B>) -> Result<Site, ApiError> {
        authority(request)
            .and_then(|text| {
                let mut own = self.by_authority.iter();
                own.find(|(own, _)| own.eq_ignore_ascii_case(text))
                    .map(|(_, site)| *site)
            })
            .ok_or_else(|| {
                ApiError::new(
                    ErrorCode::HostDenied,
                    "this relay is not reached under that host; the operator lists it in server.public_origins",
                )
            })
    }

    /// True when `origin` is one of the relay's own pages.
    #[must_use]
    pub fn is_own(&self, origin: &str) -> bool {
        self.own.iter().any(|own| own.as_str() == origin)
    }

    /// Every origin of this relay.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.own.iter()
    }

    /// The vault's origin, when there is one.
    #[must_use]
    pub fn vault(&self) -> Option<&Origin> {
        self.vault.as_ref()
    }
}

fn local(scheme: &str, host: &str, port: u16) -> Option<Origin> {
    format!("{scheme}://{host}:{port}").parse().ok()
}

/// `host[:port]` of the request: the `:authority` of HTTP/2, else exactly one `Host`. When an
/// HTTP/1 client sends an absolute-form target, both must agree.
fn authority<B>(request: &Request<B>) -> Option<&str> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let field = values.next().map(|value| value.to_str().ok());
    if values.next().is_some() {
        return None;
    }
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    let text = match (target, field) {
        (Some(target), None) => target,
        (Some(target), Some(Some(field))) if target.eq_ignore_ascii_case(field) => target,
        (None, Some(Some(field))) => field,
        _ => return None,
    };
    // Browsers leave the default port out, some clients do not.
    Some(
        text.strip_suffix(":443")
            .or_else(|| text.strip_suffix(":80"))
            .unwrap_or(text),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Hosts {
        let config = Config::parse(text, std::path::Path::new("test"), std::iter::empty()).unwrap();
        Hosts::new(
            &config,
            "127.0.0.1:8787".parse().unwrap(),
            config.vault.listen,
        )
    }

    fn request(uri: &str, host: &[&str]) -> Request<()> {
        let mut builder = Request::builder().uri(uri);
        for value in host {
            builder = builder.header(header::HOST, *value);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn local_names_by_default() {
        let hosts = hosts("");
        for host in [
            "localhost:8787",
            "127.0.0.1:8787",
            "[::1]:8787",
            "LOCALHOST:8787",
        ] {
            assert_eq!(
                hosts.site(&request("/", &[host])).unwrap(),
                Site::Page,
                "{host}"
            );
        }
        for host in [
            "localhost",
            "evil.example",
            "localhost:8788",
            "",
            "localhost:8787.evil",
        ] {
            assert!(hosts.site(&request("/", &[host])).is_err(), "{host}");
        }
    }

    #[test]
    fn public_origins_replace_them() {
        let hosts = hosts("[server]\npublic_origins = [\"https://relay.example\"]");
        for host in ["relay.example", "Relay.Example", "relay.example:443"] {
            assert!(hosts.site(&request("/", &[host])).is_ok(), "{host}");
        }
        assert!(hosts.site(&request("/", &["localhost:8787"])).is_err());
        assert!(hosts.is_own("https://relay.example"));
        assert!(!hosts.is_own("http://relay.example"));
    }

    #[test]
    fn ambiguous_hosts_are_refused() {
        let hosts = hosts("");
        assert!(hosts.site(&request("/", &[])).is_err());
        assert!(
            hosts
                .site(&request("/", &["localhost:8787", "localhost:8787"]))
                .is_err()
        );
        let absolute = "http://localhost:8787/x";
        assert!(hosts.site(&request(absolute, &["evil.example"])).is_err());
        assert!(hosts.site(&request(absolute, &["localhost:8787"])).is_ok());
        assert!(hosts.site(&request(absolute, &[])).is_ok());
    }

    #[test]
    fn vault_listener_is_its_own_site() {
        let hosts = hosts("[vault]\nlisten = \"127.0.0.1:8788\"");
        assert_eq!(
            hosts.site(&request("/", &["localhost:8788"])).unwrap(),
            Site::Vault
        );
        assert_eq!(hosts.vault().unwrap().as_str(), "http://localhost:8788");
    }
}
