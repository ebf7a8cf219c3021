//! What the relay's own request headers ask for.

use http::{HeaderMap, HeaderName};
use keyferry_protocol::{ErrorCode, Fallback, Provider, header as names};

use crate::error::ApiError;

const PROVIDER: HeaderName = HeaderName::from_static(names::PROVIDER);
const FALLBACK: HeaderName = HeaderName::from_static(names::FALLBACK);

/// What the relay's own headers ask for.
#[derive(Debug)]
pub(crate) struct Wishes {
    /// `X-BYOK-Provider`, `""` when it was not sent.
    pub(crate) provider: String,
    /// `X-BYOK-Fallback`, `None` when it was not sent.
    pub(crate) fallback: Option<Fallback>,
}

impl Wishes {
    /// Reads the headers.
    ///
    /// # Errors
    /// `bad_header` for a repeated header or an unknown value.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let provider = single(headers, &PROVIDER)?.unwrap_or_default().to_owned();
        let fallback = match single(headers, &FALLBACK)? {
            None => None,
            Some(value) => Some(Fallback::parse(value).ok_or_else(|| {
                ApiError::new(
                    ErrorCode::BadHeader,
                    "X-BYOK-Fallback is one of never, allow, allow-any",
                )
            })?),
        };
        Ok(Self { provider, fallback })
    }

    /// The provider asked for, if any.
    pub(crate) fn provider(&self) -> Option<&str> {
        Some(self.provider.as_str()).filter(|id| !id.is_empty())
    }

    /// Whether the body's provider is the one asked for, if any was.
    ///
    /// # Errors
    /// `provider_mismatch`.
    pub(crate) fn agree_with_body(&self, named: &Provider) -> Result<(), ApiError> {
        match self.provider() {
            Some(wanted) if wanted != named.id => Err(ApiError::new(
                ErrorCode::ProviderMismatch,
                "X-BYOK-Provider names another provider than the body",
            )
            .provider(&named.id)),
            _ => Ok(()),
        }
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ApiError> {
    let bad = || {
        ApiError::new(
            ErrorCode::BadHeader,
            format!("{name} is repeated or unreadable"),
        )
    };
    let mut values = headers.get_all(name).iter();
    let value = values
        .next()
        .map(|value| value.to_str().map_err(|_| bad()))
        .transpose()?;
    if values.next().is_some() {
        Err(bad())
    } else {
        Ok(value)
    }
}
