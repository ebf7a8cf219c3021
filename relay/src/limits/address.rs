//! Whose address a request came from, when proxies stand in between.

use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An address range in CIDR form, `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    /// Leading bits that count, of 128.
    bits: u8,
}

/// Why a text is not a [`Network`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an address or a range such as 10.0.0.0/8")]
pub struct NotANetwork;

/// IPv4 is looked at in its IPv6-mapped form: one kind of comparison, and a proxy that listens on
/// both is recognised either way.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Network {
    /// True when `address` is in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = self.address ^ wide(address);
        differing
            .checked_shr(128 - u32::from(self.bits))
            .unwrap_or(0)
            == 0
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let (most, offset) = if address.is_ipv4() {
            (32, 96)
        } else {
            (128, 0)
        };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(NotANetwork);
        }
        Ok(Self {
            address: wide(address),
            bits: bits + offset,
        })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let v6 = std::net::Ipv6Addr::from_bits(self.address);
        match v6.to_ipv4_mapped().filter(|_| self.bits >= 96) {
            Some(v4) => serializer.collect_str(&format_args!("{v4}/{}", self.bits - 96)),
            None => serializer.collect_str(&format_args!("{v6}/{}", self.bits)),
        }
    }
}

/// The client's address: the connection's other end, unless that is a trusted proxy; then the last
/// address in `X-Forwarded-For` that is none. Everything before it was written by the client.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let mut client = peer;
    let fields = headers.get_all("x-forwarded-for");
    let fields: Vec<&str> = fields
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    for hop in fields.iter().rev().flat_map(|field| field.rsplit(',')) {
        let Some(address) = parse_hop(hop.trim()) else {
            break;
        };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// An address, with the port or the brackets that some proxies add.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = || text.trim_start_matches('[').split(']').next()?.parse().ok();
    text.parse()
        .ok()
        .or_else(|| {
            text.parse::<std::net::SocketAddr>()
                .ok()
                .map(|address| address.ip())
        })
        .or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", http::HeaderValue::from_static(value));
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(address("9.9.9.9", &["1.1.1.1"], &[]), "9.9.9.9");
        assert_eq!(address("9.9.9.9", &["1.1.1.1"], &["10.0.0.0/8"]), "9.9.9.9");
        assert_eq!(
            address("10.0.0.1", &["1.1.1.1"], &["10.0.0.0/8"]),
            "1.1.1.1"
        );
    }

    #[test]
    fn what_the_client_wrote_itself_is_not_believed() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(
            address("10.0.0.1", &["6.6.6.6, 1.1.1.1"], &trusted),
            "1.1.1.1"
        );
        assert_eq!(
            address("10.0.0.1", &["6.6.6.6", "1.1.1.1, 10.0.0.2"], &trusted),
            "1.1.1.1"
        );
        assert_eq!(
            address("10.0.0.1", &["6.6.6.6, junk"], &trusted),
            "10.0.0.1"
        );
        assert_eq!(address("10.0.0.1", &[], &trusted), "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_taken_off() {
        let trusted = ["::1", "127.0.0.1"];
        assert_eq!(address("::1", &["1.1.1.1:5000"], &trusted), "1.1.1.1");
        assert_eq!(
            address("::1", &["[2001:db8::1]:5000"], &trusted),
            "2001:db8::1"
        );
        assert_eq!(
            address("127.0.0.1", &["[2001:db8::1]"], &trusted),
            "2001:db8::1"
        );
    }

    #[test]
    fn ranges_are_read_and_refused() {
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(IpAddr::from([8, 8, 8, 8])));
        assert!(!all.contains("2001:db8::1".parse().unwrap()));
        let every: Network = "::/0".parse().unwrap();
        assert!(every.contains(IpAddr::from([8, 8, 8, 8])));
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "host"] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}
