//! The typed configuration, section by section, as it stands in the file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::{AuthSettings, PlanSettings, TierSettings};
use super::defaults;
use super::tls::TlsSettings;
use crate::jobs::JobSettings;
use crate::limits::{LimitSettings, StoreSettings};
use crate::origin::Origin;
use crate::prices::PriceSettings;
use crate::secret::Secret;

/// The whole file. Unknown sections and fields are errors.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Listening, origins, limits of a connection.
    pub server: ServerSettings,
    /// TLS of the listeners.
    pub tls: TlsSettings,
    /// The vault's own origin.
    pub vault: VaultSettings,
    /// The server's secret ring.
    pub secrets: SecretSettings,
    /// Who may call.
    pub auth: AuthSettings,
    /// Tiers of models.
    pub tiers: TierSettings,
    /// Plans by name, each with the tiers it includes.
    pub plans: BTreeMap<String, PlanSettings>,
    /// Where shared state is kept.
    pub store: StoreSettings,
    /// How much a caller may take.
    pub limits: LimitSettings,
    /// Work that goes on after its maker has left.
    pub jobs: JobSettings,
    /// The operator's own prices, by model.
    pub prices: BTreeMap<String, PriceSettings>,
    /// Who may be paid for.
    pub payer: PayerSettings,
    /// How long each phase of a call may take.
    pub timeouts: TimeoutSettings,
    /// Connections to providers.
    pub upstream: UpstreamSettings,
    /// Providers by id: overrides of the catalogue and the operator's own.
    pub providers: BTreeMap<String, ProviderSettings>,
}

/// `[server]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Address and port of the API and the page.
    pub listen: SocketAddr,
    /// Address and port of metrics and probes, in plain HTTP. Absent: neither is served there.
    pub admin_listen: Option<SocketAddr>,
    /// Origins under which clients reach this relay; their authorities are the accepted `Host`
    /// values. Empty: the listen address and localhost.
    pub public_origins: Vec<Origin>,
    /// Origins of the apps whose pages may call.
    pub allowed_origins: Vec<Origin>,
    /// Folder of the built page. Absent: no page is served.
    pub static_dir: Option<PathBuf>,
    /// Largest request body, in bytes.
    pub max_body_bytes: u64,
    /// Largest request body that is held in memory to read its `model`, in bytes; no more than
    /// `max_body_bytes` whatever it says (see [`ServerSettings::buffered_limit`]).
    pub max_buffered_body_bytes: u64,
    /// Largest request head, in bytes.
    pub max_header_bytes: usize,
    /// Most header fields of a request.
    pub max_headers: usize,
    /// Most open client connections.
    pub max_connections: usize,
    /// Accept plain HTTP on an address others can reach, because TLS ends in front.
    pub allow_plain_http: bool,
    /// Between readiness off and the closed listener.
    #[serde(rename = "drain_delay_ms", with = "millis")]
    pub drain_delay: Duration,
    /// Longest wait for running streams at shutdown.
    #[serde(rename = "drain_deadline_ms", with = "millis")]
    pub drain_deadline: Duration,
}

impl ServerSettings {
    /// Largest request body that is held in memory, in bytes.
    #[must_use]
    pub fn buffered_limit(&self) -> u64 {
        self.max_buffered_body_bytes.min(self.max_body_bytes)
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            admin_listen: None,
            public_origins: Vec::new(),
            allowed_origins: Vec::new(),
            static_dir: None,
            max_body_bytes: defaults::MAX_BODY_BYTES,
            max_buffered_body_bytes: defaults::MAX_BUFFERED_BODY_BYTES,
            max_header_bytes: defaults::MAX_HEADER_BYTES,
            max_headers: defaults::MAX_HEADERS,
            max_connections: defaults::MAX_CONNECTIONS,
            allow_plain_http: false,
            drain_delay: defaults::DRAIN_DELAY,
            drain_deadline: defaults::DRAIN_DEADLINE,
        }
    }
}

