//! What one key has been used for: one row per UTC day, oldest first.

use zeroize::Zeroizing;

use super::{
    FormatError,
    codec::{Reader, Writer},
};

/// Version of this record's own layout.
const LAYOUT: u8 = 1;
/// Days kept; older ones are added up into the first row.
pub const MAX_DAYS: usize = 92;
const DAY_MS: u64 = 86_400_000;

/// Counts of one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    /// Days since the Unix epoch; 0 for the sum of all older days.
    pub day: u32,
    /// Requests answered.
    pub requests: u32,
    /// Of these, answered with an error.
    pub errors: u32,
    /// Of these, counts that are estimates.
    pub estimated: u32,
    /// Tokens read by the model.
    pub input_tokens: u64,
    /// Tokens written by the model.
    pub output_tokens: u64,
    /// Millionths of a US dollar, as far as known.
    pub cost_micros: u64,
}

impl Day {
    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.estimated = self.estimated.saturating_add(other.estimated);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_micros = self.cost_micros.saturating_add(other.cost_micros);
    }

    /// The reverse of adding.
    pub fn subtract(&mut self, other: &Self) {
        self.requests = self.requests.saturating_sub(other.requests);
        self.errors = self.errors.saturating_sub(other.errors);
        self.estimated = self.estimated.saturating_sub(other.estimated);
        self.input_tokens = self.input_tokens.saturating_sub(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_sub(other.output_tokens);
        self.cost_micros = self.cost_micros.saturating_sub(other.cost_micros);
    }
}

/// The UTC day of a time in Unix milliseconds.
#[must_use]
pub fn day_of(now: u64) -> u32 {
    u32::try_from(now / DAY_MS).unwrap_or(u32::MAX)
}

/// Usage of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// Unix milliseconds.
    pub last_used_at: Option<u64>,
    /// Ascending by day.
    pub days: Vec<Day>,
}

impl Usage {
    /// Adds counts to a day's row.
    pub fn add(&mut self, counts: &Day) {
        match self.days.binary_search_by_key(&counts.day, |day| day.day) {
            Ok(at) => {
                if let Some(day) = self.days.get_mut(at) {
                    day.add(counts);
                }
            }
            Err(at) => self.days.insert(at, *counts),
        }
        while self.days.len() > MAX_DAYS {
            let oldest = self.days.remove(0);
            if let Some(sum) = self.days.first_mut() {
                let mut merged = Day { day: 0, ..*sum };
                merged.add(&oldest);
                *sum = merged;
            }
        }
    }

    /// What has been spent on this day, in millionths of a US dollar.
    #[must_use]
    pub fn spent_on(&self, day: u32) -> u64 {
        self.days
            .iter()
            .filter(|row| row.day == day)
            .map(|row| row.cost_micros)
            .sum()
    }

    /// What an answered request has cost on average, in millionths of a US dollar, when as many as are
    /// `running` have not told yet.
    #[must_use]
    pub fn mean_cost(&self, running: u64) -> u64 {
        let (mut cost, mut answered) = (0_u64, 0_u64);
        for day in &self.days {
            cost = cost.saturating_add(day.cost_micros);
            answered += u64::from(day.requests.saturating_sub(day.errors));
        }
        cost / answered.saturating_sub(running).max(1)
    }

    /// The plaintext.
    ///
    /// # Errors
    /// None in practice: there are at most [`MAX_DAYS`] rows.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        let mut writer = Writer::new();
        writer.u8(LAYOUT).optional_u64(self.last_used_at);
        writer.u16(u16::try_from(self.days.len()).map_err(|_| FormatError::Malformed)?);
        for day in &self.days {
            writer
                .u32(day.day)
                .u32(day.requests)
                .u32(day.errors)
                .u32(day.estimated)
                .u64(day.input_tokens)
                .u64(day.output_tokens)
                .u64(day.cost_micros);
        }
        Ok(writer.finish())
    }

    /// Reads the plaintext.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], [`FormatError::FutureVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.u8()?;
        if layout > LAYOUT {
            return Err(FormatError::FutureVersion);
        }
        let mut usage = Self {
            last_used_at: reader.optional_u64()?,
            days: Vec::new(),
        };
        for _ in 0..reader.u16()? {
            let day = Day {
                day: reader.u32()?,
                requests: reader.u32()?,
                errors: reader.u32()?,
                estimated: reader.u32()?,
                input_tokens: reader.u64()?,
                output_tokens: reader.u64()?,
                cost_micros: reader.u64()?,
            };
            if usage.days.last().is_some_and(|last| last.day >= day.day) {
                return Err(FormatError::Malformed);
            }
            usage.days.push(day);
        }
        reader.finish()?;
        Ok(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u32, cost: u64) -> Day {
        Day {
            day,
            requests: 1,
            cost_micros: cost,
            ..Day::default()
        }
    }

    #[test]
    fn rows_add_up_and_old_ones_merge() {
        let mut usage = Usage::default();
        for at in 0..200 {
            usage.add(&day(20_000 + at, 5));
            usage.add(&day(20_000 + at, 5));
        }
        assert_eq!(usage.days.len(), MAX_DAYS);
        assert_eq!(usage.days.iter().map(|day| day.requests).sum::<u32>(), 400);
        assert_eq!(usage.spent_on(20_199), 10);
        assert_eq!(usage.days[0].day, 0);
        assert_eq!(Usage::decode(&usage.encode().unwrap()), Ok(usage));
    }
}
