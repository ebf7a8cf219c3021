//! Reads an answer's bytes as they pass, and takes out the one chunk that was asked for.

use super::Usage;
use super::extract::{Choices, Extractor};
use crate::json::Reader;
use crate::run::run_of;
use std::borrow::Cow;

/// How an answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON text: an object, or Gemini's array of objects.
    Json,
    /// Server-sent events, each with a JSON text as data.
    Sse,
}

impl Framing {
    /// The framing of a `content-type`; `None` when no usage can be read from it.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("text/event-stream") {
            Some(Self::Sse)
        } else if kind.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }
}

/// An event larger than this is not the usage chunk; it is no longer held back.
const MAX_HELD: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// At the first byte of a line.
    Start,
    /// So much of `data:` has matched.
    Name(usize),
    /// Directly behind `data:`, where one space is skipped.
    BeforeData,
    Data,
    /// Another field, or a comment.
    Other,
}

const DATA: &[u8] = b"data:";

/// Reads usage from an answer fed in chunks of any size.
#[derive(Debug)]
pub struct UsageReader {
    framing: Framing,
    /// Whether the usage chunk is taken out.
    remove: bool,
    extractor: Extractor,
    json: Reader,
    /// The current JSON text is not readable any more.
    broken: bool,
    line: Line,
    /// The last byte was a CR: a LF now belongs to it.
    after_cr: bool,
    /// Between an event's first line and its blank line.
    in_event: bool,
    /// The event's data has begun.
    has_data: bool,
    /// The current event stays whatever comes.
    stays: bool,
    /// The event that ended last was taken out.
    removed: bool,
    held: Vec<u8>,
}

impl UsageReader {
    /// Reads an answer of this framing. `remove_usage_chunk`: takes out the event that consists of
    /// nothing but usage (no choices); set it when [`super::ask_for_usage`] changed the request.
    #[must_use]
    pub const fn new(framing: Framing, remove_usage_chunk: bool) -> Self {
        Self {
            framing,
            remove: remove_usage_chunk,
            extractor: Extractor::new(),
            json: Reader::new(),
            broken: false,
            line: Line::Start,
            after_cr: false,
            in_event: false,
            has_data: false,
            stays: false,
            removed: false,
            held: Vec::new(),
        }
    }

