//! Label sets. Each field is a word of a closed list.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// A word of a closed list, compiled in.
pub(super) type Word = Cow<'static, str>;

pub(super) const fn word(text: &'static str) -> Word {
    Cow::Borrowed(text)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) route: Word,
    pub(super) provider: String,
    pub(super) payer: Word,
    pub(super) status: u16,
    pub(super) end: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub(super) route: Word,
    pub(super) provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FallbackLabels {
    pub(super) provider: String,
    pub(super) reason: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KeyTestLabels {
    pub(super) provider: String,
    pub(super) verdict: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct JobLabels {
    pub(super) kind: Word,
    pub(super) outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CodeLabel {
    pub(super) code: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LimitLabel {
    pub(super) limit: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct UpstreamLabels {
    pub(super) provider: String,
    pub(super) kind: UpstreamFailure,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TokenLabels {
    pub(super) provider: String,
    pub(super) payer: Word,
    pub(super) direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PaymentLabels {
    pub(super) provider: String,
    pub(super) payer: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabel {
    pub(super) result: Word,
}

impl ResultLabel {
    pub(super) const fn new(succeeded: bool) -> Self {
        Self {
            result: word(if succeeded { "ok" } else { "failed" }),
        }
    }
}

/// How a provider call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamFailure {
    /// No connection could be made.
    Connect,
    /// The connection was lost before an answer came.
    Closed,
    /// No answer, or no further chunk, in time.
    Timeout,
    /// The answer ended early.
    Interrupted,
    /// The provider refused the key (401 or 403).
    KeyRefused,
    /// The provider's own rate limit (429).
    RateLimited,
    /// A 5xx of the provider.
    ServerError,
}

impl UpstreamFailure {
    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::KeyRefused => "key_refused",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
        }
    }

    /// The failure that a provider's status tells of.
    #[must_use]
    pub const fn from_status(status: u16) -> Option<Self> {
        match status {
            401 | 403 => Some(Self::KeyRefused),
            429 => Some(Self::RateLimited),
            500..=599 => Some(Self::ServerError),
            _ => None,
        }
    }
}

impl EncodeLabelValue for UpstreamFailure {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(self.as_str())
    }
}

/// Which way tokens went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    /// To the model.
    Input,
    /// From the model.
    Output,
}

impl EncodeLabelValue for Direction {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}
