//! From a request that is about to be sent to the meter that goes with it.

use std::sync::Arc;

use axum::body::Bytes;
use http::{HeaderMap, HeaderName, Method};
use keyferry_protocol::catalogue::{StreamUsage, Unified};
use keyferry_protocol::usage::apply;
use keyferry_protocol::{Payer, Provider, header as names};

use super::meter::Meter;
use super::quote::{Quote, Size, measure};
use crate::auth::Identity;
use crate::body::WholeBody;
use crate::callers::{address_of, who};
use crate::edge::Context;
use crate::error::ApiError;
use crate::keys::UserKey;
use crate::leases::{self, Lease};
use crate::limits::{Ask, Caller};
use crate::state::{Live, Relay};
use crate::store::LeaseBudget;
use crate::tiers::Named;

const USAGE: HeaderName = HeaderName::from_static(names::USAGE);

/// Who makes a call, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Metering<'a> {
    pub(crate) relay: &'a Relay,
    pub(crate) context: &'a Context,
    pub(crate) identity: &'a Identity,
    pub(crate) headers: &'a HeaderMap,
    /// The user's key, when the request brought one.
    pub(crate) key: Option<&'a UserKey<'a>>,
}

/// A call as far as its cost is concerned.
#[derive(Clone, Copy)]
pub(crate) struct Costing<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) method: &'a Method,
    /// At the provider.
    pub(crate) path: &'a str,
    /// The models it may run; empty when it runs none; `None` when it does not say.
    pub(crate) models: Option<&'a [&'a str]>,
    /// The body, when it is here in full.
    pub(crate) body: Option<&'a WholeBody>,
    /// The body is JSON.
    pub(crate) is_json: bool,
}

impl Metering<'_> {
    fn live(&self) -> &Live {
        &self.context.live
    }

    fn lease(&self) -> Option<&Lease> {
        self.key.and_then(UserKey::lease)
    }

    fn caller(&self, payer: Payer) -> Caller {
        if let Some(lease) = self.lease() {
            return lease.terms.counted_as(self.identity.plan());
        }
        let address = address_of(self.context, self.headers);
        let who = who(self.identity, self.key.map(UserKey::secret), address);
        self.relay.limits().caller(&who, payer)
    }

    /// Whether the cost of a call has to be known before it is made, so that its model and its
    /// body must be.
    pub(crate) fn is_guarded(&self, payer: Payer) -> bool {
        let live = self.live();
        if self.lease().is_some_and(|lease| lease.terms.is_guarded()) {
            return true;
        }
        self.relay
            .limits()
            .is_guarded(&live.policy, self.identity.plan(), payer)
    }

    /// Asks for admission. No call is made without, so this is where the terms of a lease hold.
    ///
    /// # Errors
    /// 429, 402 or 503 as docs/limits.md lists them; `lease_scope`.
    pub(crate) async fn begin(
        &self,
        payer: Payer,
        costing: &Costing<'_>,
    ) -> Result<Box<Meter>, ApiError> {
        let live = self.live();
        let quote = self.quote(payer, costing);
        let budget = match self.lease() {
            Some(lease) => self.admit_by_lease(lease, costing, &quote)?,
            None => None,
        };
        let caller = self.caller(payer);
        let ask = Ask {
            caller: &caller,
            provider: &costing.provider.id,
            payer,
            model: costing
                .models
                .and_then(|models| models.first())
                .copied()
                .unwrap_or_default(),
            estimate: quote.estimate(),
            lease: budget,
            // The user's key goes first, so an attempt on another's finds it checked.
            nonce: self
                .key
                .and_then(UserKey::nonce)
                .filter(|_| payer == Payer::User),
        };
        let denied = |denied| ApiError::from(denied).provider(&costing.provider.id);
        let slot = self
            .relay
            .limits()
            .enter(&live.policy, caller.id())
            .map_err(denied)?;
        let ticket = self
            .relay
            .limits()
            .admit(&live.policy, &ask)
            .await
            .map_err(denied)?;
        // A list that anyone may read proves no key.
        let proves = costing.method != Method::GET || costing.path == &*costing.provider.check.path;
        let metrics = Arc::clone(self.relay.metrics());
        // Boxed: it goes from hand to hand, and is large.
        Ok(Box::new(Meter::new(ticket, slot, quote, proves, metrics)))
    }

    /// Holds a call against the terms of the lease it is made with; the lease's budget.
    fn admit_by_lease(
        &self,
        lease: &Lease,
        costing: &Costing<'_>,
        quote: &Quote,
    ) -> Result<Option<LeaseBudget>, ApiError> {
        let (terms, provider) = (&lease.terms, costing.provider);
        terms.admit_provider(provider)?;
        let named = match costing.models {
            None => Named::Unknown,
            Some([]) => Named::Nothing,
            Some(models) => Named::Models(models.iter().map(ToString::to_string).collect()),
        };
        terms.admit_models(self.live().providers.catalogue(), provider, &named)?;
        let budget = terms.budget(lease.id);
        if budget.is_some() && quote.estimate().is_none() {
            return Err(leases::scope(
                "the lease has a budget, and what this call costs is not known",
            )
            .provider(&provider.id));
        }
        Ok(budget)
    }

    fn quote(&self, payer: Payer, costing: &Costing<'_>) -> Quote {
        let live = self.live();
        let size = match costing.body {
            Some(body) if self.is_guarded(payer) => measure(costing.path, costing.is_json, body),
            body => Size::rough(body.map_or(0, |body| body.bytes().len() as u64)),
        };
        let price = |model: &&str| {
            let catalogue = live.providers.catalogue();
            Quote::new(&live.prices, catalogue, &costing.provider.id, model, size)
        };
        match costing.models {
            None => Quote {
                size,
                price: None,
                free: false,
            },
            Some(models) => models
                .iter()
                .map(price)
                .reduce(Quote::dearest)
                .unwrap_or(Quote::FREE),
        }
    }
}

/// The body changed so that its streamed answer reports its usage; `None` when it need not be.
pub(crate) fn asking_for_usage(provider: &Provider, path: &str, body: &WholeBody) -> Option<Bytes> {
    let can_be_asked = provider.stream_usage == StreamUsage::OnRequest
        && provider.is_unified_path(Unified::ChatCompletions, path);
    if !can_be_asked {
        return None;
    }
    let edit = body.ask_for_usage()?;
    Some(apply(body.bytes(), &[edit]).into())
}

/// Whether the client wants to see the usage chunk that was asked for here.
pub(crate) fn wants_usage(headers: &HeaderMap) -> bool {
    headers.get(USAGE).is_some_and(|value| value == "1")
}
