//! The arithmetic of a rate limit: the generic cell rate algorithm (ITU-T I.371, annex A), in its
//! virtual scheduling form.
//!
//! A limit of `n` per period gives every unit `period / n` of time. The state is one number, the
//! theoretical arrival time (TAT): the moment at which everything taken so far will be paid off.
//! A unit fits while the TAT, moved on by its time, is at most one period ahead of now. An idle
//! caller may take the whole allowance at once, then regains it evenly; there is no window edge to
//! wait for, nothing to store per request, and the time to retry is exact.

use std::time::Duration;

use super::clock::{Micros, micros};

/// So many units in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units per `period`. Zero allows nothing.
    pub limit: u64,
    /// The time over which a used-up allowance comes back.
    pub period: Duration,
}

/// Where a caller stands with one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The rate itself.
    pub rate: Rate,
    /// Units that fit right now.
    pub remaining: u64,
    /// Until the whole allowance is back.
    pub reset: Duration,
}

impl Rate {
    /// `limit` units an hour.
    #[must_use]
    pub const fn per_hour(limit: u64) -> Self {
        Self {
            limit,
            period: Duration::from_secs(3_600),
        }
    }

    /// `limit` units a minute.
    #[must_use]
    pub const fn per_minute(limit: u64) -> Self {
        Self {
            limit,
            period: Duration::from_secs(60),
        }
    }

    /// Time that `units` take, in microseconds. Rounded down, so that exactly `limit` units fit
    /// into a period; for one unit never zero, so that no limit is without effect.
    #[must_use]
    pub fn cost(self, units: u64) -> Micros {
        let period = u128::from(micros(self.period));
        match u128::from(units)
            .saturating_mul(period)
            .checked_div(u128::from(self.limit))
        {
            Some(cost) if units > 0 => u64::try_from(cost).unwrap_or(u64::MAX).max(1),
            Some(_) => 0,
            None => micros(self.period).saturating_add(1),
        }
    }

    /// The new TAT when `cost` fits.
    ///
    /// # Errors
    /// The time until it would fit.
    pub fn take(self, now: Micros, tat: Micros, cost: Micros) -> Result<Micros, Duration> {
        let moved = tat.max(now).saturating_add(cost);
        let earliest = moved.saturating_sub(micros(self.period));
        if earliest > now {
            Err(self.retry_after(now, tat, cost))
        } else {
            Ok(moved)
        }
    }

    /// Until `cost` fits. For a limit of zero: a whole period, as good an answer as any.
    #[must_use]
    pub fn retry_after(self, now: Micros, tat: Micros, cost: Micros) -> Duration {
        if self.limit == 0 {
            return self.period;
        }
        let moved = tat.max(now).saturating_add(cost);
        Duration::from_micros(
            moved
                .saturating_sub(micros(self.period))
                .saturating_sub(now),
        )
    }

    /// What a TAT means at `now`.
    #[must_use]
    pub fn standing(self, now: Micros, tat: Micros) -> Standing {
        let owed = tat.saturating_sub(now);
        let free = micros(self.period).saturating_sub(owed);
        let remaining = u128::from(free).saturating_mul(u128::from(self.limit))
            / u128::from(micros(self.period).max(1));
        // Rounding the unit's time down leaves a sliver that is no whole unit.
        let remaining = u64::try_from(remaining).unwrap_or(u64::MAX).min(self.limit);
        Standing {
            rate: self,
            remaining,
            reset: Duration::from_micros(owed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_700_000_000_000_000;

    fn burst(rate: Rate) -> u64 {
        let (mut tat, mut passed) = (0, 0);
        while let Ok(moved) = rate.take(NOW, tat, rate.cost(1)) {
            tat = moved;
            passed += 1;
        }
        passed
    }

    #[test]
    fn exactly_the_limit_fits_at_once() {
        for limit in [1, 2, 3, 7, 10, 99, 100, 3_600, 10_007] {
            assert_eq!(burst(Rate::per_hour(limit)), limit);
        }
    }

    #[test]
    fn a_limit_of_zero_fits_nothing() {
        let rate = Rate::per_hour(0);
        assert_eq!(rate.take(NOW, 0, rate.cost(1)), Err(rate.period));
    }

    #[test]
    fn retry_after_is_exact() {
        let rate = Rate::per_hour(100);
        let tat = NOW + micros(rate.period);
        let wait = rate.take(NOW, tat, rate.cost(1)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(36));
        let at = NOW + micros(wait);
        assert!(rate.take(at - 1, tat, rate.cost(1)).is_err());
        assert!(rate.take(at, tat, rate.cost(1)).is_ok());
    }

    #[test]
    fn standing_counts_what_fits() {
        let rate = Rate::per_hour(100);
        let mut tat = 0;
        for left in (0..100).rev() {
            tat = rate.take(NOW, tat, rate.cost(1)).unwrap();
            assert_eq!(rate.standing(NOW, tat).remaining, left);
        }
        assert_eq!(rate.standing(NOW, tat).reset, rate.period);
        assert_eq!(rate.standing(NOW, 0).remaining, 100);
    }

    #[test]
    fn tokens_beyond_the_allowance_are_a_debt_that_time_pays() {
        let rate = Rate::per_hour(1_000);
        let tat = NOW + rate.cost(2_000);
        assert_eq!(rate.standing(NOW, tat).remaining, 0);
        assert_eq!(
            rate.take(NOW, tat, rate.cost(1)).unwrap_err().as_secs(),
            3_603, // the debt of 1,000 tokens, and one token's 3.6 s
        );
    }
}
