//! What is sent, what comes back, and whether it came back unchanged.
//!
//! The stand-in finds what to answer from the `user` field of the body, which every gateway
//! passes on, and the generator knows every byte of the answer beforehand.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::stats::nanoseconds;

/// The person's key that each request carries. Shaped like the real thing; opens nothing.
pub(crate) const KEY: &str = concat!("sk-proj-", "benchBENCHbenchBENCHbenchBENCHbenchBENCHbench0");
pub(crate) const MODEL: &str = "gpt-4o-mini";
/// The page that a browser would name as the request's origin.
pub(crate) const PAGE: &str = "http://app.example";

const SMALL: &str = "bench-small";
const LARGE: &str = "bench-large";
const STREAM: &str = "bench-stream-";
const LARGE_BYTES: usize = 1024 * 1024;

/// Marks a time stamp inside an event.
const STAMP_MARK: &[u8] = b"@t";
const STAMP_DIGITS: usize = 20;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A short question and a short answer.
    Small,
    /// A question with an image of 1 MB, and a short answer.
    Large,
    /// `events` events, `gap` apart.
    Stream { events: u32, gap: Duration },
}

impl Ask {
    /// The request's body.
    pub(crate) fn body(self) -> Cow<'static, [u8]> {
        match self {
            Self::Small => Cow::Borrowed(&SMALL_BODY),
            Self::Large => Cow::Borrowed(&LARGE_BODY),
            Self::Stream { events, gap } => Cow::Owned(
                format!(
                    r#"{{"model":"{MODEL}","user":"{STREAM}{events}-{}","stream":true,"stream_options":{{"include_usage":true}},"messages":[{{"role":"user","content":"Count."}}]}}"#,
                    gap.as_micros()
                )
                .into_bytes(),
            ),
        }
    }

    /// What a body asks for, read from its first bytes.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        let start = body.get(..body.len().min(512))?;
        let at = memchr::memmem::find(start, b"bench-")?;
        let name = start.get(at..)?;
        let end = memchr::memchr(b'"', name)?;
        let name = std::str::from_utf8(name.get(..end)?).ok()?;
        match name {
            SMALL => Some(Self::Small),
            LARGE => Some(Self::Large),
            _ => {
                let (events, gap) = name.strip_prefix(STREAM)?.split_once('-')?;
                Some(Self::Stream {
                    events: events.parse().ok()?,
                    gap: Duration::from_micros(gap.parse().ok()?),
                })
            }
        }
    }
}

static SMALL_BODY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    format!(
        r#"{{"model":"{MODEL}","user":"{SMALL}","messages":[{{"role":"system","content":"You answer in one sentence."}},{{"role":"user","content":"Which of the two rivers that meet in this town is the longer one, and where does it rise?"}}],"temperature":0.2,"max_tokens":200}}"#
    )
    .into_bytes()
});

/// A question with a picture: base64 that no compressor shrinks to nothing.
static LARGE_BODY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut body = format!(
        r#"{{"model":"{MODEL}","user":"{LARGE}","messages":[{{"role":"user","content":[{{"type":"text","text":"What is this?"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,"#
    )
    .into_bytes();
    let end = br#""}}]}]}"#;
    let mut random = Random::new(7);
    while body.len() < LARGE_BYTES - end.len() {
        let index = usize::try_from(random.next() >> 58).unwrap_or_default();
        body.extend(ALPHABET.get(index));
    }
    body.extend_from_slice(end);
    body
});

/// The answer to a question that does not stream.
pub(crate) static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let text = "The longer of the two is the one that comes from the south, which rises on the \
                slopes of a mountain some two hundred kilometres away. "
        .repeat(3);
    format!(
        r#"{{"id":"chatcmpl-bench000000000000000000000","object":"chat.completion","created":1750000000,"model":"gpt-4o-mini-2024-07-18","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":37,"completion_tokens":81,"total_tokens":118,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0}}}},"service_tier":"default","system_fingerprint":"fp_bench"}}"#
    )
    .into_bytes()
});

const EVENT_HEAD: &[u8] = br#"data: {"id":"chatcmpl-bench000000000000000000000","object":"chat.completion.chunk","created":1750000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_bench","choices":[{"index":0,"delta":{"content":""#;
const EVENT_TAIL: &[u8] = b"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
/// What follows the last event with text in it, as OpenAI sends it when asked for usage.
pub(crate) const STREAM_END: &[u8] = concat!(
    r#"data: {"id":"chatcmpl-bench000000000000000000000","object":"chat.completion.chunk","created":1750000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_bench","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-bench000000000000000000000","object":"chat.completion.chunk","created":1750000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_bench","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":81,"total_tokens":90}}"#,
    "\n\n",
    "data: [DONE]\n\n"
)
.as_bytes();