    /// Reads a chunk; the answer is what to pass on now. It is the chunk itself unless an event
    /// is being held back or taken out.
    pub fn feed<'a>(&mut self, chunk: &'a [u8]) -> Cow<'a, [u8]> {
        match self.framing {
            Framing::Json => {
                self.feed_json(chunk);
                Cow::Borrowed(chunk)
            }
            Framing::Sse => self.feed_sse(chunk),
        }
    }

    /// Ends the answer: what was still held back.
    pub fn finish(&mut self) -> Vec<u8> {
        if !self.broken && self.json.finish(&mut self.extractor).is_err() {
            self.broken = true;
        }
        core::mem::take(&mut self.held)
    }

    /// What the provider has reported so far; `None` before it has reported anything.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.extractor.usage()
    }

    /// What to charge when the answer is over. `interrupted`: it ended before its end, whoever
    /// ended it. `input` is the estimate made of the request ([`super::request_tokens`]); it
    /// counts when the provider has not reported.
    #[must_use]
    pub fn settle(&self, interrupted: bool, input: u64) -> Usage {
        let put_out = super::text_tokens(self.output_bytes());
        match self.usage() {
            Some(reported) if !interrupted => reported,
            Some(reported) => Usage {
                output: reported.output.max(put_out),
                estimated: true,
                ..reported
            },
            None => Usage::estimate(input, put_out),
        }
    }

    /// Bytes of text the model has put out in a stream so far, for an estimate when the report
    /// never comes (see [`super::text_tokens`]).
    #[must_use]
    pub const fn output_bytes(&self) -> u64 {
        self.extractor.output_bytes
    }

    fn feed_json(&mut self, part: &[u8]) {
        if !self.broken && self.json.feed(part, &mut self.extractor).is_err() {
            self.broken = true;
        }
    }

    fn feed_sse<'a>(&mut self, chunk: &'a [u8]) -> Cow<'a, [u8]> {
        let mut output = Output::new(chunk, core::mem::take(&mut self.held));
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            if core::mem::take(&mut self.after_cr) && byte == b'\n' {
                at += 1;
                if self.removed {
                    output.settled = at;
                }
                continue;
            }
            self.removed = false;
            if matches!(byte, b'\n' | b'\r') {
                self.after_cr = byte == b'\r';
                let blank = self.line == Line::Start;
                if matches!(self.line, Line::Data | Line::BeforeData) {
                    // Lines of one event's data are joined by a line break.
                    self.feed_json(b"\n");
                }
                self.line = Line::Start;
                at += 1;
                if blank && self.in_event {
                    self.removed = self.event_end();
                    if self.removed {
                        output.drop_event(at)
                    } else {
                        output.keep_event()
                    }
                }
                continue;
            }
            match self.line {
                Line::Start => {
                    if byte != b':' && !self.in_event {
                        self.in_event = true;
                        output.event = at;
                    }
                    self.line = if byte == b'd' {
                        Line::Name(1)
                    } else {
                        Line::Other
                    };
                    at += 1;
                }
                Line::Name(matched) => {
                    self.line = if DATA.get(matched) != Some(&byte) {
                        Line::Other
                    } else if matched + 1 == DATA.len() {
                        Line::BeforeData
                    } else {
                        Line::Name(matched + 1)
                    };
                    at += 1;
                }
                Line::BeforeData => {
                    self.line = Line::Data;
                    if byte == b' ' {
                        at += 1;
                    }
                }
                Line::Data | Line::Other => {
                    let rest = chunk.get(at..).unwrap_or_default();
                    let end = run_of(rest, |byte| (byte != b'\n') & (byte != b'\r'));
                    if self.line == Line::Data {
                        self.has_data = true;
                        self.feed_json(rest.get(..end).unwrap_or_default());
                        self.stays |= self.broken || self.extractor.choices == Choices::Filled;
                    }
                    at += end;
                }
            }
        }
        let undecided = self.remove && self.in_event && !self.stays;
        let hold = undecided && output.pending() <= MAX_HELD;
        self.stays |= undecided && !hold;
        let (passed, held) = output.finish(hold);
        self.held = held;
        passed
    }

    /// Whether the event that ends here is to be taken out.
    fn event_end(&mut self) -> bool {
        let readable = !self.broken && self.json.finish(&mut self.extractor).is_ok();
        let only_usage = self.has_data
            && readable
            && self.extractor.choices == Choices::Empty
            && self.extractor.event_reports;
        self.extractor.next_text();
        self.json = Reader::new();
        self.broken = false;
        self.in_event = false;
        self.has_data = false;
        let stays = core::mem::take(&mut self.stays);
        self.remove && only_usage && !stays
    }
}

/// Puts together what to pass on of one chunk, copying only when it is not one piece.
struct Output<'a> {
    chunk: &'a [u8],
    /// Bytes of earlier chunks that belong to the event being read.
    held: Vec<u8>,
    built: Option<Vec<u8>>,
    /// Bytes of the chunk before this are in `built` or taken out.
    settled: usize,
    /// Where in the chunk the event being read begins.
    event: usize,
}

impl<'a> Output<'a> {
    const fn new(chunk: &'a [u8], held: Vec<u8>) -> Self {
        Self {
            chunk,
            held,
            built: None,
            settled: 0,
            event: 0,
        }
    }

    fn part(&self, from: usize, to: usize) -> &'a [u8] {
        self.chunk.get(from..to).unwrap_or_default()
    }

    /// The event stays: what was held of it goes first.
    fn keep_event(&mut self) {
        if !self.held.is_empty() {
            self.built.get_or_insert_default().append(&mut self.held);
        }
    }

    /// The event goes, with all its bytes up to `end`.
    fn drop_event(&mut self, end: usize) {
        let before = self.part(self.settled, self.event);
        self.built.get_or_insert_default().extend_from_slice(before);
        self.held.clear();
        self.settled = end;
    }

    /// Where the bytes of the unfinished event begin in the chunk.
    fn unfinished(&self) -> usize {
        self.event.max(self.settled)
    }

    /// Size of the unfinished event so far.
    fn pending(&self) -> usize {
        self.held.len() + (self.chunk.len() - self.unfinished())
    }

    /// What to pass on, and what to hold of the unfinished event.
    fn finish(mut self, hold: bool) -> (Cow<'a, [u8]>, Vec<u8>) {
        let end = if hold {
            self.unfinished()
        } else {
            self.chunk.len()
        };
        if !hold {
            self.keep_event();
        }
        let rest = self.part(self.settled, end);
        self.held
            .extend_from_slice(self.part(end, self.chunk.len()));
        let passed = match self.built {
            None => Cow::Borrowed(rest),
            Some(mut built) => {
                built.extend_from_slice(rest);
                Cow::Owned(built)
            }
        };
        (passed, self.held)
    }
}
