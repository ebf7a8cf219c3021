//! Web origins and authorities, compared exactly.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `scheme://host[:port]` of an `http` or `https` URL, lower case, default port left out: the form
/// browsers send in `Origin` (RFC 6454 §6.2), so that comparing is comparing bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    text: String,
    /// Where the authority begins in `text`.
    authority: usize,
}

/// Why a text is not an origin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an origin such as https://app.example, without path, wildcard or user name")]
pub struct NotAnOrigin;

impl Origin {
    /// The origin as browsers write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `host[:port]`, what a request to this origin carries in `Host`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.text.get(self.authority..).unwrap_or_default()
    }

    /// The host alone; IPv6 addresses keep their brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(self.authority()).0
    }

    /// True for `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }

    /// True when the host is `localhost`, below it, or a loopback address: nothing sent there
    /// leaves the machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        if host == "localhost" || host.ends_with(".localhost") {
            return true;
        }
        host.trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
    }
}

/// Splits `host[:port]`; the port is empty when there is none.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let lower = text.to_ascii_lowercase();
        // One trailing slash is how people copy an origin from the address bar.
        let lower = lower.strip_suffix('/').unwrap_or(&lower);
        let (scheme, authority) = lower.split_once("://").ok_or(NotAnOrigin)?;
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(NotAnOrigin),
        };
        let (host, port) = split_port(authority);
        let named = !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let bracketed = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
        let port_ok = authority.len() == host.len() || port.parse::<u16>().is_ok_and(|p| p != 0);
        if !(named || bracketed) || !port_ok {
            return Err(NotAnOrigin);
        }
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        Ok(Self {
            text: format!("{scheme}://{authority}"),
            authority: scheme.len() + 3,
        })
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised_as_browsers_write_them() {
        for (given, expected) in [
            ("https://App.Example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:80/", "http://app.example"),
            ("http://localhost:8787", "http://localhost:8787"),
            ("http://[::1]:8787", "http://[::1]:8787"),
        ] {
            assert_eq!(given.parse::<Origin>().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "*",
            "null",
            "app.example",
            "https://*.example",
            "https://user@app.example",
            "https://app.example/path",
            "https://app.example?q",
            "https://app.example:0",
            "https://app.example:",
            "https://",
            "ftp://app.example",
            "http://[zz]",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for (text, expected) in [
            ("http://localhost:1", true),
            ("http://a.localhost", true),
            ("http://127.0.0.9", true),
            ("http://[::1]:80", true),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(
                text.parse::<Origin>().unwrap().is_loopback(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn authority_and_host() {
        let origin: Origin = "http://[::1]:8787".parse().unwrap();
        assert_eq!(origin.authority(), "[::1]:8787");
        assert_eq!(origin.host(), "[::1]");
    }
}