/// `[vault]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultSettings {
    /// A listener of its own for the vault's origin.
    pub listen: Option<SocketAddr>,
    /// The vault's origin. Absent with `listen`: localhost and its port.
    pub origin: Option<Origin>,
    /// Origins of the apps that may embed the vault's frame.
    pub embedders: Vec<Origin>,
}

/// `[secrets]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretSettings {
    /// `<kid>:<32 bytes, base64>`, made by `keygen`: what new things are sealed and signed under.
    #[serde(serialize_with = "Secret::redact_option")]
    pub current: Option<Secret>,
    /// 32 bytes, base64, made by `keygen --identity`: the long-term key that signs the sealing
    /// keys. Vaults pin its public half, so it outlives every rotation. Absent: nothing is sealed.
    #[serde(serialize_with = "Secret::redact_option")]
    pub identity: Option<Secret>,
    /// Refuse plain keys, once every client seals.
    pub require_sealed: bool,
    /// Earlier secrets that are still understood.
    #[serde(serialize_with = "Secret::redact_list")]
    pub accept: Vec<Secret>,
}

/// `[payer]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PayerSettings {
    /// Let server keys pay for callers who have not proven who they are.
    pub allow_unauthenticated: bool,
}

/// `[upstream]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamSettings {
    /// Certificates (PEM) of authorities that are trusted for providers besides Mozilla's: for a
    /// provider of the operator's own behind a private authority.
    pub extra_ca: Option<PathBuf>,
}

/// `[timeouts]`, all in milliseconds.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutSettings {
    /// For a client's complete request head, idle time of a kept connection included.
    #[serde(rename = "header_ms", with = "millis")]
    pub header: Duration,
    /// Longest silence of a client that is sending its body.
    #[serde(rename = "body_idle_ms", with = "millis")]
    pub body_idle: Duration,
    /// Longest time a client may take nothing of what is sent to it.
    #[serde(rename = "write_idle_ms", with = "millis")]
    pub write_idle: Duration,
    /// DNS, TCP and TLS to a provider.
    #[serde(rename = "connect_ms", with = "millis")]
    pub connect: Duration,
    /// From the end of the request to the provider's response head.
    #[serde(rename = "first_byte_ms", with = "millis")]
    pub first_byte: Duration,
    /// Longest silence between two chunks of a provider's answer.
    #[serde(rename = "idle_ms", with = "millis")]
    pub idle: Duration,
    /// The whole of a key test.
    #[serde(rename = "key_test_ms", with = "millis")]
    pub key_test: Duration,
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self {
            header: defaults::HEADER_TIMEOUT,
            body_idle: defaults::BODY_IDLE_TIMEOUT,
            write_idle: defaults::WRITE_IDLE_TIMEOUT,
            connect: defaults::CONNECT_TIMEOUT,
            first_byte: defaults::FIRST_BYTE_TIMEOUT,
            idle: defaults::IDLE_TIMEOUT,
            key_test: defaults::KEY_TEST_TIMEOUT,
        }
    }
}

/// `[providers.<id>]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderSettings {
    /// Origin the provider is called at. The catalogue knows the usual one.
    pub base_url: Option<Origin>,
    /// The operator's own key, for requests without a usable user key.
    #[serde(serialize_with = "Secret::redact_option")]
    pub server_key: Option<Secret>,
    /// Name for people. The catalogue knows the usual one; a new provider's is its id.
    pub name: Option<String>,
    /// `bearer`, or the header that takes the bare key, such as `x-api-key`.
    pub auth: Option<String>,
    /// Path prefix of the OpenAI-compatible API; `/v1` for a new provider.
    pub openai_prefix: Option<String>,
    /// A `GET` that costs nothing and needs a good key; the model list for a new provider.
    pub check_path: Option<String>,
    /// A cheap model for the deep key test.
    pub deep_model: Option<String>,
    /// Beginnings of its models' names, for routing by model.
    pub models: Vec<String>,
    /// Endpoints relayed beyond the catalogue's, as `POST /v1/rerank`.
    pub allow: Vec<String>,
    /// Accept a `base_url` in plain HTTP that is not on this machine: keys cross the network bare.
    pub allow_plain_http: bool,
}

/// Durations as whole milliseconds, the unit in the field's name.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}
