//! Which key a request brought, whatever form it travelled in.

use keyferry_protocol::{ErrorCode, Provider, header as names};

use crate::edge::Context;
use crate::error::ApiError;
use crate::secret::Secret;

/// The user's key for `provider`, when the request brought one.
///
/// # Errors
/// `unknown_kid` for a sealed key this relay has no sealing key for, `lease_not_found` for a lease
/// it does not hold.
pub(crate) fn user_key<'a>(
    context: &'a Context,
    provider: &Provider,
) -> Result<Option<&'a Secret>, ApiError> {
    if context.credentials.lease().is_some() {
        return Err(ApiError::new(ErrorCode::LeaseNotFound, "no such lease").provider(&provider.id));
    }
    let Some(key) = context.credentials.key() else {
        return Ok(None);
    };
    // Exposed to tell a sealed key from a plain one by its public prefix.
    if key.expose().starts_with(names::SEALED_PREFIX.as_bytes()) {
        return Err(ApiError::new(
            ErrorCode::UnknownKid,
            "the key was sealed for a sealing key this relay does not hold",
        ));
    }
    Ok(Some(key))
}

/// The refusal of a request that no key fits.
pub(crate) fn missing(provider: &Provider) -> ApiError {
    ApiError::new(
        ErrorCode::MissingKey,
        format!(
            "no key for {} was sent; send it in X-BYOK-Key",
            provider.name
        ),
    )
    .provider(&provider.id)
}
