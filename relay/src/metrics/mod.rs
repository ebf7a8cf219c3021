//! Prometheus metrics. Names and labels are part of the operator's contract: docs/operating.md
//! lists them, and a test compares that list with what is registered here.
//!
//! Labels hold only words of closed lists (route templates, provider ids of the catalogue, codes),
//! never anything a client sent: the number of series is bounded and none can carry a secret.

mod jobs;
mod labels;
mod recent;
mod register;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use keyferry_protocol::{ErrorCode, FallbackReason, Payer, Verdict};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use jobs::JobMetrics;
pub use labels::UpstreamFailure;
use labels::{
    CodeLabel, Direction, FallbackLabels, KeyTestLabels, LimitLabel, PaymentLabels, RequestLabels,
    ResultLabel, RouteLabels, TokenLabels, UpstreamLabels, word,
};
use recent::Recent;

/// Content type of the answer of the metrics route (OpenMetrics 1.0).
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds of the wait for a provider's first byte: models answer within 0.1 s to
/// minutes, and the SDKs give up after 600 s.
const FIRST_BYTE_SECONDS: [f64; 12] = [
    0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 180.0, 600.0,
];

/// Upper bounds in seconds of the relay's own share: tens of microseconds when all is well, a few
/// milliseconds with a remote store.
const OVERHEAD_SECONDS: [f64; 11] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0,
];

type Histograms = Family<RouteLabels, Histogram, fn() -> Histogram>;

/// Everything that is counted. What each request counts is found among the series used lately; the
/// rest costs a lookup under a shared lock.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    first_byte: Histograms,
    overhead: Histograms,
    open_streams: Gauge,
    connections: Gauge,
    fallbacks: Family<FallbackLabels, Counter>,
    key_tests: Family<KeyTestLabels, Counter>,
    errors: Family<CodeLabel, Counter>,
    limits: Family<LimitLabel, Counter>,
    upstream_errors: Family<UpstreamLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    spend: Family<PaymentLabels, Counter<f64, AtomicU64>>,
    store_degraded: Gauge,
    reloads: Family<ResultLabel, Counter>,
    jwks_fetches: Family<ResultLabel, Counter>,
    jobs: JobMetrics,
    recent_requests: Recent<RequestLabels, RequestSeries>,
    recent_payments: Recent<PaymentLabels, PaymentSeries>,
}

/// What every request counts in.
struct RequestSeries {
    requests: Counter,
    overhead: Histogram,
    /// Of requests that reached a provider.
    first_byte: Option<Histogram>,
}

/// What every settled call counts in.
struct PaymentSeries {
    input: Counter,
    output: Counter,
    spend: Counter<f64, AtomicU64>,
}

