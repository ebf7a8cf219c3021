//! Percentiles and medians.

use std::time::Duration;

/// The value that `per_mille` thousandths of `samples` do not exceed, by nearest rank; 0 for none.
pub(crate) fn percentile(samples: &mut [u64], per_mille: usize) -> u64 {
    samples.sort_unstable();
    let rank = (samples.len() * per_mille).div_ceil(1000);
    samples
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// The middle of `values`, or the mean of the two in the middle; not a number for none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = sorted
        .get((sorted.len() / 2).wrapping_sub(1))
        .copied()
        .unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

/// Counts are far below 2^53, where every whole number is exact.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}

/// Nanoseconds, for at least five centuries.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut samples: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut samples, 500), 50);
        assert_eq!(percentile(&mut samples, 990), 99);
        assert_eq!(percentile(&mut samples, 1000), 100);
        assert_eq!(percentile(&mut [7], 990), 7);
        assert_eq!(percentile(&mut [], 500), 0);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((median(&[9.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }
}
