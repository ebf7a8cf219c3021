//! Ids that join a response with the relay's log lines.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// Makes request ids: a random prefix per process and a counter. Unique across instances without
/// a system call per request; not secret and not used as a capability anywhere.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u64,
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
            prefix: getrandom::u64()?,
            next: AtomicU64::new(1),
        })
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = String::with_capacity(24);
        // Writing to a String cannot fail.
        let _ = write!(text, "{:016x}-{number:x}", self.prefix);
        RequestId(text)
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
