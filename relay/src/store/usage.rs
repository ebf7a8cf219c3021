//! Counted use: one row per caller, UTC day, provider, payer and model.

use std::ops::{AddAssign, Neg};

use keyferry_protocol::Payer;

/// Rows one caller can have in one day; a client that invents model names lands in [`OTHER`].
pub(crate) const MAX_ROWS: usize = 256;

/// Model of the row that takes what exceeds 256 rows a day.
pub const OTHER: &str = "*";

/// Longest model name kept, in bytes.
pub(crate) const MAX_MODEL: usize = 128;

/// Days for which use is kept.
pub const RETENTION_DAYS: u32 = 35;

macro_rules! row {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Sums of one row. Signed, because corrections are rows too.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Row { $($(#[$doc])* pub $field: i64,)* }

        impl Row {
            /// The sums in the order they are stored in.
            #[must_use]
            pub(crate) const fn to_array(self) -> [i64; COLUMNS] {
                [$(self.$field),*]
            }

            /// From the order they are stored in.
            #[must_use]
            pub(crate) const fn from_array(sums: [i64; COLUMNS]) -> Self {
                let [$($field),*] = sums;
                Self { $($field),* }
            }
        }
    };
}

/// Numbers in a [`Row`].
pub(crate) const COLUMNS: usize = 12;

row! {
    /// Calls admitted.
    requests,
    /// Of these, calls the provider or the relay answered with an error.
    errors,
    /// Of these, calls whose use or price is estimated: interrupted, cancelled, never settled.
    estimated,
    /// Of these, calls of models without a known price; they add nothing to the cost.
    unpriced,
    /// Tokens sent, cached ones included.
    input_tokens,
    /// Of these, tokens read from the provider's cache.
    cached_tokens,
    /// Tokens received, reasoning included.
    output_tokens,
    /// Audio, in milliseconds.
    audio_ms,
    /// Micro-dollars.
    cost,
    /// Of these, micro-dollars that are estimated.
    estimated_cost,
    /// Micro-dollars the same calls would have cost on the other payer's prices.
    other_cost,
    /// Of the calls, those `other_cost` knows no price for.
    other_unpriced,
}

impl Row {
    /// What a reservation of `estimate` micro-dollars counts in advance: if nobody settles it,
    /// this is what stays.
    #[must_use]
    pub fn reserved(estimate: u64) -> Self {
        let cost = i64::try_from(estimate).unwrap_or(i64::MAX);
        Self {
            requests: 1,
            estimated: 1,
            cost,
            estimated_cost: cost,
            ..Self::default()
        }
    }

    /// True when nothing is counted.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Row {
    fn add_assign(&mut self, other: Self) {
        let mut sums = self.to_array();
        for (sum, more) in sums.iter_mut().zip(other.to_array()) {
            *sum = sum.saturating_add(more);
        }
        *self = Self::from_array(sums);
    }
}

impl Neg for Row {
    type Output = Self;

    fn neg(self) -> Self {
        Self::from_array(self.to_array().map(i64::saturating_neg))
    }
}

/// One line of a caller's use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Days since the Unix epoch.
    pub day: u32,
    /// Provider id.
    pub provider: Box<str>,
    /// Who paid.
    pub payer: Payer,
    /// Model as the provider names it; empty for calls that name none.
    pub model: Box<str>,
    /// The sums.
    pub row: Row,
}

/// `model` cut to what is stored, at a character boundary.
#[must_use]
pub(crate) fn model_key(model: &str) -> &str {
    model
        .get(..model.floor_char_boundary(MAX_MODEL))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_and_its_reverse_leave_nothing() {
        let mut row = Row::reserved(100_000);
        row += -Row::reserved(100_000);
        assert!(row.is_zero());
    }

    #[test]
    fn sums_keep_their_order() {
        let row = Row {
            requests: 1,
            other_unpriced: 12,
            ..Row::default()
        };
        let sums = row.to_array();
        assert_eq!((sums[0], sums[COLUMNS - 1]), (1, 12));
        assert_eq!(Row::from_array(sums), row);
    }

    #[test]
    fn long_models_are_cut_between_characters() {
        let model = "é".repeat(100);
        assert_eq!(model_key(&model).len(), 128);
        assert_eq!(model_key(&format!("x{model}")).len(), 127);
    }
}
