//! Which key a request brought, whatever form it travelled in.

use http::request::Parts;
use keyferry_protocol::sealed::{Binding, SealedHeader};
use keyferry_protocol::{ErrorCode, Fallback, Provider};

use crate::edge::Context;
use crate::error::ApiError;
use crate::leases::{self, Lease};
use crate::limits::Denied;
use crate::origin::Origin;
use crate::secret::Secret;
use crate::state::Relay;
use crate::store::{Nonce, Store as _};

/// What a sealed key must have been sealed for, beside the relay's origin.
#[derive(Debug)]
pub(crate) struct SealedFor<'a> {
    method: &'a str,
    target: &'a str,
    provider: &'a str,
    fallback: Fallback,
}

impl<'a> SealedFor<'a> {
    /// The request's own method and target; `provider` and `fallback` as its headers say.
    pub(crate) fn new(parts: &'a Parts, provider: &'a str, fallback: Option<Fallback>) -> Self {
        Self {
            method: parts.method.as_str(),
            target: parts
                .uri
                .path_and_query()
                .map_or("/", |target| target.as_str()),
            provider,
            fallback: fallback.unwrap_or_default(),
        }
    }

    fn at<'o>(&'o self, origin: &'o Origin) -> Binding<'o> {
        Binding {
            origin: origin.as_str(),
            method: self.method,
            target: self.target,
            provider: self.provider,
            fallback: self.fallback,
        }
    }
}

/// The user's key for one request; wiped when it ends.
#[derive(Debug)]
pub(crate) enum UserKey<'a> {
    /// It came plain.
    Plain(&'a Secret),
    /// It came sealed and was opened for this request only; with the nonce, unless that was checked.
    Opened(Secret, Option<Nonce>),
    /// It was leased, and a handle came in its place.
    Leased(&'a Lease),
}

impl UserKey<'_> {
    /// The key.
    pub(crate) fn secret(&self) -> &Secret {
        match self {
            Self::Plain(secret) => secret,
            Self::Opened(secret, _) => secret,
            Self::Leased(lease) => &lease.key,
        }
    }

    /// The lease it comes from, with terms of its own.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Leased(lease) => Some(lease),
            Self::Plain(_) | Self::Opened(..) => None,
        }
    }

    /// What the key may be used with once, if that has still to be checked.
    pub(crate) fn nonce(&self) -> Option<&Nonce> {
        match self {
            Self::Opened(_, nonce) => nonce.as_ref(),
            Self::Plain(_) | Self::Leased(_) => None,
        }
    }
}

/// The user's key, when the request brought one, for any use of it at once.
///
/// # Errors
/// Those of [`user_key_for_call`]; `replayed` for a sealed key that was used before.
pub(crate) async fn user_key<'a>(
    relay: &Relay,
    context: &'a Context,
    sealed_for: &SealedFor<'_>,
) -> Result<Option<UserKey<'a>>, ApiError> {
    let mut key = user_key_for_call(context, sealed_for)?;
    if let Some(UserKey::Opened(_, nonce)) = &mut key
        && let Some(Nonce { name, ttl }) = nonce.take()
        && !relay.store().remember(&name, ttl).await?
    {
        return Err(Denied::Replayed.into());
    }
    Ok(key)
}

/// The user's key, when the request brought one, for a call that asks for admission: a sealed key's
/// nonce is checked there, in the same round trip.
///
/// # Errors
/// Those of opening a sealed key; `sealed_required` for a plain one where only sealed ones are
/// taken; `lease_not_found` for a lease that was not opened when the caller was identified.
pub(crate) fn user_key_for_call<'a>(
    context: &'a Context,
    sealed_for: &SealedFor<'_>,
) -> Result<Option<UserKey<'a>>, ApiError> {
    let live = &context.live;
    if context.credentials.lease().is_some() {
        let lease = context.lease.get().ok_or_else(leases::not_found)?;
        return Ok(Some(UserKey::Leased(lease)));
    }
    let Some(key) = context.credentials.key() else {
        return Ok(None);
    };
    // Exposed to tell a sealed key from a plain one by its public prefix, and to open it.
    match key.expose_str() {
        Some(value) if SealedHeader::is_sealed(value) => {
            let bindings = live.hosts.origins().map(|origin| sealed_for.at(origin));
            let (key, nonce) = live.opener.open(value, bindings)?;
            Ok(Some(UserKey::Opened(key, Some(nonce))))
        }
        _ if live.config.secrets.require_sealed => Err(ApiError::new(
            ErrorCode::SealedRequired,
            "this relay takes sealed keys only; its sealing keys are in /.well-known/keyferry",
        )),
        _ => Ok(Some(UserKey::Plain(key))),
    }
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
