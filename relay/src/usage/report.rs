//! What `GET /v1/usage` and `GET /v1/limits` answer: from state to documents, pure.

use keyferry_protocol::Payer;
use serde::Serialize;

use crate::limits::{AccountLimits, LimitName, Policy};
use crate::store::clock::{date_of, until_midnight};
use crate::store::{CallerState, RateKind, Row, Use};

/// Days reported when the client does not say.
pub(super) const DEFAULT_DAYS: u32 = 7;

/// Answer of `GET /v1/usage`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// First UTC day looked at.
    from: String,
    /// Last UTC day looked at: today.
    until: String,
    /// One line per day, provider, payer and model, oldest first.
    usage: Vec<UsageLine>,
    /// Sums by payer.
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct Totals {
    user: Sums,
    server: Sums,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageLine {
    date: String,
    provider: Box<str>,
    /// Empty for calls that name no model, `*` for what exceeded the number of models kept.
    model: Box<str>,
    payer: &'static str,
    #[serde(flatten)]
    sums: Sums,
}

/// Sums of calls. Amounts are dollars with at most six decimals.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sums {
    requests: i64,
    errors: i64,
    input_tokens: i64,
    cached_tokens: i64,
    output_tokens: i64,
    audio_seconds: f64,
    cost_usd: f64,
    /// Share of `costUsd` that is estimated.
    estimated_usd: f64,
    estimated_requests: i64,
    /// Calls without a known price; they add nothing to `costUsd`.
    unpriced_requests: i64,
    /// What the same calls cost by the price list, as the other payer would have paid.
    other_payer_usd: f64,
    /// Calls `otherPayerUsd` knows no price for.
    other_payer_unpriced_requests: i64,
}

impl From<Row> for Sums {
    #[allow(clippy::cast_precision_loss)] // exact up to 2^53 ms, 285,000 years of audio
    fn from(row: Row) -> Self {
        Self {
            requests: row.requests,
            errors: row.errors,
            input_tokens: row.input_tokens,
            cached_tokens: row.cached_tokens,
            output_tokens: row.output_tokens,
            audio_seconds: row.audio_ms as f64 / 1_000.0,
            cost_usd: usd(row.cost),
            estimated_usd: usd(row.estimated_cost),
            estimated_requests: row.estimated,
            unpriced_requests: row.unpriced,
            other_payer_usd: usd(row.other_cost),
            other_payer_unpriced_requests: row.other_unpriced,
        }
    }
}

/// Lays a caller's use out.
#[must_use]
pub fn usage_report(mut uses: Vec<Use>, until: u32, days: u32) -> UsageReport {
    uses.sort_by(|a, b| {
        let key = |line: &Use| (line.day, line.provider.clone(), line.model.clone());
        key(a)
            .cmp(&key(b))
            .then_with(|| a.payer.as_str().cmp(b.payer.as_str()))
    });
    let total = |payer| {
        let mut row = Row::default();
        uses.iter()
            .filter(|line| line.payer == payer)
            .for_each(|line| row += line.row);
        Sums::from(row)
    };
    let totals = Totals {
        user: total(Payer::User),
        server: total(Payer::Server),
    };
    UsageReport {
        from: date_of(until.saturating_sub(days.saturating_sub(1))),
        until: date_of(until),
        usage: uses
            .into_iter()
            .map(|line| UsageLine {
                date: date_of(line.day),
                provider: line.provider,
                model: line.model,
                payer: line.payer.as_str(),
                sums: line.row.into(),
            })
            .collect(),
        totals,
    }
}

/// Answer of `GET /v1/limits`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitsReport {
    /// Plan of the app token, when it names one.
    plan: Option<String>,
    /// Shared state is away: what is left is what this instance counts, and server-paid and capped
    /// calls are refused.
    degraded: bool,
    /// What holds at every provider.
    per_provider: PerPayer,
    /// Where the caller has taken something, by provider and payer.
    standing: Vec<StandingLine>,
}

