//! Who sent a request: proven identity and network address.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;
use keyferry_protocol::ErrorCode;

use crate::auth::{Auth, Identity};
use crate::edge::Context;
use crate::error::ApiError;
use crate::leases;
use crate::limits::{Who, client_address};
use crate::secret::Secret;
use crate::state::Relay;

/// Identifies the caller, and counts app tokens and leases that were made up.
///
/// A lease stands for its maker: who presents one needs no app token, and must not present that of
/// someone else. It is opened here, for [`crate::keys::user_key`] to find.
///
/// # Errors
/// `auth_required`, `auth_expired`, `auth_invalid`; `lease_not_found`, `lease_expired`,
/// `store_unavailable`; `rate_limited` when too many bad ones came from the address.
pub(crate) async fn identify(
    relay: &Relay,
    context: &Context,
    headers: &HeaderMap,
) -> Result<Identity, ApiError> {
    match context.credentials.lease() {
        // Known at once: no future has to be kept for what others need.
        None if matches!(context.live.auth, Auth::None) => Ok(Identity::Anonymous),
        _ => Box::pin(identify_by_proof(relay, context, headers)).await,
    }
}

/// The caller as the limits know them: who they have proven to be, with the key they brought.
pub(crate) fn who<'a>(identity: &'a Identity, key: Option<&'a Secret>, address: IpAddr) -> Who<'a> {
    Who {
        subject: identity.caller_id(),
        plan: identity.plan(),
        key,
        address,
    }
}

async fn identify_by_proof(
    relay: &Relay,
    context: &Context,
    headers: &HeaderMap,
) -> Result<Identity, ApiError> {
    let identified = match context.credentials.lease() {
        None => context.live.auth.identify(&context.credentials).await,
        Some(handle) => identify_by_lease(relay, context, handle).await,
    };
    match identified {
        Err(error) if is_made_up(&error) => {
            let address = address_of(context, headers);
            relay
                .limits()
                .address_failed(&context.live.policy, address)
                .await?;
            Err(error)
        }
        identity => identity,
    }
}

fn is_made_up(error: &ApiError) -> bool {
    matches!(
        error.code(),
        ErrorCode::AuthInvalid | ErrorCode::LeaseNotFound
    )
}

async fn identify_by_lease(
    relay: &Relay,
    context: &Context,
    handle: &Secret,
) -> Result<Identity, ApiError> {
    let live = &context.live;
    let lease = context
        .lease
        .get_or_try_init(|| leases::open(relay.store(), &live.leases, handle))
        .await?;
    // SDKs always send a token, and have none to send where a lease is all there is.
    let has_token = context.credentials.app_token().is_some_and(has_token_form);
    if let (false, Auth::Jwt(_), Some(maker)) = (has_token, &live.auth, lease.terms.maker()) {
        return Ok(maker);
    }
    let identity = live.auth.identify(&context.credentials).await?;
    if lease.terms.is_of(&identity) {
        Ok(identity)
    } else {
        Err(leases::not_found())
    }
}

/// Whether it is made of three parts, as tokens are (RFC 7515 §7.1).
fn has_token_form(token: &Secret) -> bool {
    // Exposed to count its dots.
    token.expose().iter().filter(|byte| **byte == b'.').count() == 2
}

/// The address a request came from; that of nobody when a test drives the router without a
/// connection.
pub(crate) fn address_of(context: &Context, headers: &HeaderMap) -> IpAddr {
    let peer = context
        .peer
        .as_ref()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address);
    client_address(peer, headers, context.live.policy.trusted_proxies())
}
