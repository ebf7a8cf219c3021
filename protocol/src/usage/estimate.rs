//! Estimates, for reservations and for streams that broke off. Rounded against whoever asks: an
//! estimate that is too low lets someone spend what a cap forbids.

use crate::json::{Event, JsonError, Reader, Sink, WholeTokens};
use crate::run::run_of;

/// Output tokens reserved when a request sets no limit of its own.
pub const DEFAULT_OUTPUT_TOKENS: u64 = 4096;
/// Input tokens counted for one embedded image, sound or file, whatever its size in bytes.
pub const MEDIA_TOKENS: u64 = 2000;

/// English runs at a good 4 bytes a token, code and other languages at about 3.
const BYTES_PER_TOKEN: u64 = 3;
/// A string longer than this without a space is data, not text.
const MEDIA_BYTES: u64 = 4096;
/// 32 kbit/s, the lowest rate at which speech is commonly sent.
const AUDIO_BYTES_PER_MILLISECOND: u64 = 4;

/// Tokens of a text of so many bytes.
#[must_use]
pub const fn text_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// Length of a sound file of so many bytes.
#[must_use]
pub const fn audio_milliseconds(bytes: u64) -> u64 {
    bytes.div_ceil(AUDIO_BYTES_PER_MILLISECOND)
}

/// Input tokens of a request: its JSON body's strings as text, embedded media at
/// [`MEDIA_TOKENS`] each. A body that is not JSON counts by its bytes.
#[must_use]
pub fn request_tokens(body: &[u8]) -> u64 {
    let mut counter = Counter::default();
    let mut reader = Reader::new();
    let read = reader
        .feed(body, &mut counter)
        .and_then(|()| reader.finish(&mut counter));
    match read {
        Ok(()) => counter.tokens(),
        Err(_) => text_tokens(body.len() as u64),
    }
}

/// Counts what a JSON text amounts to.
#[derive(Default)]
pub(super) struct Counter {
    /// Bytes of keys, texts and punctuation.
    text: u64,
    media: u64,
    string: u64,
    has_space: bool,
}

impl Counter {
    fn string_end(&mut self, length: u64, is_media: bool) {
        if is_media {
            self.media += 1;
        } else {
            self.text += length + 2;
        }
    }

    pub(super) fn tokens(&self) -> u64 {
        text_tokens(self.text).saturating_add(self.media * MEDIA_TOKENS)
    }
}

fn has_space(text: &[u8]) -> bool {
    run_of(text, |byte| byte != b' ') < text.len()
}

impl Sink for Counter {
    fn event(&mut self, _at: usize, event: Event<'_>) -> Result<(), JsonError> {
        match event {
            Event::Open(_) | Event::Close(_) => self.text += 1,
            Event::KeyPart(part) | Event::ScalarPart(part) => self.text += part.len() as u64,
            Event::StringStart => {
                self.string = 0;
                self.has_space = false;
            }
            Event::StringPart(part) => {
                self.string += part.len() as u64;
                self.has_space = self.has_space || has_space(part);
            }
            Event::StringEnd => {
                let is_media = self.string > MEDIA_BYTES && !self.has_space;
                self.string_end(self.string, is_media);
            }
            _ => {}
        }
        Ok(())
    }
}

impl WholeTokens for Counter {
    #[inline]
    fn key(&mut self, _at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.text += raw.len() as u64;
        Ok(())
    }

    #[inline]
    fn string(&mut self, _at: usize, raw: &[u8]) -> Result<(), JsonError> {
        let length = raw.len() as u64;
        self.string_end(length, length > MEDIA_BYTES && !has_space(raw));
        Ok(())
    }

    #[inline]
    fn scalar(&mut self, _at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.text += raw.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::tests::{EventsOnly, almost_json};
    use proptest::prelude::*;

    #[test]
    fn text_counts_by_bytes_and_media_by_piece() {
        let text = "word ".repeat(2000);
        let body = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#);
        let tokens = request_tokens(body.as_bytes());
        assert!((3333..3400).contains(&tokens), "{tokens}");

        let image = "QUJD".repeat(500_000);
        let body = format!(r#"{{"content":"hi","image":"data:image/png;base64,{image}"}}"#);
        let tokens = request_tokens(body.as_bytes());
        assert!(
            (MEDIA_TOKENS..MEDIA_TOKENS + 20).contains(&tokens),
            "{tokens}"
        );
    }

    proptest! {
        #[test]
        fn whole_tokens_count_as_the_events_they_stand_for(
            text in almost_json(), long in prop::collection::vec(0..9_000_usize, 0..3), space in any::<bool>()
        ) {
            let texts = long.iter().map(|length| {
                let text = "x".repeat(*length);
                format!("\"{text}{}\",", if space { " " } else { "" })
            });
            let text = [b"[", texts.collect::<String>().as_bytes(), &text, b"]"].concat();
            let mut whole = Counter::default();
            let end = Reader::new().feed(&text, &mut whole);
            let mut cut = EventsOnly(Counter::default());
            prop_assert_eq!(Reader::new().feed(&text, &mut cut), end);
            prop_assert_eq!(cut.0.tokens(), whole.tokens());
        }
    }

    #[test]
    fn what_is_not_json_counts_whole() {
        assert_eq!(request_tokens(b"not json"), 3);
        assert_eq!(request_tokens(b""), 0);
        assert_eq!(text_tokens(1), 1);
        assert_eq!(audio_milliseconds(4001), 1001);
    }
}
