//! Admission against the store, and the work that goes on beside requests.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use keyferry_protocol::Payer;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::ask::{Ask, ReservationIds, withdrawal};
use super::backlog::Backlog;
use super::caller::{Caller, Pseudonyms, Who};
use super::heartbeat::Heartbeats;
use super::known::Known;
use super::policy::Policy;
use super::refusal::{Denied, LimitName};
use super::settings::StoreSettings;
use super::slots::{Slot, Slots};
use super::ticket::{Open, Ticket};
use crate::config::ConfigError;
use crate::metrics::Metrics;
use crate::store::clock::day_of;
use crate::store::{
    Account, Admission, Admitted, AnyStore, CallerId, CallerState, Decision, Health, Held,
    LocalStore, Outcome, Rate, RedisSettings, RedisStore, Reserve, Store, StoreError, Time,
};

/// The limits of this instance, and the state they are kept in.
pub struct Limits {
    pub(super) store: AnyStore,
    pub(super) pseudonyms: ArcSwap<Pseudonyms>,
    pub(super) known: Known,
    slots: Slots,
    reservations: ReservationIds,
    pub(super) heartbeats: Heartbeats,
    pub(super) backlog: Backlog,
    pub(super) metrics: Arc<Metrics>,
    /// Settlements on their way.
    pub(super) running: TaskTracker,
    pub(super) handle: Option<Handle>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

impl Limits {
    /// Opens the configured store and starts the work beside requests. `secret` is the server's
    /// current one; absent, names are good for this process only.
    ///
    /// # Errors
    /// When the store's address cannot be read, or shared state has no secret to share.
    pub fn start(
        settings: &StoreSettings,
        secret: Option<&[u8]>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, ConfigError> {
        let store = match &settings.url {
            None => LocalStore::default().into(),
            Some(url) => {
                if secret.is_none() {
                    return Err(ConfigError::field(
                        "secrets.current",
                        "needed with store.url, and the same on every instance; `keygen` makes one",
                    ));
                }
                // Exposed to connect.
                let urls: Vec<&str> = url
                    .expose_str()
                    .unwrap_or_default()
                    .split(',')
                    .map(str::trim)
                    .collect();
                let redis = RedisSettings {
                    urls: &urls,
                    cluster: settings.cluster,
                };
                let store = RedisStore::open(redis, Time::Server)
                    .map_err(|message| ConfigError::field("store.url", message))?;
                store.into()
            }
        };
        Ok(Self::with_store(store, secret, metrics))
    }

    /// [`Limits::start`] with a store that is already open.
    #[must_use]
    pub fn with_store(store: AnyStore, secret: Option<&[u8]>, metrics: Arc<Metrics>) -> Arc<Self> {
        let mut own = [0; 32];
        let secret = secret.unwrap_or_else(|| {
            // Without randomness names are the same in every process: no secret is lost by that.
            let _ = getrandom::fill(&mut own);
            &own
        });
        let limits = Arc::new(Self {
            store,
            pseudonyms: ArcSwap::from_pointee(Pseudonyms::new(secret)),
            known: Known::default(),
            slots: Slots::default(),
            reservations: ReservationIds::new(),
            heartbeats: Heartbeats::default(),
            backlog: Backlog::default(),
            metrics,
            running: TaskTracker::new(),
            handle: Handle::try_current().ok(),
        });
        if let Some(handle) = &limits.handle {
            handle.spawn(super::delivery::rounds(Arc::downgrade(&limits)));
        }
        limits
    }

    /// Names callers under another secret from now on: the current one was rotated. Calls in
    /// flight end under the name they began with. Without a secret the names stay.
    pub fn use_secret(&self, secret: Option<&[u8]>) {
        if let Some(secret) = secret {
            self.pseudonyms.store(Arc::new(Pseudonyms::new(secret)));
        }
    }

    /// The store, for what else is kept there.
    #[must_use]
    pub fn store(&self) -> &AnyStore {
        &self.store
    }

    /// Whether shared state works; true for state of this process.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.store.health() != Health::Up
    }

    /// Waits for the first connection to shared state, or its failure: at most about a second.
    pub async fn warm_up(&self) {
        self.store.first_attempt().await;
    }

