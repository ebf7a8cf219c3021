//! What lives as long as the process, and the part of it that a reload replaces.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use keyferry_protocol::Provider;

use crate::auth::Auth;
use crate::config::{Config, ConfigError};
use crate::edge::{Cors, Hosts};
use crate::jobs::Jobs;
use crate::leases::LeaseKeys;
use crate::limits::{Limits, Policy};
use crate::metrics::Metrics;
use crate::prices::Prices;
use crate::providers::Providers;
use crate::request_id::{RequestId, RequestIds};
use crate::sealing::{Opener, Ring};
use crate::secret::Secret;
use crate::store::AnyStore;
use crate::tiers::Tiers;
use crate::upstream::{TlsError, Upstream};

/// The relay's state, shared by every request.
#[derive(Debug)]
pub struct Relay {
    live: ArcSwap<Live>,
    upstream: Upstream,
    metrics: Arc<Metrics>,
    limits: Arc<Limits>,
    jobs: Arc<Jobs>,
    ids: RequestIds,
    bound: Bound,
    draining: AtomicBool,
}

/// Addresses that were bound.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Of the API and the page.
    pub page: SocketAddr,
    /// Of the vault, when it has a listener of its own.
    pub vault: Option<SocketAddr>,
}

/// Everything derived from the configuration. A request keeps the instance it began with.
#[derive(Debug)]
pub struct Live {
    /// As it was read.
    pub config: Config,
    /// Own hosts and origins.
    pub hosts: Hosts,
    /// Origins that may call.
    pub cors: Cors,
    /// The catalogue with the operator's changes and server keys.
    pub providers: Providers,
    /// Who may call.
    pub auth: Auth,
    /// Which models a plan includes.
    pub tiers: Tiers,
    /// Opens sealed keys.
    pub(crate) opener: Opener,
    /// Open leases.
    pub(crate) leases: LeaseKeys,
    /// How much a caller may take.
    pub policy: Policy,
    /// What models cost.
    pub prices: Prices,
}

/// The relay cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A field of the configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Provider connections cannot be secured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no randomness.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

impl Live {
    /// Derives everything. What is costly to build and unchanged is taken over from `previous`.
    ///
    /// # Errors
    /// When a field cannot work.
    pub fn new(
        config: Config,
        bound: Bound,
        upstream: &Upstream,
        metrics: &Arc<Metrics>,
        previous: Option<&Self>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            hosts: Hosts::new(&config, bound.page, bound.vault),
            cors: Cors::new(&config.server.allowed_origins),
            providers: Providers::new(&config.providers)?,
            auth: Auth::new(
                &config.auth,
                upstream,
                metrics,
                previous.map(|live| (&live.config.auth, &live.auth)),
            )?,
            tiers: Tiers::from_config(&config),
            opener: Opener::new(Ring::new(&config.secrets)?)
                .map_err(|error| ConfigError::field("secrets.current", error.to_string()))?,
            leases: LeaseKeys::new(&config.secrets, previous.map(|live| &live.leases))?,
            policy: Policy::new(&config.limits, &config.plans),
            prices: Prices::new(&config.prices)?,
            config,
        })
    }
}

impl Live {
    /// Whether the server's key may pay for this model at this provider: there is one, and what
    /// it will cost is known.
    pub(crate) fn can_pay(&self, provider: &Provider, model: &str) -> bool {
        let catalogue = self.providers.catalogue();
        self.providers.server_key(&provider.id).is_some()
            && self.prices.find(catalogue, &provider.id, model).is_some()
    }
}

impl Relay {
    /// Builds the state. `bound` tells the ports that the configuration left open.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(config: Config, bound: Bound) -> Result<Arc<Self>, StartError> {
        let upstream = Upstream::new(&config)?;
        let metrics = Arc::new(Metrics::new());
        // Exposed to derive the names callers are counted under.
        let secret = config.secrets.current.as_ref().map(Secret::expose);
        let limits = Limits::start(&config.store, secret, Arc::clone(&metrics))?;
        let jobs = Jobs::start(&config, &upstream, &limits, &metrics)?;
        let live = Live::new(config, bound, &upstream, &metrics, None)?;
        Ok(Arc::new(Self {
            live: ArcSwap::from_pointee(live),
            upstream,
            metrics,
            limits,
            jobs,
            ids: RequestIds::new()?,
            bound,
            draining: AtomicBool::new(false),
        }))
    }

    /// The settings as they are now.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Replaces what a reload may replace: everything but listeners and client timeouts.
    ///
    /// # Errors
    /// When a field cannot work; the old settings then stay.
    pub fn reload(&self, config: Config) -> Result<(), ConfigError> {
        let previous = self.live();
        let live = Live::new(
            config,
            self.bound,
            &self.upstream,
            &self.metrics,
            Some(&previous),
        )?;
        // Exposed to derive the names callers are counted under.
        self.limits
            .use_secret(live.config.secrets.current.as_ref().map(Secret::expose));
        self.live.store(Arc::new(live));
        Ok(())
    }

    /// The client that calls providers.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Who may make a call now.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Work that goes on after its maker has left.
    #[must_use]
    pub(crate) fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    /// Shared state.
    #[must_use]
    pub fn store(&self) -> &AnyStore {
        self.limits.store()
    }

    /// A fresh request id.
    #[must_use]
    pub fn next_request_id(&self) -> RequestId {
        self.ids.next()
    }

    /// Turns readiness off.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// True once shutdown has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
