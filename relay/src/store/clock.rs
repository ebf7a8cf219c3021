//! The time limits are counted in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch. Micro, because a token limit of ten million an hour gives
/// each token 360 µs.
pub type Micros = u64;

/// One UTC day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since the Unix epoch.
    fn now(&self) -> Micros;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        micros(since)
    }
}

/// A clock that moves only when told to, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Starts at `now` microseconds since the Unix epoch.
    #[must_use]
    pub fn at(now: Micros) -> Self {
        Self(AtomicU64::new(now))
    }

    /// Moves on by `step`.
    pub fn advance(&self, step: Duration) {
        self.0.fetch_add(micros(step), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        self.0.load(Ordering::Relaxed)
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Micros {
        (**self).now()
    }
}

/// `duration` in microseconds, saturating.
#[must_use]
pub fn micros(duration: Duration) -> Micros {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Days since the Unix epoch: the UTC day `now` falls into.
#[must_use]
pub fn day_of(now: Micros) -> u32 {
    u32::try_from(now / micros(DAY)).unwrap_or(u32::MAX)
}

/// Until the UTC day of `now` ends.
#[must_use]
pub fn until_midnight(now: Micros) -> Duration {
    Duration::from_micros(micros(DAY) - now % micros(DAY))
}

/// `YYYY-MM-DD` of a day counted from the Unix epoch (Howard Hinnant's `civil_from_days`).
#[must_use]
pub fn date_of(day: u32) -> String {
    let shifted = u64::from(day) + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_match_the_calendar() {
        for (day, date) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_782, "2024-02-29"),
            (20_454, "2026-01-01"),
        ] {
            assert_eq!(date_of(day), date);
        }
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let day = micros(DAY);
        assert_eq!(day_of(day - 1), 0);
        assert_eq!(day_of(day), 1);
        assert_eq!(until_midnight(day - 1), Duration::from_micros(1));
        assert_eq!(until_midnight(day), DAY);
    }
}
