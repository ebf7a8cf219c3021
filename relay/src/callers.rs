//! Who sent a request: proven identity and network address.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;
use keyferry_protocol::ErrorCode;

use crate::auth::Identity;
use crate::edge::Context;
use crate::error::ApiError;
use crate::limits::client_address;
use crate::state::Relay;

/// Identifies the caller, and counts app tokens that were made up.
///
/// # Errors
/// `auth_required`, `auth_expired`, `auth_invalid`; `rate_limited` when too many bad ones came from
/// the address.
pub(crate) async fn identify(
    relay: &Relay,
    context: &Context,
    headers: &HeaderMap,
) -> Result<Identity, ApiError> {
    match context.live.auth.identify(&context.credentials).await {
        Err(error) if error.code() == ErrorCode::AuthInvalid => {
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

/// The address a request came from; that of nobody when a test drives the router without a
/// connection.
pub(crate) fn address_of(context: &Context, headers: &HeaderMap) -> IpAddr {
    let peer = context
        .peer
        .as_ref()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address);
    client_address(peer, headers, context.live.policy.trusted_proxies())
}
