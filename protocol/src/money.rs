//! Amounts of money, in whole pico-dollars (10⁻¹² USD).
//!
//! Published prices per token are multiples of 10⁻¹² USD (the smallest is 1.3·10⁻¹⁰), so sums
//! are exact; what is charged is rounded up to whole micro-dollars once, at the end.

use core::fmt;

/// An amount in pico-dollars; 2⁶⁴ of them are 18 million dollars. Arithmetic saturates: a bill
/// never wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub u64);

const PICO_PER_MICRO: u64 = 1_000_000;

impl PicoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whole micro-dollars.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(PICO_PER_MICRO))
    }

    /// Micro-dollars, rounded up: what is charged.
    #[must_use]
    pub const fn to_micros(self) -> u64 {
        self.0.div_ceil(PICO_PER_MICRO)
    }

    /// Reads an amount in dollars as JSON writes numbers (`0.0021`, `2.5e-06`), rounded up to a
    /// pico-dollar.
    #[must_use]
    pub fn parse_usd(text: &str) -> Option<Self> {
        parse_scaled(text.as_bytes(), 12).map(Self)
    }

    /// This amount `count` times.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl core::iter::Sum for PicoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for PicoUsd {
    /// Dollars with six decimals, rounded up, as in `0.002100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.to_micros();
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// Reads a non-negative JSON number as a whole multiple of 10^-scale, rounded up. `None` for
/// other texts and for what does not fit in 64 bits.
pub(crate) fn parse_scaled(text: &[u8], scale: i32) -> Option<u64> {
    // Nearly every figure: a whole number that fits whatever its digits are.
    if scale == 0 && (1..20).contains(&text.len()) {
        let whole = text.iter().try_fold(0, |value, &digit| {
            digit
                .is_ascii_digit()
                .then(|| value * 10 + u64::from(digit - b'0'))
        });
        if whole.is_some() {
            return whole;
        }
    }
    let text = str::from_utf8(text).ok()?;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // How many digits of the mantissa count before the point once everything is scaled.
    let keep = i32::try_from(whole.len())
        .ok()?
        .checked_add(exponent)?
        .checked_add(scale)?;
    let mut value = 0u64;
    let mut round_up = false;
    let mut position = 0i32;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        if position < keep {
            value = value
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))?;
        } else if digit != b'0' {
            round_up = true;
        }
        position = position.checked_add(1)?;
    }
    while position < keep && value != 0 {
        value = value.checked_mul(10)?;
        position += 1;
    }
    value.checked_add(u64::from(round_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_exactly() {
        for (text, pico) in [
            ("0", 0),
            ("0.0", 0),
            ("1", 1_000_000_000_000),
            ("0.10", 100_000_000_000),
            ("2.5e-06", 2_500_000),
            ("2.5E-6", 2_500_000),
            ("1.3e-10", 130),
            ("0.00000000013", 130),
            ("1e-12", 1),
            ("1e-13", 1),
            ("1.00000000000001", 1_000_000_000_001),
            ("5e0", 5_000_000_000_000),
            ("1.25e+1", 12_500_000_000_000),
            ("0e99", 0),
        ] {
            assert_eq!(PicoUsd::parse_usd(text), Some(PicoUsd(pico)), "{text}");
        }
        for text in [
            "", ".", "-1", "+1", "1e", "e5", "1.2.3", "0x1", "NaN", "1e99", "99999999",
        ] {
            assert_eq!(PicoUsd::parse_usd(text), None, "{text}");
        }
    }

    #[test]
    fn charges_round_up_once() {
        assert_eq!(PicoUsd(0).to_micros(), 0);
        assert_eq!(PicoUsd(1).to_micros(), 1);
        assert_eq!(PicoUsd(1_000_000).to_micros(), 1);
        assert_eq!(PicoUsd(1_000_001).to_micros(), 2);
        let third = PicoUsd(333_334);
        assert_eq!(
            [third, third, third]
                .into_iter()
                .sum::<PicoUsd>()
                .to_micros(),
            2
        );
        assert_eq!(PicoUsd(u64::MAX).plus(PicoUsd(1)), PicoUsd(u64::MAX));
        assert_eq!(PicoUsd(u64::MAX).times(2), PicoUsd(u64::MAX));
        assert_eq!(PicoUsd::from_micros(1_234_567).to_string(), "1.234567");
    }
}
