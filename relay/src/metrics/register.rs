//! Names and help texts of everything that is counted.

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::Metrics;

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "build",
            "Version of the running relay",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register(
            "first_byte_seconds",
            "Time from sending a request to a provider to its response head",
            self.first_byte.clone(),
        );
        registry.register(
            "overhead_seconds",
            "The relay's own share of the time to the response head",
            self.overhead.clone(),
        );
        registry.register(
            "open_streams",
            "Answers being sent",
            self.open_streams.clone(),
        );
        registry.register(
            "connections",
            "Open client connections",
            self.connections.clone(),
        );
        registry.register(
            "fallbacks",
            "Requests paid by the operator, by reason",
            self.fallbacks.clone(),
        );
        registry.register("key_tests", "Key tests, by verdict", self.key_tests.clone());
        registry.register(
            "errors",
            "Errors made by the relay, by code",
            self.errors.clone(),
        );
        registry.register(
            "limits_hit",
            "Requests refused by a limit",
            self.limits.clone(),
        );
        registry.register(
            "upstream_errors",
            "Failed provider calls, by kind",
            self.upstream_errors.clone(),
        );
        registry.register(
            "tokens",
            "Tokens reported by providers",
            self.tokens.clone(),
        );
        registry.register(
            "spend_usd",
            "Settled cost in US dollars",
            self.spend.clone(),
        );
        registry.register(
            "store_degraded",
            "1 while shared state cannot be reached",
            self.store_degraded.clone(),
        );
        registry.register(
            "reloads",
            "Configuration reloads, by result",
            self.reloads.clone(),
        );
        registry.register(
            "jwks_fetches",
            "Fetches of the token issuer's keys, by result",
            self.jwks_fetches.clone(),
        );
        self.jobs.register(registry);
    }
}
