//! What the relay says of itself: its time, whose keys it has, and the keys to seal to.

use keyferry_protocol::{
    base64url, header,
    json::{Value, top_level},
    sealed::{KeySet, KeySetError},
};

use super::{Answer, FetchError, Outgoing, Transport};
use crate::{
    platform::Platform,
    vault::{Ticket, Vault},
};

/// How long an answer is believed.
const FRESH_MS: u64 = 5 * 60 * 1000;
/// Longest document that is read.
const MAX_BYTES: usize = 256 * 1024;

/// The keys a relay wants to be sealed to, signed by its identity; not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealing {
    key_set: Vec<u8>,
    signature: [u8; 64],
    pub(super) identity: [u8; 32],
}

impl Sealing {
    pub(super) fn open(
        &self,
        identity: &[u8; 32],
        now_seconds: u64,
    ) -> Result<KeySet, KeySetError> {
        KeySet::open(&self.key_set, &self.signature, identity, now_seconds)
    }
}

/// The well-known document, as far as the vault needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RelayInfo {
    fetched_at: u64,
    /// Relay's time minus ours, in milliseconds.
    offset: i64,
    server_keys: Vec<String>,
    pub(super) sealing: Option<Sealing>,
}

impl RelayInfo {
    fn parse(bytes: &[u8], now: u64) -> Option<Self> {
        let [relay_now, providers, sealing] =
            top_level(bytes, ["now", "providers", "sealing"]).ok()?;
        let relay_now = relay_now.as_ref().and_then(Value::as_u64).unwrap_or(now);
        let mut server_keys = Vec::new();
        for row in providers
            .as_ref()
            .map(|list| elements(list.raw))
            .unwrap_or_default()
        {
            let [id, server_key] = top_level(row, ["id", "serverKey"]).ok()?;
            let has_key = server_key.as_ref().and_then(Value::as_bool) == Some(true);
            if let Some(id) = id.as_ref().and_then(Value::as_str).filter(|_| has_key) {
                server_keys.push(id.into_owned());
            }
        }
        let sealing = match sealing.filter(|value| !value.is_null()) {
            None => None,
            // Sealing that cannot be read is no reason to send a key unsealed.
            Some(value) => Some(read_sealing(value.raw)?),
        };
        let offset = i64::try_from(relay_now)
            .ok()?
            .saturating_sub(i64::try_from(now).ok()?);
        Some(Self {
            fetched_at: now,
            offset,
            server_keys,
            sealing,
        })
    }

    /// The relay's time in Unix seconds.
    pub(super) fn relay_seconds(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.offset) / 1000
    }

    pub(super) fn has_server_key(&self, provider: &str) -> bool {
        self.server_keys.iter().any(|id| id == provider)
    }

    fn is_fresh(&self, now: u64) -> bool {
        now >= self.fetched_at && now - self.fetched_at < FRESH_MS
    }
}

fn read_sealing(raw: &[u8]) -> Option<Sealing> {
    let fields = top_level(raw, ["keySet", "signature", "identity"]).ok()?;
    let [key_set, signature, identity] = fields.map(|field| field.and_then(|value| value.as_str()));
    Some(Sealing {
        key_set: base64url::decode(&key_set?)?,
        signature: base64url::decode_array(&signature?)?,
        identity: base64url::decode_array(&identity?)?,
    })
}

/// The elements of a JSON array that has been checked already, as they stand.
fn elements(raw: &[u8]) -> Vec<&[u8]> {
    let inner = raw
        .strip_prefix(b"[")
        .and_then(|raw| raw.strip_suffix(b"]"))
        .unwrap_or_default();
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    inner
        .split(|&byte| {
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                return false;
            }
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' => return depth == 0,
                _ => {}
            }
            false
        })
        .filter(|element| !element.iter().all(u8::is_ascii_whitespace))
        .collect()
}

impl<P: Platform> Vault<P> {
    /// The relay's description; asked for at most every five minutes unless `anew`. A relay without
    /// one is described by nothing.
    pub(crate) async fn relay_info(&self, anew: bool) -> Result<RelayInfo, FetchError> {
        if !anew && let Some(info) = self.known_relay().filter(|info| info.is_fresh(self.now())) {
            return Ok(info);
        }
        let outgoing = Outgoing {
            method: "GET".to_owned(),
            url: self.relay().url(header::WELL_KNOWN_PATH),
            headers: Vec::new(),
            credential: None,
        };
        let answer = self
            .platform()
            .transport()
            .send(&outgoing, None, None)
            .await?;
        let found = answer.status() == 200;
        let missing = answer.status() == 404;
        let bytes = answer.bytes(MAX_BYTES).await?;
        let now = self.now();
        let info = if found {
            RelayInfo::parse(&bytes, now).ok_or(FetchError::Network)?
        } else if missing {
            RelayInfo {
                fetched_at: now,
                ..RelayInfo::default()
            }
        } else {
            return Err(FetchError::Network);
        };
        self.remember_relay(info.clone());
        Ok(info)
    }

    /// Whether the relay pays for a provider itself.
    pub(super) async fn relay_pays(&self, provider: &str) -> bool {
        match self.relay_info(false).await {
            Ok(info) => info.has_server_key(provider),
            Err(_) => false,
        }
    }

    /// The identity key requests must be sealed to: the app's, else the one pinned before.
    pub(super) fn pin(&self, ticket: Ticket) -> Result<Option<[u8; 32]>, FetchError> {
        let pinned = self
            .with(ticket, |session| Ok(session.settings().relay_key))
            .map_err(|_| FetchError::Locked)?;
        Ok(self.configured_relay_key().or(pinned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_relay_says() {
        let text = br#"{"version":"1","now":1800000005000,"providers":[
            {"id":"openai","serverKey":true,"unified":["/a,b","]"]},{"id":"x\"y","serverKey":false}],"features":[]}"#;
        let info = RelayInfo::parse(text, 1_800_000_000_000).unwrap();
        assert!(info.has_server_key("openai"));
        assert!(!info.has_server_key("anthropic"));
        assert_eq!(info.relay_seconds(1_800_000_001_000), 1_800_000_006);
        assert!(info.sealing.is_none());
    }

    #[test]
    fn unreadable_sealing_is_not_taken_for_none() {
        assert!(RelayInfo::parse(br#"{"sealing":{"keySet":"!"}}"#, 0).is_none());
        assert!(RelayInfo::parse(br#"{"sealing":null}"#, 0).is_some());
        assert!(RelayInfo::parse(b"ok", 0).is_none());
    }

    #[test]
    fn elements_are_split_outside_strings_and_brackets() {
        assert!(elements(b"[]").is_empty());
        assert!(elements(b"[ ]").is_empty());
        let found = elements(br#"[{"a":[1,2]},"x,\"]",3]"#);
        assert_eq!(found, [br#"{"a":[1,2]}"#.as_slice(), br#""x,\"]""#, b"3"]);
    }
}
