//! What a call may cost, told from its request before it is made.
//!
//! Input: the body's bytes as tokens, embedded media at a flat rate, no more than the model takes.
//! Output: the request's own limit times the number of answers, or a default, no more than the
//! model gives. Audio: the body's bytes at the lowest rate speech is commonly sent at. Each at the
//! dearest price that could apply.

use keyferry_protocol::json::top_level;
use keyferry_protocol::usage::{DEFAULT_OUTPUT_TOKENS, audio_milliseconds, text_tokens};
use keyferry_protocol::{Catalogue, Price};

use crate::body::WholeBody;
use crate::prices::Prices;

/// Audio tokens per second, as models that take audio count at most.
const AUDIO_TOKENS_PER_SECOND: u64 = 32;

/// What is measured of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Input tokens.
    pub input: u64,
    /// Output tokens at most.
    pub output: u64,
    /// Audio, in milliseconds.
    pub audio_ms: u64,
    /// The answer is asked for as a stream.
    pub stream: bool,
}

/// A call with its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// How large it is.
    pub size: Size,
    /// What its model costs; `None` when unknown.
    pub price: Option<Price>,
    /// It runs no model: it lists, reads, deletes, uploads.
    pub free: bool,
}

impl Quote {
    /// A call that runs no model.
    pub const FREE: Self = Self {
        size: Size {
            input: 0,
            output: 0,
            audio_ms: 0,
            stream: false,
        },
        price: None,
        free: true,
    };

    /// A call that runs `model`. When it may run one of several, make one for each and take the
    /// [`Quote::dearest`].
    #[must_use]
    pub fn new(
        prices: &Prices,
        catalogue: &Catalogue,
        provider: &str,
        model: &str,
        size: Size,
    ) -> Self {
        Self {
            size,
            price: prices.find(catalogue, provider, model),
            free: false,
        }
    }

    /// Micro-dollars to set aside; `None` when nobody knows.
    #[must_use]
    pub fn estimate(&self) -> Option<u64> {
        if self.free {
            return Some(0);
        }
        let price = self.price?;
        let size = self.bounded();
        Some(
            price
                .at_most(size.input, size.output, size.audio_ms)
                .to_micros(),
        )
    }

    /// The one that costs more, or whose cost is unknown.
    #[must_use]
    pub fn dearest(self, other: Self) -> Self {
        match (self.estimate(), other.estimate()) {
            (None, _) => self,
            (_, None) => other,
            (Some(mine), Some(others)) if mine >= others => self,
            _ => other,
        }
    }

    /// The size, no larger than the model takes and gives.
    pub(super) fn bounded(&self) -> Size {
        let price = self.price.unwrap_or_default();
        Size {
            input: self
                .size
                .input
                .min(price.max_input_tokens.unwrap_or(u64::MAX)),
            output: self
                .size
                .output
                .min(price.max_output_tokens.unwrap_or(u64::MAX)),
            ..self.size
        }
    }
}

impl Size {
    /// Of a request whose cost nobody guards: enough to say what an answer that breaks off may
    /// have used, at no expense.
    #[must_use]
    pub fn rough(bytes: u64) -> Self {
        Self {
            input: text_tokens(bytes),
            output: 0,
            audio_ms: 0,
            stream: true,
        }
    }
}

/// Measures a request. `path` is the provider's or the unified route's, `body` is whole.
#[must_use]
pub fn measure(path: &str, is_json: bool, body: &WholeBody) -> Size {
    // What most calls are: none of the words looked for below stands in its path.
    let is_chat = path.ends_with("/chat/completions");
    if !is_json && path.contains("/audio/") {
        let audio_ms = audio_milliseconds(body.bytes().len() as u64);
        let tokens = audio_ms.saturating_mul(AUDIO_TOKENS_PER_SECOND) / 1_000;
        return Size {
            input: tokens,
            output: tokens,
            audio_ms,
            stream: false,
        };
    }
    let input = body.tokens();
    // Embeddings and the like put nothing out; `:embedContent` and `:countTokens` are Gemini's.
    let silent = [
        "embed",
        "countTokens",
        "count_tokens",
        "moderations",
        "rerank",
    ];
    let puts_out = is_chat || !silent.iter().any(|word| path.contains(word));
    let output = if puts_out { output_limit(body) } else { 0 };
    let stream = asks_for_stream(body) || (!is_chat && path.contains(":streamGenerateContent"));
    Size {
        input,
        output,
        audio_ms: 0,
        stream,
    }
}

