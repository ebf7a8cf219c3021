//! A vault's session with a relay, made by the vault's own half.

use axum::body::Body;
use keyferry_protocol::sealed::{Binding, KeySet, Sealer};
use keyferry_protocol::{Fallback, base64url};
use serde_json::Value;

use crate::support::{CANARY, TestRelay, now};

pub(crate) const IDENTITY: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
pub(crate) const FIRST: &str = "a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
pub(crate) const SECOND: &str = "b:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// `[secrets]` with this ring and an identity, and `more` in the same table.
pub(crate) fn secrets(current: &str, accept: &[&str], more: &str) -> String {
    let accept: Vec<String> = accept.iter().map(|entry| format!("\"{entry}\"")).collect();
    format!(
        "[secrets]\ncurrent = \"{current}\"\nidentity = \"{IDENTITY}\"\naccept = [{}]\n{more}\n",
        accept.join(", ")
    )
}

/// A vault session with a relay.
pub(crate) struct Vault {
    pub(crate) sealer: Sealer,
    pub(crate) origin: String,
    nonce: u8,
}

impl Vault {
    /// Reads the key set of `relay` and encapsulates.
    pub(crate) async fn open(relay: &TestRelay, entropy: u8) -> Self {
        let request = relay
            .request("GET", "/.well-known/keyferry")
            .body(Body::empty())
            .unwrap();
        let document = relay.reply(request).await.json();
        let origin = format!("http://localhost:{}", relay.address.port());
        Self::new(&document, origin, entropy)
    }

    /// Verifies the key set in `document` under the identity it names, and encapsulates.
    pub(crate) fn new(document: &Value, origin: String, entropy: u8) -> Self {
        let field =
            |name: &str| base64url::decode(document["sealing"][name].as_str().unwrap()).unwrap();
        let set = KeySet::open(
            &field("keySet"),
            &field("signature").try_into().unwrap(),
            &field("identity").try_into().unwrap(),
            now(),
        )
        .unwrap();
        let key = set.current(now()).unwrap();
        let sealer = Sealer::new(&key.kid, &key.public, [entropy; 32], now() - 3600).unwrap();
        Self {
            sealer,
            origin,
            nonce: 0,
        }
    }

    /// Seals the canary, now, for a request whose `X-BYOK-Provider` is `provider`.
    pub(crate) fn seal(&mut self, method: &str, target: &str, provider: &str) -> String {
        let origin = self.origin.clone();
        let binding = Binding {
            origin: &origin,
            method,
            target,
            provider,
            fallback: Fallback::Never,
        };
        self.seal_at(now(), &binding)
    }

    /// Seals the canary for this time and binding.
    pub(crate) fn seal_at(&mut self, time: u64, binding: &Binding<'_>) -> String {
        self.nonce += 1;
        self.sealer
            .seal(CANARY.as_bytes(), binding, time, [self.nonce; 12])
            .unwrap()
    }
}
