//! The type every secret of the relay travels in.

use std::fmt;

use http::HeaderValue;
use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

/// Bytes that wipe on drop and print as `[redacted]`.
///
/// Neither `Clone`, `Copy` nor `Serialize`, and without equality: two secrets are compared by
/// whoever holds a constant-time primitive for it.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of `bytes`; no other copy is made.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Every caller says on that line why it needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, when they are valid UTF-8. Same rule as [`Secret::expose`].
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// True when there is nothing inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `prefix` followed by the secret as a header value marked sensitive, so that HPACK never
    /// puts it into a compression table (RFC 7541 §7.1.3) and `Debug` never prints it.
    ///
    /// `None` when the secret holds bytes that no header may carry.
    #[must_use]
    pub fn header_value(&self, prefix: &str) -> Option<HeaderValue> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(prefix.len() + self.0.len()));
        bytes.extend_from_slice(prefix.as_bytes());
        bytes.extend_from_slice(&self.0);
        let mut value = HeaderValue::from_bytes(&bytes).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// For `serialize_with`: what `check-config` prints instead of the secret.
    pub(crate) fn redact<S: Serializer>(_: &Self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }

    /// [`Secret::redact`] for an optional field.
    pub(crate) fn redact_option<S: Serializer>(
        value: &Option<Self>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(secret) => Self::redact(secret, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// [`Secret::redact`] for a list.
    pub(crate) fn redact_list<S: Serializer>(
        list: &[Self],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|_| "[redacted]"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::new(text.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let secret = Secret::new(b"sk-canary-0123456789".to_vec());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:#?}", Some(&secret)), "Some(\n    [redacted],\n)");
    }

    #[test]
    fn header_value_is_sensitive() {
        let secret = Secret::new(b"sk-canary".to_vec());
        let value = secret.header_value("Bearer ").unwrap();
        assert!(value.is_sensitive());
        assert_eq!(value.as_bytes(), b"Bearer sk-canary");
        assert_eq!(format!("{value:?}"), "Sensitive");
    }

    #[test]
    fn header_value_refuses_line_breaks() {
        assert!(
            Secret::new(b"sk\r\nx-evil: 1".to_vec())
                .header_value("")
                .is_none()
        );
    }
}
