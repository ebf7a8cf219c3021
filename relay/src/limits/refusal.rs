//! What a client is told when a limit stands in its way.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use keyferry_protocol::ErrorCode;

use crate::error::ApiError;
use crate::store::{Refusal, Standing, StoreError};

/// The limits, by the names clients and metrics see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitName {
    /// Requests of an account.
    Requests,
    /// Tokens of an account.
    Tokens,
    /// Money of an account.
    DailyCap,
    /// Money of a lease.
    Lease,
    /// Failures of an address.
    Failures,
    /// Key tests of a caller.
    KeyTests,
    /// Leases a caller makes.
    Leases,
    /// Calls of a caller that run at a time.
    Concurrent,
}

impl LimitName {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_hour",
            Self::Tokens => "tokens_per_hour",
            Self::DailyCap => "daily_cap",
            Self::Lease => "lease_budget",
            Self::Failures => "failures_per_hour",
            Self::KeyTests => "key_tests_per_minute",
            Self::Leases => "leases_per_minute",
            Self::Concurrent => "concurrent_requests",
        }
    }
}

/// Why a call is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Too many, too soon.
    Rate {
        /// Which rate.
        limit: LimitName,
        /// Until trying again can work.
        retry_after: Duration,
        /// Where the caller stands, when the rate is its own.
        standing: Option<Standing>,
    },
    /// It does not fit in what is left of the day's money.
    DailyCap {
        /// Until the UTC day ends.
        resets_in: Duration,
    },
    /// Nobody knows what it costs, and a cap has to be kept.
    Unpriced,
    /// The lease's money is spent.
    Lease,
    /// Shared state cannot be reached, and money is at stake.
    Store,
    /// Its sealed key was used before.
    Replayed,
}

impl Denied {
    /// The limit to name in metrics; none when it is not a limit that was reached.
    #[must_use]
    pub const fn limit(&self) -> Option<LimitName> {
        match self {
            Self::Rate { limit, .. } => Some(*limit),
            Self::DailyCap { .. } | Self::Unpriced => Some(LimitName::DailyCap),
            Self::Lease => Some(LimitName::Lease),
            Self::Store | Self::Replayed => None,
        }
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Requests {
                retry_after,
                standing,
            } => Self::Rate {
                limit: LimitName::Requests,
                retry_after,
                standing: Some(standing),
            },
            Refusal::Tokens {
                retry_after,
                standing,
            } => Self::Rate {
                limit: LimitName::Tokens,
                retry_after,
                standing: Some(standing),
            },
            Refusal::DailyCap { resets_in, .. } => Self::DailyCap { resets_in },
            Refusal::Lease { .. } => Self::Lease,
            // Only who stopped waiting for an admission withdraws it.
            Refusal::Withdrawn => Self::Store,
            Refusal::Replayed => Self::Replayed,
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let error = match denied {
            Denied::Rate { limit, retry_after, standing } => {
                let detail = match limit {
                    LimitName::Tokens => "the tokens of this hour are used up",
                    LimitName::Failures => "too many failed attempts from this address",
                    LimitName::KeyTests => "too many key tests",
                    LimitName::Leases => "too many leases",
                    LimitName::Concurrent => "too many calls at the same time",
                    _ => "the requests of this hour are used up",
                };
                let error = Self::new(ErrorCode::RateLimited, detail)
                    .retry_after(whole_seconds(retry_after));
                match standing {
                    Some(standing) => with_standing(error, limit, &standing),
                    None => error,
                }
            }
            Denied::DailyCap { resets_in } => Self::new(
                ErrorCode::DailyCapReached,
                "the call does not fit in what is left of today's budget; it starts anew at midnight UTC",
            )
            .retry_after(whole_seconds(resets_in)),
            Denied::Unpriced => Self::new(
                ErrorCode::DailyCapReached,
                "a daily cap holds and this model has no known price; the operator can set one",
            ),
            Denied::Lease => Self::new(ErrorCode::LeaseSpent, "the lease's budget is spent"),
            Denied::Store => StoreError::not_done("connection").into(),
            Denied::Replayed => Self::new(
                ErrorCode::Replayed,
                "this sealed key was used before; every request is sealed anew",
            ),
        };
        match denied.limit() {
            Some(limit) => error.limit(limit.as_str()),
            None => error,
        }
    }
}

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
fn with_standing(error: ApiError, limit: LimitName, standing: &Standing) -> ApiError {
    let name = limit.as_str();
    let policy = format!(
        "\"{name}\";q={};w={}",
        standing.rate.limit,
        standing.rate.period.as_secs()
    );
    let now = format!(
        "\"{name}\";r={};t={}",
        standing.remaining,
        whole_seconds(standing.reset)
    );
    [("ratelimit-policy", policy), ("ratelimit", now)]
        .into_iter()
        .fold(error, |error, (name, value)| {
            match HeaderValue::try_from(value) {
                Ok(value) => error.header(HeaderName::from_static(name), value),
                Err(_) => error,
            }
        })
}

/// Rounded up: a client that waits exactly so long is let in.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Rate;
    use axum::response::IntoResponse;

    #[test]
    fn a_rate_limit_says_which_and_until_when() {
        let rate = Rate::per_hour(100);
        let standing = Standing {
            rate,
            remaining: 0,
            reset: Duration::from_secs(3_600),
        };
        let retry_after = Duration::from_millis(35_001);
        let denied = Denied::from(Refusal::Requests {
            retry_after,
            standing,
        });
        let response = ApiError::from(denied).into_response();
        assert_eq!(response.status(), 429);
        let headers = response.headers();
        assert_eq!(headers["retry-after"], "36");
        assert_eq!(
            headers["ratelimit-policy"],
            "\"requests_per_hour\";q=100;w=3600"
        );
        assert_eq!(headers["ratelimit"], "\"requests_per_hour\";r=0;t=3600");
        assert_eq!(headers["x-byok-error"], "rate_limited");
    }

    #[test]
    fn each_refusal_has_its_status() {
        for (denied, status) in [
            (
                Denied::DailyCap {
                    resets_in: Duration::from_secs(60),
                },
                402,
            ),
            (Denied::Unpriced, 402),
            (Denied::Lease, 402),
            (Denied::Store, 503),
        ] {
            assert_eq!(
                ApiError::from(denied).into_response().status(),
                status,
                "{denied:?}"
            );
        }
    }
}
