//! The text form, and the associated data.

use super::{MAX_HEADER, SUITE, SealError, WINDOW_SECONDS};
use crate::base64url;
use crate::header::{Fallback, SEALED_PREFIX};
use crate::text;

/// What of a request is bound to its key. Both halves must see the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The relay's public origin as configured (`https://relay.example`), never the `Host`.
    pub origin: &'a str,
    /// Upper case.
    pub method: &'a str,
    /// Path and query as sent, `?` included when there is a query.
    pub target: &'a str,
    /// Value of the provider header, `""` when none is sent.
    pub provider: &'a str,
    /// The fallback choice, [`Fallback::Never`] when none is sent.
    pub fallback: Fallback,
}

impl Binding<'_> {
    /// The associated data: nine fields, each behind its length in four bytes, big-endian.
    pub(super) fn associated_data(&self, kid: &str, enc: &[u8; 32], timestamp: u64) -> Vec<u8> {
        let timestamp = timestamp.to_be_bytes();
        let fields: [&[u8]; 9] = [
            SUITE,
            kid.as_bytes(),
            enc,
            &timestamp,
            self.origin.as_bytes(),
            self.method.as_bytes(),
            self.target.as_bytes(),
            self.provider.as_bytes(),
            self.fallback.as_str().as_bytes(),
        ];
        let mut out = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
        for field in fields {
            // No field comes near 4 GiB; a longer one would fail to verify, not be misread.
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(field);
        }
        out
    }
}

/// Whether a text can name a sealing key: 1 to 32 characters of base64url.
pub(super) fn is_kid(kid: &str) -> bool {
    (1..=32).contains(&kid.len())
        && kid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A header read into its parts; nothing of it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHeader<'a> {
    /// Which sealing key it was made for.
    pub kid: &'a str,
    /// The encapsulation: same for all requests of a vault session.
    pub enc: [u8; 32],
    /// Unix time in seconds.
    pub timestamp: u64,
    /// The nonce, to be remembered for the window once the tag has verified.
    pub nonce: [u8; 12],
    /// Ciphertext and tag.
    pub(super) ciphertext: Vec<u8>,
}

impl<'a> SealedHeader<'a> {
    /// Whether a key header's value is sealed (in some version).
    #[must_use]
    pub fn is_sealed(value: &str) -> bool {
        value.starts_with(SEALED_PREFIX)
    }

    /// Reads the text form. Costs no cryptography.
    ///
    /// # Errors
    /// [`SealError::Form`]; each header has one spelling only.
    pub fn parse(value: &'a str) -> Result<Self, SealError> {
        if value.len() > MAX_HEADER {
            return Err(SealError::Form);
        }
        let rest = value.strip_prefix(SEALED_PREFIX).ok_or(SealError::Form)?;
        let mut parts = rest.split('.');
        let mut part = || parts.next().ok_or(SealError::Form);
        let (kid, enc, timestamp, nonce, ciphertext) =
            (part()?, part()?, part()?, part()?, part()?);
        let surplus = parts.next().is_some();
        let canonical = (1..=12).contains(&timestamp.len())
            && timestamp.bytes().all(|byte| byte.is_ascii_digit())
            && (timestamp == "0" || !timestamp.starts_with('0'));
        if surplus || !canonical || !is_kid(kid) {
            return Err(SealError::Form);
        }
        let ciphertext = base64url::decode(ciphertext).ok_or(SealError::Form)?;
        // A tag and at least one byte of key.
        if ciphertext.len() <= 16 {
            return Err(SealError::Form);
        }
        Ok(Self {
            kid,
            enc: base64url::decode_array(enc).ok_or(SealError::Form)?,
            timestamp: timestamp.parse().map_err(|_| SealError::Form)?,
            nonce: base64url::decode_array(nonce).ok_or(SealError::Form)?,
            ciphertext,
        })
    }

    /// Checks the time against `now` (Unix seconds).
    ///
    /// # Errors
    /// [`SealError::ClockSkew`] outside ±[`WINDOW_SECONDS`].
    pub const fn check_time(&self, now: u64) -> Result<(), SealError> {
        if self.timestamp.abs_diff(now) > WINDOW_SECONDS {
            return Err(SealError::ClockSkew);
        }
        Ok(())
    }

    pub(super) fn write(
        kid: &str,
        enc: &[u8; 32],
        timestamp: u64,
        nonce: &[u8; 12],
        ciphertext: &[u8],
    ) -> String {
        let timestamp = text::decimal(timestamp);
        [
            SEALED_PREFIX,
            kid,
            ".",
            &base64url::encode(enc),
            ".",
            &timestamp,
            ".",
            &base64url::encode(nonce),
            ".",
            &base64url::encode(ciphertext),
        ]
        .concat()
    }
}
