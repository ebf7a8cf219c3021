//! `[limits]`, the limits of `[plans.<name>]`, and `[store]`.

use keyferry_protocol::PicoUsd;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::Network;
use crate::secret::Secret;

/// A person who chats all day stays far below; a loop that ran wild is stopped within minutes.
const BYOK_REQUESTS_PER_HOUR: u64 = 3_600;
/// The operator's money: enough to try an app.
const SERVER_REQUESTS_PER_HOUR: u64 = 100;
/// People mistype keys; lists of stolen ones are tried by the thousand. Generous enough for an
/// office behind one address.
const FAILURES_PER_HOUR: u64 = 60;
/// A person looks at one result after the other.
const KEY_TESTS_PER_MINUTE: u64 = 10;
/// An app makes one for each piece of work it hands over.
const LEASES_PER_MINUTE: u64 = 120;

/// A browser opens six connections to one host, a server that works for many users runs more.
const CONCURRENT_REQUESTS: u32 = 100;

/// `[limits]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Requests per hour, caller and provider on the user's own key. Zero allows none.
    pub byok_requests_per_hour: u64,
    /// The same on the server's key.
    pub server_requests_per_hour: u64,
    /// Tokens per hour, caller and provider on the user's own key. Absent: not limited.
    pub byok_tokens_per_hour: Option<u64>,
    /// The same on the server's key.
    pub server_tokens_per_hour: Option<u64>,
    /// What a caller may spend per provider, payer and UTC day. Absent: no cap.
    pub daily_cap_usd: Option<Usd>,
    /// Failures per hour and client address (IPv6: /64) of keys and tokens that never worked.
    pub failures_per_hour: u64,
    /// Key tests per minute and caller.
    pub key_tests_per_minute: u64,
    /// Leases made per minute and caller.
    pub leases_per_minute: u64,
    /// Calls of one caller that run at a time on one instance.
    pub concurrent_requests: u32,
    /// Proxies whose `X-Forwarded-For` is believed: addresses or ranges.
    pub trusted_proxies: Vec<Network>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            byok_requests_per_hour: BYOK_REQUESTS_PER_HOUR,
            server_requests_per_hour: SERVER_REQUESTS_PER_HOUR,
            byok_tokens_per_hour: None,
            server_tokens_per_hour: None,
            daily_cap_usd: None,
            failures_per_hour: FAILURES_PER_HOUR,
            key_tests_per_minute: KEY_TESTS_PER_MINUTE,
            leases_per_minute: LEASES_PER_MINUTE,
            concurrent_requests: CONCURRENT_REQUESTS,
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[store]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// `redis://[user:password@]host:port`, or `rediss://` over TLS; for a cluster any number of
    /// its nodes, separated by commas. Absent: state is kept in the process.
    #[serde(serialize_with = "Secret::redact_option")]
    pub url: Option<Secret>,
    /// Redis runs in cluster mode.
    pub cluster: bool,
}

/// An amount of dollars in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub PicoUsd);

impl Usd {
    /// Whole micro-dollars, rounded up.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0.to_micros()
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        // The shortest decimal that reads back as this number is what was written.
        PicoUsd::parse_usd(&number.to_string())
            .map(Self)
            .ok_or_else(|| {
                serde::de::Error::custom("expected an amount in dollars, zero or more, such as 5.0")
            })
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0
            .to_string()
            .parse::<f64>()
            .unwrap_or(f64::NAN)
            .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        for (text, micros) in [
            ("v = 5.0", 5_000_000),
            ("v = 0.1", 100_000),
            ("v = 3", 3_000_000),
        ] {
            let table: std::collections::BTreeMap<String, Usd> = toml::from_str(text).unwrap();
            assert_eq!(table["v"].micros(), micros, "{text}");
        }
        for text in ["v = -1.0", "v = nan", "v = inf", "v = 1e99", "v = \"5\""] {
            let read = toml::from_str::<std::collections::BTreeMap<String, Usd>>(text);
            assert!(read.is_err(), "{text}");
        }
    }
}