    /// What a caller has taken; while shared state is away, from this instance.
    ///
    /// # Errors
    /// Never in practice: what an instance keeps itself is always there.
    pub async fn state(&self, caller: CallerId) -> Result<CallerState, StoreError> {
        match self.store.state(caller).await {
            Ok(state) => Ok(state),
            Err(_) => self.store.own().state(caller).await,
        }
    }

    /// Lets one more call of the caller run.
    ///
    /// # Errors
    /// When as many as the policy allows run already on this instance.
    pub fn enter(&self, policy: &Policy, caller: CallerId) -> Result<Slot, Denied> {
        self.slots.enter(caller, policy.concurrent).ok_or_else(|| {
            let limit = LimitName::Concurrent;
            self.metrics.limit_hit(limit.as_str());
            // One of them ends at some time; a second is a guess that spares the relay a storm.
            Denied::Rate {
                limit,
                retry_after: Duration::from_secs(1),
                standing: None,
            }
        })
    }

    /// The caller behind a request.
    #[must_use]
    pub fn caller(&self, who: &Who<'_>, payer: Payer) -> Caller {
        self.pseudonyms.load().caller(who, payer)
    }

    /// The name under which a key's own use is counted.
    #[must_use]
    pub fn key_id(&self, key: &crate::secret::Secret) -> CallerId {
        self.pseudonyms.load().key(key)
    }

    /// Whether the cost of a call has to be known before it is made: then the model must be, too.
    #[must_use]
    pub fn is_guarded(&self, policy: &Policy, plan: Option<&str>, payer: Payer) -> bool {
        payer == Payer::Server || policy.limits(plan, payer).daily_cap.is_some()
    }

    /// Lets a call be made, or says why not. One operation of the store, in one round trip.
    ///
    /// # Errors
    /// The limit it runs into, or that shared state is away and money at stake.
    pub async fn admit(self: &Arc<Self>, policy: &Policy, ask: &Ask<'_>) -> Result<Ticket, Denied> {
        let admitted = self.try_admit(policy, ask).await;
        if let Err(denied) = &admitted
            && let Some(limit) = denied.limit()
        {
            self.metrics.limit_hit(limit.as_str());
        }
        admitted
    }

    async fn try_admit(self: &Arc<Self>, policy: &Policy, ask: &Ask<'_>) -> Result<Ticket, Denied> {
        let caller = ask.caller;
        let limits = policy.limits(caller.plan.as_deref(), ask.payer);
        // Refused without asking: the store would only confirm it.
        if limits.requests.limit == 0 {
            return Err(Denied::Rate {
                limit: LimitName::Requests,
                retry_after: limits.requests.period,
                standing: Some(limits.requests.standing(self.store.now(), u64::MAX)),
            });
        }
        let guarded =
            limits.daily_cap.is_some() || ask.lease.is_some() || ask.payer == Payer::Server;
        let reserve = match (guarded, ask.estimate) {
            (false, _) => None,
            (true, None) => return Err(Denied::Unpriced),
            (true, Some(estimate)) => Some(Reserve {
                id: self.reservations.next().ok_or(Denied::Store)?,
                estimate,
                daily_cap: limits.daily_cap,
                lease: ask.lease,
                model: ask.model.into(),
            }),
        };
        let account = Account {
            caller: caller.id,
            provider: ask.provider.into(),
            payer: ask.payer,
        };
        let admission = Admission {
            account,
            provisional: caller.provisional,
            requests: Some(limits.requests),
            tokens: limits.tokens,
            reserve,
            nonce: ask.nonce.cloned(),
        };
        let failure_rate = Rate::per_hour(policy.failures);
        let stranger = caller.provisional && !self.known.contains(caller.id);
        let day = day_of(self.store.now());
        let (decision, blocked) = if stranger {
            // Both leave in one flush and come back in one.
            let (decision, blocked) = futures_util::join!(
                self.store.admit(&admission),
                self.store
                    .peek(self.pseudonyms.load().address(caller.address), failure_rate)
            );
            (decision, blocked.ok().and_then(Result::err))
        } else {
            (self.store.admit(&admission).await, None)
        };
        let (decision, alone) = match decision {
            Ok(decision) => (decision, false),
            Err(error) => (self.without_store(&admission, day, error).await?, true),
        };
        let admitted = match decision {
            Decision::Admitted(admitted) => admitted,
            Decision::Refused(refusal) => return Err(refusal.into()),
        };
        if admitted.known && stranger {
            self.known.insert(caller.id);
        }
        let ticket = self.ticket(admission, &admitted, ask, failure_rate, alone);
        match blocked {
            Some(retry_after) if !admitted.known => {
                ticket.settle(super::Conclusion::default());
                Err(Denied::Rate {
                    limit: LimitName::Failures,
                    retry_after,
                    standing: None,
                })
            }
            _ => Ok(ticket),
        }
    }

