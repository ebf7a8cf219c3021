//! How a provider's refusals are read.

use super::{Provider, Text, Verdict};

/// An answer that has a meaning of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// HTTP status.
    pub status: u16,
    /// A string value (`error.code`, `error.type`, a `reason` …) the body must hold, or with
    /// `~` in front a piece of text it must hold; empty: any body.
    pub marker: Text,
    /// What it means.
    pub verdict: Verdict,
}

impl KeyRule {
    /// A row's entry.
    #[must_use]
    pub const fn new(status: u16, marker: &'static str, verdict: Verdict) -> Self {
        Self {
            status,
            marker: Text::Borrowed(marker),
            verdict,
        }
    }

    fn fits(&self, status: u16, body: &[u8]) -> bool {
        if self.status != status {
            return false;
        }
        match self.marker.strip_prefix('~') {
            _ if self.marker.is_empty() => true,
            Some(text) => find(body, text.as_bytes()).is_some(),
            None => holds_string(body, self.marker.as_bytes()),
        }
    }
}

fn find(body: &[u8], needle: &[u8]) -> Option<usize> {
    body.windows(needle.len().max(1))
        .position(|window| window == needle)
}

/// Whether the body holds `"needle"`. Inside a JSON string the quotes would be escaped, so a
/// person's own text echoed by the provider cannot pass for a code.
fn holds_string(body: &[u8], needle: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = find(rest, needle) {
        let before = at.checked_sub(1).and_then(|index| rest.get(index));
        let end = at + needle.len();
        if before == Some(&b'"') && rest.get(end) == Some(&b'"') {
            return true;
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    false
}

impl Provider {
    /// What an answer says about the key that made the request. The body's first 64 KiB suffice.
    ///
    /// `None` when it says nothing about the key: the request itself was at fault.
    #[must_use]
    pub fn verdict(&self, status: u16, body: &[u8]) -> Option<Verdict> {
        if let Some(rule) = self.key_rules.iter().find(|rule| rule.fits(status, body)) {
            return Some(rule.verdict);
        }
        match status {
            200..=299 => Some(Verdict::Valid),
            401 => Some(Verdict::Invalid),
            402 => Some(Verdict::NoCredit),
            403 => Some(Verdict::WrongScope),
            429 => Some(Verdict::RateLimited),
            408 | 500..=599 => Some(Verdict::Unreachable),
            _ => None,
        }
    }

    /// Whether an answer proves the key bad, so that the server's key may step in.
    #[must_use]
    pub fn is_bad_key(&self, status: u16, body: &[u8]) -> bool {
        self.verdict(status, body).is_some_and(Verdict::is_bad_key)
    }
}
