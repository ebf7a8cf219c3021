//! Which limits hold for whom: pure.

use std::collections::BTreeMap;

use keyferry_protocol::Payer;

use super::address::Network;
use super::settings::LimitSettings;
use crate::config::PlanSettings;
use crate::store::Rate;
use crate::tiers::DEFAULT_PLAN;

/// The operator's limits, ready for lookups.
#[derive(Debug, Default)]
pub struct Policy {
    everybody: Limited,
    plans: BTreeMap<String, Limited>,
    pub(super) failures: u64,
    pub(super) key_tests: u64,
    pub(super) leases: u64,
    pub(super) concurrent: u32,
    trusted_proxies: Vec<Network>,
}

/// The limits of one account: a caller at a provider with a payer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Requests per hour.
    pub requests: Rate,
    /// Tokens per hour, when limited.
    pub tokens: Option<Rate>,
    /// Micro-dollars per UTC day, when capped.
    pub daily_cap: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Limited {
    byok: Numbers,
    server: Numbers,
}

#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    requests: u64,
    tokens: Option<u64>,
    daily_cap: Option<u64>,
}

impl Policy {
    /// From `[limits]` and `[plans]`.
    #[must_use]
    pub fn new(settings: &LimitSettings, plans: &BTreeMap<String, PlanSettings>) -> Self {
        let daily_cap = settings.daily_cap_usd.map(super::Usd::micros);
        let everybody = Limited {
            byok: Numbers {
                requests: settings.byok_requests_per_hour,
                tokens: settings.byok_tokens_per_hour,
                daily_cap,
            },
            server: Numbers {
                requests: settings.server_requests_per_hour,
                tokens: settings.server_tokens_per_hour,
                daily_cap,
            },
        };
        let plans = plans
            .iter()
            .map(|(name, plan)| {
                let cap = plan.daily_cap_usd.map(super::Usd::micros).or(daily_cap);
                let over = |base: Numbers, requests: Option<u64>, tokens: Option<u64>| Numbers {
                    requests: requests.unwrap_or(base.requests),
                    tokens: tokens.or(base.tokens),
                    daily_cap: cap,
                };
                let limited = Limited {
                    byok: over(
                        everybody.byok,
                        plan.byok_requests_per_hour,
                        plan.byok_tokens_per_hour,
                    ),
                    server: over(
                        everybody.server,
                        plan.server_requests_per_hour,
                        plan.server_tokens_per_hour,
                    ),
                };
                (name.clone(), limited)
            })
            .collect();
        Self {
            everybody,
            plans,
            failures: settings.failures_per_hour,
            key_tests: settings.key_tests_per_minute,
            leases: settings.leases_per_minute,
            concurrent: settings.concurrent_requests,
            trusted_proxies: settings.trusted_proxies.clone(),
        }
    }

    /// Proxies whose word on a client's address is taken.
    #[must_use]
    pub fn trusted_proxies(&self) -> &[Network] {
        &self.trusted_proxies
    }

    /// What holds for a caller with this plan when `payer` pays. A plan nobody configured counts
    /// as the plan `default`; what a plan leaves out is as for everybody.
    #[must_use]
    pub fn limits(&self, plan: Option<&str>, payer: Payer) -> AccountLimits {
        let limited = plan
            .and_then(|plan| self.plans.get(plan))
            .or_else(|| self.plans.get(DEFAULT_PLAN))
            .unwrap_or(&self.everybody);
        let numbers = match payer {
            Payer::User => limited.byok,
            Payer::Server => limited.server,
        };
        AccountLimits {
            requests: Rate::per_hour(numbers.requests),
            tokens: numbers.tokens.map(Rate::per_hour),
            daily_cap: numbers.daily_cap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Usd;
    use keyferry_protocol::PicoUsd;

    #[test]
    fn defaults_differ_by_payer() {
        let policy = Policy::new(&LimitSettings::default(), &BTreeMap::new());
        let byok = policy.limits(None, Payer::User);
        assert_eq!(
            (byok.requests.limit, byok.tokens, byok.daily_cap),
            (3_600, None, None)
        );
        assert_eq!(
            policy.limits(Some("any"), Payer::Server).requests.limit,
            100
        );
    }

    #[test]
    fn plans_override_what_they_name() {
        let settings = LimitSettings {
            byok_tokens_per_hour: Some(7),
            daily_cap_usd: Some(Usd(PicoUsd::from_micros(5_000_000))),
            ..LimitSettings::default()
        };
        let pro = PlanSettings {
            server_requests_per_hour: Some(1_000),
            daily_cap_usd: Some(Usd(PicoUsd::from_micros(50_000_000))),
            ..PlanSettings::default()
        };
        let free = PlanSettings {
            server_requests_per_hour: Some(0),
            ..PlanSettings::default()
        };
        let plans = BTreeMap::from([("pro".to_owned(), pro), ("default".to_owned(), free)]);
        let policy = Policy::new(&settings, &plans);
        let limits = policy.limits(Some("pro"), Payer::Server);
        assert_eq!(
            (limits.requests.limit, limits.daily_cap),
            (1_000, Some(50_000_000))
        );
        assert_eq!(
            policy.limits(Some("pro"), Payer::User).tokens,
            Some(Rate::per_hour(7))
        );
        for plan in [None, Some("unknown"), Some("default")] {
            let limits = policy.limits(plan, Payer::Server);
            assert_eq!(
                (limits.requests.limit, limits.daily_cap),
                (0, Some(5_000_000))
            );
        }
    }
}