#[derive(Debug, Serialize)]
struct PerPayer {
    user: Allowance,
    server: Allowance,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Allowance {
    requests_per_hour: u64,
    tokens_per_hour: Option<u64>,
    daily_cap_usd: Option<f64>,
}

impl From<AccountLimits> for Allowance {
    fn from(limits: AccountLimits) -> Self {
        Self {
            requests_per_hour: limits.requests.limit,
            tokens_per_hour: limits.tokens.map(|rate| rate.limit),
            daily_cap_usd: limits.daily_cap.map(micros_usd),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StandingLine {
    limit: &'static str,
    provider: Box<str>,
    payer: &'static str,
    /// Units, or dollars for the daily cap.
    allowed: f64,
    remaining: f64,
    /// Until all of it is back, in whole seconds.
    reset_seconds: u64,
}

/// Lays a caller's standing out. `states` are its own and, without a proven subject, that of the
/// address it calls from.
#[must_use]
pub fn limits_report(
    policy: &Policy,
    plan: Option<&str>,
    states: &[CallerState],
    degraded: bool,
) -> LimitsReport {
    let limits = |payer| policy.limits(plan, payer);
    LimitsReport {
        plan: plan.map(str::to_owned),
        degraded,
        per_provider: PerPayer {
            user: limits(Payer::User).into(),
            server: limits(Payer::Server).into(),
        },
        standing: states
            .iter()
            .flat_map(|state| lines(state, limits))
            .collect(),
    }
}

#[allow(clippy::cast_precision_loss)] // limits far below 2^53
fn lines(state: &CallerState, limits: impl Fn(Payer) -> AccountLimits) -> Vec<StandingLine> {
    let rates = state.rates.iter().filter_map(|taken| {
        let limits = limits(taken.payer);
        let (name, rate) = match taken.kind {
            RateKind::Requests => (LimitName::Requests, Some(limits.requests)),
            RateKind::Tokens => (LimitName::Tokens, limits.tokens),
        };
        let standing = rate?.standing(state.now, taken.tat);
        Some(StandingLine {
            limit: name.as_str(),
            provider: taken.provider.clone(),
            payer: taken.payer.as_str(),
            allowed: standing.rate.limit as f64,
            remaining: standing.remaining as f64,
            reset_seconds: standing.reset.as_secs(),
        })
    });
    let spends = state.spent.iter().filter_map(|spend| {
        let cap = limits(spend.payer).daily_cap?;
        Some(StandingLine {
            limit: LimitName::DailyCap.as_str(),
            provider: spend.provider.clone(),
            payer: spend.payer.as_str(),
            allowed: micros_usd(cap),
            remaining: micros_usd(cap.saturating_sub(spend.spent)),
            reset_seconds: until_midnight(state.now).as_secs(),
        })
    });
    rates.chain(spends).collect()
}

/// Days asked for by a query, `days=N` from 1 to what is kept.
pub(super) fn days_of(query: Option<&str>) -> Result<u32, &'static str> {
    let mut days = DEFAULT_DAYS;
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        days = pair
            .strip_prefix("days=")
            .and_then(|text| text.parse().ok())
            .filter(|days| (1..=crate::store::RETENTION_DAYS).contains(days))
            .ok_or("the only parameter is `days`, from 1 to 35")?;
    }
    Ok(days)
}

#[allow(clippy::cast_precision_loss)] // exact up to 9 billion dollars
fn usd(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}

#[allow(clippy::cast_precision_loss)] // exact up to 9 billion dollars
fn micros_usd(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn usage_is_laid_out_by_day_and_summed_by_payer() {
        let line = |day, model: &str, payer, cost| Use {
            day,
            provider: "openai".into(),
            payer,
            model: model.into(),
            row: Row {
                requests: 1,
                cost,
                other_cost: 7,
                ..Row::default()
            },
        };
        let uses = vec![
            line(20_455, "b", Payer::User, 20),
            line(20_454, "a", Payer::Server, 2_100),
            line(20_455, "a", Payer::User, 10),
        ];
        let report = serde_json::to_value(usage_report(uses, 20_455, 7)).unwrap();
        assert_eq!(report["from"], "2025-12-27");
        assert_eq!(report["until"], "2026-01-02");
        let order: Vec<_> = report["usage"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| json!([line["date"], line["model"], line["payer"]]))
            .collect();
        assert_eq!(
            json!(order),
            json!([
                ["2026-01-01", "a", "server"],
                ["2026-01-02", "a", "user"],
                ["2026-01-02", "b", "user"]
            ])
        );
        assert_eq!(report["usage"][0]["costUsd"], json!(0.0021));
        assert_eq!(report["totals"]["user"]["costUsd"], json!(0.00003));
        assert_eq!(report["totals"]["user"]["requests"], json!(2));
        assert_eq!(
            report["totals"]["server"]["otherPayerUsd"],
            json!(0.000_007)
        );
    }

    #[test]
    fn queries_are_read_or_refused() {
        assert_eq!(days_of(None), Ok(7));
        assert_eq!(days_of(Some("days=35")), Ok(35));
        for query in ["days=0", "days=36", "days=x", "from=2026-01-01"] {
            assert!(days_of(Some(query)).is_err(), "{query}");
        }
    }
}