/// The most the request lets the model put out, over all answers it asks for.
fn output_limit(body: &WholeBody) -> u64 {
    let fields = [
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "n",
        "best_of",
        "generationConfig",
    ];
    let Ok([first, second, third, n, best_of, gemini]) = body.fields(fields) else {
        return DEFAULT_OUTPUT_TOKENS;
    };
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<u64>().ok();
    let inner = gemini.and_then(|config| {
        top_level(config.raw, ["maxOutputTokens", "candidateCount"])
            .ok()
            .map(|found| found.map(|value| value.and_then(|value| number(value.raw))))
    });
    let [gemini_limit, gemini_count] = inner.unwrap_or_default();
    let plain =
        |value: Option<keyferry_protocol::json::Value<'_>>| value.and_then(|v| number(v.raw));
    let limit = [plain(first), plain(second), plain(third), gemini_limit]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(DEFAULT_OUTPUT_TOKENS);
    let answers = [plain(n), plain(best_of), gemini_count]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(1)
        .max(1);
    limit.saturating_mul(answers)
}

fn asks_for_stream(body: &WholeBody) -> bool {
    matches!(body.fields(["stream"]), Ok([Some(stream)]) if stream.as_bool() == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(path: &str, is_json: bool, body: &[u8]) -> Size {
        measure(path, is_json, &WholeBody::new(body.to_vec().into()))
    }

    fn output(body: &str) -> u64 {
        measured("/v1/chat/completions", true, body.as_bytes()).output
    }

    #[test]
    fn the_requests_own_limit_counts() {
        assert_eq!(output("{}"), DEFAULT_OUTPUT_TOKENS);
        assert_eq!(output(r#"{"max_tokens":100}"#), 100);
        assert_eq!(
            output(r#"{"max_tokens":100,"max_completion_tokens":300}"#),
            300
        );
        assert_eq!(output(r#"{"max_output_tokens":50,"n":4}"#), 200);
        assert_eq!(
            output(r#"{"max_tokens":null,"n":2}"#),
            2 * DEFAULT_OUTPUT_TOKENS
        );
        assert_eq!(
            output(r#"{"generationConfig":{"maxOutputTokens":10,"candidateCount":3}}"#),
            30
        );
        assert_eq!(output("not json"), DEFAULT_OUTPUT_TOKENS);
    }

    #[test]
    fn what_puts_nothing_out_reserves_no_output() {
        let size = measured("/v1/embeddings", true, br#"{"input":"hello"}"#);
        assert_eq!(size.output, 0);
        assert!(size.input > 0);
    }

    #[test]
    fn audio_is_measured_by_its_bytes() {
        let size = measured("/v1/audio/transcriptions", false, &[0; 4_000]);
        assert_eq!(size.audio_ms, 1_000);
        assert_eq!(size.input, AUDIO_TOKENS_PER_SECOND);
    }

    #[test]
    fn streams_are_told_from_body_or_path() {
        assert!(measured("/v1/chat/completions", true, br#"{"stream":true}"#).stream);
        assert!(!measured("/v1/chat/completions", true, br#"{"stream":false}"#).stream);
        assert!(measured("/v1beta/models/m:streamGenerateContent", true, b"{}").stream);
    }

    #[test]
    fn the_dearest_of_several_models_is_set_aside() {
        let prices =
            Prices::new(&toml::from_str("[a]\nrequest_usd = 0.1\n[b]\nrequest_usd = 0.2").unwrap())
                .unwrap();
        let quote = |model| {
            Quote::new(
                &prices,
                &Catalogue::builtin(),
                "openai",
                model,
                Size::default(),
            )
        };
        assert_eq!(quote("a").dearest(quote("b")).estimate(), Some(200_000));
        assert_eq!(quote("a").dearest(quote("unknown")).estimate(), None);
        assert_eq!(Quote::FREE.estimate(), Some(0));
    }
}
