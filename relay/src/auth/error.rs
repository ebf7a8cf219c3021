//! Why a caller was not admitted.

use keyferry_protocol::ErrorCode;

/// Why a caller was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub enum AuthError {
    /// No token was sent.
    Missing,
    /// Not a signed token in compact form, or its JSON is not what RFC 7519 asks for.
    Malformed,
    /// The token names another algorithm than the key has.
    WrongAlgorithm,
    /// No known key has the token's `kid`.
    UnknownKey,
    /// The signature does not verify.
    BadSignature,
    /// `iss` is another.
    WrongIssuer,
    /// `aud` does not include this relay.
    WrongAudience,
    /// `exp` or `sub` is absent.
    MissingClaim,
    /// `nbf` lies ahead.
    NotYetValid,
    /// `exp` has passed.
    Expired,
    /// The issuer's keys were never fetched, or so long ago that they no longer count.
    KeysUnavailable,
}

impl AuthError {
    /// The code clients see. Only an otherwise good token is told apart as expired: an app then
    /// fetches a fresh one and tries once more.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Missing => ErrorCode::AuthRequired,
            Self::Expired => ErrorCode::AuthExpired,
            Self::KeysUnavailable => ErrorCode::StoreUnavailable,
            _ => ErrorCode::AuthInvalid,
        }
    }

    /// What is wrong, for the `detail` of an error. Never repeats anything of the token.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Missing => "no app token was sent in Authorization: Bearer",
            Self::Malformed => "the app token is not a well-formed signed JWT",
            Self::WrongAlgorithm => {
                "the app token is signed with another algorithm than its key allows"
            }
            Self::UnknownKey => "the app token names a signing key that is not known",
            Self::BadSignature => "the app token's signature does not verify",
            Self::WrongIssuer => "the app token comes from another issuer",
            Self::WrongAudience => "the app token is meant for another audience",
            Self::MissingClaim => "the app token lacks one of exp, iss, aud, sub",
            Self::NotYetValid => "the app token is not valid yet",
            Self::Expired => "the app token has expired",
            Self::KeysUnavailable => "the token issuer's keys cannot be fetched",
        }
    }
}