/// A request whose answer has been sent.
#[derive(Clone, Copy, Debug)]
pub struct FinishedRequest<'a> {
    /// Template of the route, `""` when none matched.
    pub route: &'static str,
    /// Id of the provider that was asked.
    pub provider: Option<&'a str>,
    /// Whose key paid.
    pub payer: Option<Payer>,
    /// Status of the answer.
    pub status: u16,
    /// How the answer ended: `complete`, `failed` or `cancelled`.
    pub end: &'static str,
    /// Code of an error the relay made.
    pub code: Option<ErrorCode>,
    /// Why the server's key paid.
    pub fallback: Option<FallbackReason>,
    /// From sending the request to the provider's response head.
    pub first_byte: Option<Duration>,
    /// From the request's head to the answer's head, without the provider's share.
    pub overhead: Duration,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("keyferry");
        let first_byte: fn() -> Histogram = || Histogram::new(FIRST_BYTE_SECONDS);
        let overhead: fn() -> Histogram = || Histogram::new(OVERHEAD_SECONDS);
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            first_byte: Family::new_with_constructor(first_byte),
            overhead: Family::new_with_constructor(overhead),
            open_streams: Gauge::default(),
            connections: Gauge::default(),
            fallbacks: Family::default(),
            key_tests: Family::default(),
            errors: Family::default(),
            limits: Family::default(),
            upstream_errors: Family::default(),
            tokens: Family::default(),
            spend: Family::default(),
            store_degraded: Gauge::default(),
            reloads: Family::default(),
            jwks_fetches: Family::default(),
            jobs: JobMetrics::default(),
            recent_requests: Recent::default(),
            recent_payments: Recent::default(),
        };
        metrics.register(&mut registry);
        Self {
            registry,
            ..metrics
        }
    }

    /// Counts a request when its answer has been sent or given up.
    pub fn request(&self, finished: &FinishedRequest<'_>) {
        let provider = finished.provider.unwrap_or_default();
        let payer = finished.payer.map_or("none", Payer::as_str);
        self.recent_requests.with(
            usize::from(finished.status) + finished.route.len() * 7 + provider.len() * 31,
            |labels| {
                labels.status == finished.status
                    && labels.route == finished.route
                    && labels.provider == provider
                    && labels.payer == payer
                    && labels.end == finished.end
            },
            || self.request_series(finished, provider, payer),
            |series| {
                series.requests.inc();
                series.overhead.observe(finished.overhead.as_secs_f64());
                if let Some(first_byte) = finished.first_byte {
                    match &series.first_byte {
                        Some(histogram) => histogram.observe(first_byte.as_secs_f64()),
                        None => self
                            .first_byte
                            .get_or_create(&route_labels(finished.route, provider))
                            .observe(first_byte.as_secs_f64()),
                    }
                }
            },
        );
        if let Some(reason) = finished.fallback {
            let labels = FallbackLabels {
                provider: provider.to_owned(),
                reason: word(reason.as_str()),
            };
            self.fallbacks.get_or_create(&labels).inc();
        }
        if let Some(code) = finished.code {
            self.errors
                .get_or_create(&CodeLabel {
                    code: word(code.as_str()),
                })
                .inc();
        }
    }

    fn request_series(
        &self,
        finished: &FinishedRequest<'_>,
        provider: &str,
        payer: &'static str,
    ) -> (RequestLabels, RequestSeries) {
        let route = route_labels(finished.route, provider);
        let labels = RequestLabels {
            route: word(finished.route),
            provider: provider.to_owned(),
            payer: word(payer),
            status: finished.status,
            end: word(finished.end),
        };
        let series = RequestSeries {
            requests: self.requests.get_or_create(&labels).clone(),
            overhead: self.overhead.get_or_create(&route).clone(),
            // Made by its first observation: a series of nothing would be one too many.
            first_byte: finished
                .first_byte
                .map(|_| self.first_byte.get_or_create(&route).clone()),
        };
        (labels, series)
    }

    /// Counts an answer as being sent until the guard drops.
    #[must_use]
    pub fn open_stream(&self) -> OpenGuard {
        OpenGuard::new(self.open_streams.clone())
    }

    /// Counts a client connection as open until the guard drops.
    #[must_use]
    pub fn open_connection(&self) -> OpenGuard {
        OpenGuard::new(self.connections.clone())
    }

    /// Counts a key test.
    pub fn key_test(&self, provider: &str, verdict: Verdict) {
        let labels = KeyTestLabels {
            provider: provider.to_owned(),
            verdict: word(verdict.as_str()),
        };
        self.key_tests.get_or_create(&labels).inc();
    }

    /// Counts a request that a limit refused. `limit` is the limit's documented name.
    pub fn limit_hit(&self, limit: &'static str) {
        self.limits
            .get_or_create(&LimitLabel { limit: word(limit) })
            .inc();
    }

    /// Counts a call that a provider failed.
    pub fn upstream_error(&self, provider: &str, kind: UpstreamFailure) {
        let labels = UpstreamLabels {
            provider: provider.to_owned(),
            kind,
        };
        self.upstream_errors.get_or_create(&labels).inc();
    }

    /// Adds the tokens of a settled call, as the provider reported them, and its cost in millionths
    /// of a US dollar.
    pub fn settled(&self, provider: &str, payer: Payer, input: u64, output: u64, micro_usd: u64) {
        // A float is Prometheus' own unit; the exact sums are kept in integers by the store.
        #[allow(clippy::cast_precision_loss)]
        let usd = micro_usd as f64 / 1e6;
        let paid_by = payer.as_str();
        self.recent_payments.with(
            provider.len() * 31 + paid_by.len(),
            |labels| labels.provider == provider && labels.payer == paid_by,
            || self.payment_series(provider, paid_by),
            |series| {
                series.input.inc_by(input);
                series.output.inc_by(output);
                series.spend.inc_by(usd);
            },
        );
    }

    fn payment_series(
        &self,
        provider: &str,
        payer: &'static str,
    ) -> (PaymentLabels, PaymentSeries) {
        let tokens = |direction| {
            let labels = TokenLabels {
                provider: provider.to_owned(),
                payer: word(payer),
                direction,
            };
            self.tokens.get_or_create(&labels).clone()
        };
        let labels = PaymentLabels {
            provider: provider.to_owned(),
            payer: word(payer),
        };
        let series = PaymentSeries {
            input: tokens(Direction::Input),
            output: tokens(Direction::Output),
            spend: self.spend.get_or_create(&labels).clone(),
        };
        (labels, series)
    }

    /// Notes whether shared state can be reached.
    pub fn store_degraded(&self, degraded: bool) {
        self.store_degraded.set(i64::from(degraded));
    }

    /// Counts a reload.
    pub fn reload(&self, succeeded: bool) {
        self.reloads
            .get_or_create(&ResultLabel::new(succeeded))
            .inc();
    }

    /// Counts a fetch of the token issuer's keys.
    pub fn jwks_fetch(&self, succeeded: bool) {
        self.jwks_fetches
            .get_or_create(&ResultLabel::new(succeeded))
            .inc();
    }

    /// Everything in OpenMetrics text form.
    ///
    /// # Errors
    /// When a metric cannot be written, which text in memory never refuses.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(8192);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn route_labels(route: &'static str, provider: &str) -> RouteLabels {
    RouteLabels {
        route: word(route),
        provider: provider.to_owned(),
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Something counted as open while this lives.
#[derive(Debug)]
pub struct OpenGuard(Gauge);

impl OpenGuard {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