/// One event of a stream, stamped with the moment of its making.
pub(crate) fn event() -> Vec<u8> {
    let mut event = Vec::with_capacity(EVENT_HEAD.len() + EVENT_TAIL.len() + 32);
    event.extend_from_slice(EVENT_HEAD);
    event.extend_from_slice(STAMP_MARK);
    event.extend_from_slice(format!("{:0width$}", now(), width = STAMP_DIGITS).as_bytes());
    event.extend_from_slice(EVENT_TAIL);
    event
}

/// Follows a stream as it arrives: how old each event was, and whether all is as it was sent.
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    received: Vec<u8>,
    scanned: usize,
    /// Nanoseconds from the making of each event to its arrival here, in order.
    pub(crate) ages: Vec<u64>,
}

impl StreamReader {
    /// Takes the next piece of the body, which has just arrived.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        let arrived = now();
        self.received.extend_from_slice(piece);
        while let Some(rest) = self.received.get(self.scanned..) {
            let Some(at) = memchr::memmem::find(rest, STAMP_MARK) else {
                break;
            };
            let start = at + STAMP_MARK.len();
            let Some(digits) = rest.get(start..start + STAMP_DIGITS) else {
                break;
            };
            let stamp: Option<u64> = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok());
            if let Some(stamp) = stamp {
                self.ages.push(arrived.saturating_sub(stamp));
            }
            self.scanned += start + STAMP_DIGITS;
        }
    }

    /// Whether exactly `events` events and the stream's end arrived, byte for byte.
    pub(crate) fn is_exact(&self, events: u32) -> bool {
        is_whole_stream(&self.received, events)
    }
}

/// Whether `received` is exactly `events` events and the stream's end, byte for byte.
pub(crate) fn is_whole_stream(received: &[u8], events: u32) -> bool {
    whole_events(received) == (events, STREAM_END)
}

/// Whether `received` is the beginning of a stream that has brought at least one whole event.
pub(crate) fn is_begun_stream(received: &[u8]) -> bool {
    let (events, rest) = whole_events(received);
    let head = rest.len().min(EVENT_HEAD.len());
    events > 0 && rest.get(..head) == EVENT_HEAD.get(..head)
}

/// How many whole events `received` begins with, and what follows them.
fn whole_events(received: &[u8]) -> (u32, &[u8]) {
    let mut rest = received;
    let mut events = 0;
    while let Some(after) = rest
        .strip_prefix(EVENT_HEAD)
        .and_then(|rest| rest.strip_prefix(STAMP_MARK))
        .and_then(|rest| rest.split_at_checked(STAMP_DIGITS))
        .filter(|(digits, _)| digits.iter().all(u8::is_ascii_digit))
        .and_then(|(_, rest)| rest.strip_prefix(EVENT_TAIL))
    {
        events += 1;
        rest = after;
    }
    (events, rest)
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this process began to measure, the same clock in all its threads.
pub(crate) fn now() -> u64 {
    nanoseconds(START.elapsed())
}

/// A small generator of numbers that are the same in every run (xorshift64*).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Evenly between 0 and 1, neither included.
    pub(crate) fn fraction(&mut self) -> f64 {
        (crate::stats::to_f64(self.next() >> 12) + 0.5) / crate::stats::to_f64(1 << 52)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_it_asks_for() {
        let stream = Ask::Stream {
            events: 20,
            gap: Duration::from_millis(10),
        };
        for ask in [Ask::Small, Ask::Large, stream] {
            assert_eq!(Ask::of(&ask.body()), Some(ask));
        }
        assert_eq!(Ask::Large.body().len(), LARGE_BYTES);
        assert_eq!(Ask::of(b"{}"), None);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_every_event_once_and_is_exact() {
        let whole = [event(), event(), event(), STREAM_END.to_vec()].concat();
        for cut in 0..whole.len() {
            let mut reader = StreamReader::default();
            let (first, second) = whole.split_at(cut);
            reader.take(first);
            reader.take(second);
            assert_eq!(reader.ages.len(), 3);
            assert!(reader.is_exact(3));
            assert!(!reader.is_exact(2));
        }
    }

    #[test]
    fn a_stream_that_goes_on_is_begun_once_it_has_an_event() {
        let two = [event(), event()].concat();
        let one = event().len();
        for cut in 0..two.len() {
            assert_eq!(is_begun_stream(&two[..cut]), cut >= one, "{cut}");
        }
        let mut changed = two;
        changed[one + 3] ^= 1;
        assert!(!is_begun_stream(&changed));
    }

    #[test]
    fn a_lost_or_changed_byte_is_noticed() {
        let whole = [event(), STREAM_END.to_vec()].concat();
        let done = b"data: [DONE]\n\n".len();
        let mut reader = StreamReader::default();
        reader.take(&whole[..whole.len() - done]);
        assert!(!reader.is_exact(1));
        let mut changed = whole;
        changed[10] ^= 1;
        let mut reader = StreamReader::default();
        reader.take(&changed);
        assert!(!reader.is_exact(1));
    }
}