    /// What happens to a call whose admission shared state did not answer.
    async fn without_store(
        &self,
        admission: &Admission,
        day: u32,
        error: StoreError,
    ) -> Result<Decision, Denied> {
        match &admission.reserve {
            Some(reserve) => {
                if error.outcome == Outcome::Unknown {
                    // It may have been set aside, or may yet be; nobody will use it.
                    self.backlog.push(withdrawal(admission, day, reserve));
                }
                Err(Denied::Store)
            }
            None => self
                .store
                .own()
                .admit(admission)
                .await
                .map_err(|_| Denied::Store),
        }
    }

    fn ticket(
        self: &Arc<Self>,
        admission: Admission,
        admitted: &Admitted,
        ask: &Ask<'_>,
        failure_rate: Rate,
        alone: bool,
    ) -> Ticket {
        let caller = ask.caller;
        let held = admission.reserve.map(
            |Reserve {
                 id,
                 estimate,
                 lease,
                 ..
             }| {
                self.heartbeats.insert(id, caller.id);
                Held {
                    id,
                    estimate,
                    lease,
                }
            },
        );
        Ticket::new(Open {
            limits: Arc::clone(self),
            account: admission.account,
            provisional: admission.provisional,
            known: admitted.known || self.known.contains(caller.id),
            day: admitted.day,
            tokens: admission.tokens,
            held,
            model: ask.model.into(),
            address: caller.address,
            failure_rate,
            alone,
        })
    }

    /// Whether a key may be tested now.
    ///
    /// # Errors
    /// Too many tests of this caller, or too many failures from its address.
    pub async fn admit_key_test(&self, policy: &Policy, who: &Who<'_>) -> Result<(), Denied> {
        let rate = Rate::per_minute(policy.key_tests);
        let taken = self
            .store
            .take(self.pseudonyms.load().key_tests(who), rate)
            .await;
        self.verdict(taken.ok().and_then(Result::err), LimitName::KeyTests)
    }

    /// Whether another lease may be made now.
    ///
    /// # Errors
    /// Too many leases of this caller.
    pub async fn admit_lease(&self, policy: &Policy, who: &Who<'_>) -> Result<(), Denied> {
        let bucket = self.pseudonyms.load().lease_making(who);
        let taken = self
            .store
            .take(bucket, Rate::per_minute(policy.leases))
            .await;
        self.verdict(taken.ok().and_then(Result::err), LimitName::Leases)
    }

    /// Whether an address may still fail. To be asked before work for someone who has proven
    /// nothing yet.
    ///
    /// # Errors
    /// Too many failures from this address.
    pub async fn admit_address(&self, policy: &Policy, address: IpAddr) -> Result<(), Denied> {
        let (bucket, rate) = (
            self.pseudonyms.load().address(address),
            Rate::per_hour(policy.failures),
        );
        let peeked = self.store.peek(bucket, rate).await;
        self.verdict(peeked.ok().and_then(Result::err), LimitName::Failures)
    }

    /// Counts a failure of someone who has proven nothing: a bad app token, lease or key.
    ///
    /// # Errors
    /// Too many failures from this address: the answer says so in place of what failed.
    pub async fn address_failed(&self, policy: &Policy, address: IpAddr) -> Result<(), Denied> {
        let (bucket, rate) = (
            self.pseudonyms.load().address(address),
            Rate::per_hour(policy.failures),
        );
        let taken = self.store.take(bucket, rate).await;
        self.verdict(taken.ok().and_then(Result::err), LimitName::Failures)
    }

    fn verdict(&self, wait: Option<Duration>, limit: LimitName) -> Result<(), Denied> {
        match wait {
            None => Ok(()),
            Some(retry_after) => {
                self.metrics.limit_hit(limit.as_str());
                Err(Denied::Rate {
                    limit,
                    retry_after,
                    standing: None,
                })
            }
        }
    }
}
