//! Names and values of the headers that vault and relay exchange.
//!
//! Names are lower case, as HTTP/2 requires and as `http::HeaderName::from_static` expects.

/// Request: the provider key, plain or sealed (`kf1.…`).
pub const KEY: &str = "x-byok-key";
/// Request: a lease handle (`kfl_<id>.<secret>`) in place of a key.
pub const LEASE: &str = "x-byok-lease";
/// Request: a job's handle (`kfj_<id>.<secret>`).
pub const JOB: &str = "x-byok-job";
/// Request: the provider the key belongs to. Response: the provider that answered.
pub const PROVIDER: &str = "x-byok-provider";
/// Request: whether the server's key may pay in place of the user's, see [`Fallback`].
pub const FALLBACK: &str = "x-byok-fallback";
/// Request: `1` keeps the usage chunk in streams that did not ask for it.
pub const USAGE: &str = "x-byok-usage";
/// Response: who paid, see [`Payer`].
pub const PAID_BY: &str = "x-byok-paid-by";
/// Response: why the server's key paid, see [`FallbackReason`].
pub const FALLBACK_REASON: &str = "x-byok-fallback-reason";
/// Response: code of an error the relay itself made; absent on the provider's own errors.
pub const ERROR: &str = "x-byok-error";
/// Response: id of the request, as in the relay's logs.
pub const REQUEST_ID: &str = "x-byok-request-id";
/// Response: what the model costs, in pico-dollars (10⁻¹² USD) per token, `input=…;output=…`; absent
/// when its price is not known.
pub const PRICE: &str = "x-byok-price";
/// Response of the vault's own refusals: tells provider SDKs not to retry.
pub const SHOULD_RETRY: &str = "x-should-retry";

/// Every header by which some provider takes credentials. They leave a request at the outermost
/// layer of the relay, and the vault drops those an SDK set.
pub const PROVIDER_AUTH: [&str; 4] = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];

/// Path of the relay's description of itself.
pub const WELL_KNOWN_PATH: &str = "/.well-known/keyferry";

/// Prefix of a sealed [`KEY`] value.
pub const SEALED_PREFIX: &str = "kf1.";
/// Prefix of a [`LEASE`] handle.
pub const LEASE_PREFIX: &str = "kfl_";
/// Prefix of a [`JOB`] handle.
pub const JOB_PREFIX: &str = "kfj_";

/// Whether the server's key may pay for a request. Value of [`FALLBACK`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Only the user's key.
    #[default]
    Never,
    /// The server's key of the same provider.
    Allow,
    /// The server's key of the same provider, else the server's OpenRouter key.
    AllowAny,
}

impl Fallback {
    /// Reads the header's value: exact, lower case.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        match value {
            "never" => Some(Self::Never),
            "allow" => Some(Self::Allow),
            "allow-any" => Some(Self::AllowAny),
            _ => None,
        }
    }

    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Allow => "allow",
            Self::AllowAny => "allow-any",
        }
    }
}

/// Who paid for a request. Value of [`PAID_BY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// The user's own key.
    User,
    /// A key of the relay's operator.
    Server,
}

impl Payer {
    /// Reads the header's value.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        match value {
            "user" => Some(Self::User),
            "server" => Some(Self::Server),
            _ => None,
        }
    }

    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Server => "server",
        }
    }
}

/// Why the server's key paid. Value of [`FALLBACK_REASON`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FallbackReason {
    /// The request carried no key.
    NoUserKey,
    /// The provider proved the user's key bad.
    UserKeyInvalid,
    /// The provider could not be reached before any byte was sent.
    ProviderUnreachable,
}

impl FallbackReason {
    /// Reads the header's value.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        match value {
            "no_user_key" => Some(Self::NoUserKey),
            "user_key_invalid" => Some(Self::UserKeyInvalid),
            "provider_unreachable" => Some(Self::ProviderUnreachable),
            _ => None,
        }
    }

    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoUserKey => "no_user_key",
            Self::UserKeyInvalid => "user_key_invalid",
            Self::ProviderUnreachable => "provider_unreachable",
        }
    }
}
