//! What a provider's answer says about the key.

/// Outcome of a key test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The key works.
    Valid,
    /// The provider does not know the key, or has revoked it.
    Invalid,
    /// The key is good but may not do this (scope, region, policy).
    WrongScope,
    /// The account has no credit left.
    NoCredit,
    /// The provider limits the key right now.
    RateLimited,
    /// The key is of a kind the provider no longer takes.
    DeprecatedFormat,
    /// No judgement: the provider could not be reached or failed.
    Unreachable,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Valid,
        Self::Invalid,
        Self::WrongScope,
        Self::NoCredit,
        Self::RateLimited,
        Self::DeprecatedFormat,
        Self::Unreachable,
    ];

    /// The verdict as it travels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::WrongScope => "wrong_scope",
            Self::NoCredit => "no_credit",
            Self::RateLimited => "rate_limited",
            Self::DeprecatedFormat => "deprecated_format",
            Self::Unreachable => "unreachable",
        }
    }

    /// Reads a verdict as it travels.
    #[must_use]
    pub fn parse(verdict: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == verdict)
    }

    /// Whether the provider has proven the key bad: the only verdicts on which the server's key
    /// may step in.
    #[must_use]
    pub const fn is_bad_key(self) -> bool {
        matches!(self, Self::Invalid | Self::DeprecatedFormat)
    }
}
