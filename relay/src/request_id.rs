//! Ids that join a response with the relay's log lines.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// Length of what all ids of a process begin with.
const PREFIX: usize = 17;

/// Makes request ids: a random prefix per process and a counter. Unique across instances without
/// a system call per request; not secret and not used as a capability anywhere.
#[derive(Debug)]
pub struct RequestIds {
    /// Ends in the dash.
    prefix: String,
    next: AtomicU64,
}

/// One request's id, `<16 hex>-<counter in hex>`.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestIds {
    /// Draws the prefix.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            prefix: format!("{:016x}-", getrandom::u64()?),
            next: AtomicU64::new(1),
        })
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = String::with_capacity(PREFIX + 17);
        text.push_str(&self.prefix);
        push_hex(&mut text, number);
        RequestId(text)
    }
}

/// `number` in hexadecimal, without leading zeros.
fn push_hex(text: &mut String, number: u64) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let value = u32::try_from(number >> (4 * digit) & 15).unwrap_or(0);
        text.push(char::from_digit(value, 16).unwrap_or('0'));
    }
}

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_hexadecimal() {
        for number in [0, 1, 9, 15, 16, 255, 256, 0xdead_beef, u64::MAX] {
            let mut text = String::new();
            push_hex(&mut text, number);
            assert_eq!(text, format!("{number:x}"));
        }
    }

    #[test]
    fn ids_differ_in_their_count_only() {
        let ids = RequestIds::new().unwrap();
        let (first, second) = (ids.next(), ids.next());
        let prefix = first.as_str().strip_suffix('1').unwrap();
        assert_eq!(prefix.len(), PREFIX);
        assert_eq!(second.as_str(), format!("{prefix}2"));
    }
}
