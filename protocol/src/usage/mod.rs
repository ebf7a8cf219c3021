//! What a request used, read from the provider's answer as it streams by.
//!
//! ```text
//! request ─► request::ask_for_usage     adds what makes a stream report usage
//!            estimate                   when no report can be had
//! answer  ─► UsageReader ── sse ── json ── extract ─► Usage
//!                 └─► the answer's bytes, without the chunk that was asked for above
//! ```
//!
//! Nothing is buffered but, while the added chunk is to be removed, the one event being read.

mod estimate;
mod extract;
mod fields;
mod reader;
mod request;

pub use estimate::{
    DEFAULT_OUTPUT_TOKENS, MEDIA_TOKENS, audio_milliseconds, request_tokens, text_tokens,
};
pub use reader::{Framing, UsageReader};
pub use request::{Edit, apply, ask_for_usage};
#[cfg(feature = "relay")]
pub use request::{REQUEST_FIELDS, RequestBody};

use crate::money::PicoUsd;

/// Figures of one request, the same for every provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input tokens: cached, cache-written and audio ones included.
    pub input: u64,
    /// All output tokens: reasoning and audio ones included.
    pub output: u64,
    /// Of `input`: read from the provider's cache.
    pub cached: u64,
    /// Of `input`: written to the provider's cache.
    pub cache_write: u64,
    /// Of `input`: audio.
    pub audio_input: u64,
    /// Of `output`: audio.
    pub audio_output: u64,
    /// Of `output`: reasoning that is billed but not shown.
    pub reasoning: u64,
    /// Length of the audio transcribed, where that is what is billed.
    pub milliseconds: u64,
    /// What the provider says it costs (OpenRouter).
    pub cost: Option<PicoUsd>,
    /// Not reported by the provider but estimated.
    pub estimated: bool,
}

impl Usage {
    /// An estimate from counted tokens.
    #[must_use]
    pub fn estimate(input: u64, output: u64) -> Self {
        Self {
            input,
            output,
            estimated: true,
            ..Self::default()
        }
    }
}
