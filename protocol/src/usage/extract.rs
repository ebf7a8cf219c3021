//! Picks usage figures out of JSON, wherever they stand.
//!
//! The providers' shapes differ in their field names, so names alone tell them apart:
//!
//! | where | who |
//! | --- | --- |
//! | `usage`, `response.usage` | OpenAI and compatible, Responses, Anthropic, OpenRouter |
//! | `message.usage` | Anthropic `message_start` |
//! | `x_groq.usage` | Groq streams |
//! | `usageMetadata`, also in each item of an array | Gemini |
//! | `duration` | verbose transcriptions |

use super::Usage;
use crate::json::{Container, Event, JsonError, Sink};
use crate::money::{PicoUsd, parse_scaled};

/// What an open container is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Holds nothing of interest.
    Dead,
    RootArray,
    Root,
    /// `response`, `message`, `x_groq`
    Wrapper,
    Usage,
    InputDetails,
    OutputDetails,
    Metadata,
    MetadataInput,
    MetadataOutput,
    Choices,
    Choice,
    Delta,
    Candidates,
    Candidate,
    CandidateContent,
    Parts,
    Part,
}

/// Containers below this depth are never of interest.
const DEPTH: usize = 8;
/// No key of interest is longer.
const KEY: usize = 40;
/// No number of interest is longer.
const NUMBER: usize = 32;

/// Whether the current event's `choices` has been seen, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Choices {
    #[default]
    Absent,
    Empty,
    Filled,
}

/// A figure as providers report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Input,
    Output,
    Total,
    Cached,
    CacheWrite,
    AudioInput,
    AudioOutput,
    Reasoning,
    Milliseconds,
    Duration,
    Cost,
    /// Anthropic counts these two beside `input_tokens`, not within.
    BesideCached,
    BesideWrite,
    /// Gemini's parts of input and output.
    Prompt,
    ToolPrompt,
    Candidates,
    Thoughts,
    /// Of one modality in Gemini's details.
    TokenCount,
}

const FIGURES: usize = Figure::TokenCount as usize + 1;

/// Where figures stand: container, field, figure, and the power of ten it is kept in.
const FIELDS: [(Scope, &str, Figure, i32); 26] = [
    (Scope::Usage, "prompt_tokens", Figure::Input, 0),
    (Scope::Usage, "input_tokens", Figure::Input, 0),
    (Scope::Usage, "completion_tokens", Figure::Output, 0),
    (Scope::Usage, "output_tokens", Figure::Output, 0),
    (Scope::Usage, "total_tokens", Figure::Total, 0),
    (Scope::Usage, "prompt_cache_hit_tokens", Figure::Cached, 0),
    (
        Scope::Usage,
        "cache_read_input_tokens",
        Figure::BesideCached,
        0,
    ),
    (
        Scope::Usage,
        "cache_creation_input_tokens",
        Figure::BesideWrite,
        0,
    ),
    (Scope::Usage, "cost", Figure::Cost, 12),
    (Scope::Usage, "seconds", Figure::Milliseconds, 3),
    (
        Scope::Usage,
        "prompt_audio_seconds",
        Figure::Milliseconds,
        3,
    ),
    (Scope::InputDetails, "cached_tokens", Figure::Cached, 0),
    (
        Scope::InputDetails,
        "cache_write_tokens",
        Figure::CacheWrite,
        0,
    ),
    (Scope::InputDetails, "audio_tokens", Figure::AudioInput, 0),
    (Scope::OutputDetails, "audio_tokens", Figure::AudioOutput, 0),
    (
        Scope::OutputDetails,
        "reasoning_tokens",
        Figure::Reasoning,
        0,
    ),
    (Scope::Metadata, "promptTokenCount", Figure::Prompt, 0),
    (
        Scope::Metadata,
        "toolUsePromptTokenCount",
        Figure::ToolPrompt,
        0,
    ),
    (
        Scope::Metadata,
        "candidatesTokenCount",
        Figure::Candidates,
        0,
    ),
    (Scope::Metadata, "thoughtsTokenCount", Figure::Thoughts, 0),
    (
        Scope::Metadata,
        "cachedContentTokenCount",
        Figure::Cached,
        0,
    ),
    (Scope::MetadataInput, "tokenCount", Figure::TokenCount, 0),
    (Scope::MetadataOutput, "tokenCount", Figure::TokenCount, 0),
    (Scope::Root, "duration", Figure::Duration, 3),
    // Beta names of Gemini's Interactions API.
    (Scope::Usage, "total_input_tokens", Figure::Input, 0),
    (Scope::Usage, "total_output_tokens", Figure::Output, 0),
];

/// How containers lead into each other: from, field (empty: any), what opens, to.
const STEPS: [(Scope, &str, Container, Scope); 26] = [
    (Scope::RootArray, "", Container::Object, Scope::Root),
    (Scope::Root, "usage", Container::Object, Scope::Usage),
    (
        Scope::Root,
        "usageMetadata",
        Container::Object,
        Scope::Metadata,
    ),
    (Scope::Root, "response", Container::Object, Scope::Wrapper),
    (Scope::Root, "message", Container::Object, Scope::Wrapper),
    (Scope::Root, "x_groq", Container::Object, Scope::Wrapper),
    (Scope::Wrapper, "usage", Container::Object, Scope::Usage),
    (
        Scope::Wrapper,
        "usageMetadata",
        Container::Object,
        Scope::Metadata,
    ),
    (
        Scope::Usage,
        "prompt_tokens_details",
        Container::Object,
        Scope::InputDetails,
    ),
    (
        Scope::Usage,
        "input_tokens_details",
        Container::Object,
        Scope::InputDetails,
    ),
    (
        Scope::Usage,
        "input_token_details",
        Container::Object,
        Scope::InputDetails,
    ),
    (
        Scope::Usage,
        "completion_tokens_details",
        Container::Object,
        Scope::OutputDetails,
    ),
    (
        Scope::Usage,
        "output_tokens_details",
        Container::Object,
        Scope::OutputDetails,
    ),
    (
        Scope::Usage,
        "output_token_details",
        Container::Object,
        Scope::OutputDetails,
    ),
    (
        Scope::Metadata,
        "promptTokensDetails",
        Container::Array,
        Scope::MetadataInput,
    ),
    (
        Scope::Metadata,
        "candidatesTokensDetails",
        Container::Array,
        Scope::MetadataOutput,
    ),
    (
        Scope::MetadataInput,
        "",
        Container::Object,
        Scope::MetadataInput,
    ),
    (
        Scope::MetadataOutput,
        "",
        Container::Object,
        Scope::MetadataOutput,
    ),
    (Scope::Root, "choices", Container::Array, Scope::Choices),
    (Scope::Choices, "", Container::Object, Scope::Choice),
    (Scope::Root, "delta", Container::Object, Scope::Delta),
    (Scope::Choice, "delta", Container::Object, Scope::Delta),
    (
        Scope::Root,
        "candidates",
        Container::Array,
        Scope::Candidates,
    ),
    (Scope::Candidates, "", Container::Object, Scope::Candidate),
    (
        Scope::Candidate,
        "content",
        Container::Object,
        Scope::CandidateContent,
    ),
    (
        Scope::CandidateContent,
        "parts",
        Container::Array,
        Scope::Parts,
    ),
];

fn inner_scope(scope: Scope, key: &[u8], container: Container) -> Scope {
    match scope {
        Scope::Delta => return Scope::Delta,
        Scope::Parts => return Scope::Part,
        _ => {}
    }
    STEPS
        .iter()
        .find(|(from, field, opens, _)| {
            *from == scope && *opens == container && (field.is_empty() || field.as_bytes() == key)
        })
        .map_or(Scope::Dead, |step| step.3)
}

#[derive(Debug)]
pub(super) struct Extractor {
    scopes: [Scope; DEPTH],
    depth: usize,
    key: [u8; KEY],
    key_len: usize,
    number: [u8; NUMBER],
    number_len: usize,
    /// Gemini's `{modality, tokenCount}` items, in either order.
    modality_is_audio: bool,
    /// The value of `modality` is being read: how much of `AUDIO` has matched.
    modality: Option<usize>,
    counting: bool,
    /// A number written as a string is being read.
    quoted_number: bool,
    /// The latest report of each figure counts.
    figures: [Option<u64>; FIGURES],
    reported: bool,
    /// Bytes of text the model has put out, as far as they were seen.
    pub(super) output_bytes: u64,
    /// Of the current event.
    pub(super) choices: Choices,
    /// Whether the current event holds a usage object.
    pub(super) event_reports: bool,
}

const AUDIO: &[u8] = b"AUDIO";

impl Extractor {
    pub(super) const fn new() -> Self {
        Self {
            scopes: [Scope::Dead; DEPTH],
            depth: 0,
            key: [0; KEY],
            key_len: 0,
            number: [0; NUMBER],
            number_len: 0,
            modality_is_audio: false,
            modality: None,
            counting: false,
            quoted_number: false,
            figures: [None; FIGURES],
            reported: false,
            output_bytes: 0,
            choices: Choices::Absent,
            event_reports: false,
        }
    }

    /// Begins the next JSON text of a stream; figures read so far stay.
    pub(super) fn next_text(&mut self) {
        self.depth = 0;
        self.key_len = 0;
        self.modality = None;
        self.counting = false;
        self.choices = Choices::Absent;
        self.event_reports = false;
    }

    fn figure(&self, figure: Figure) -> Option<u64> {
        self.figures.get(figure as usize).copied().flatten()
    }

    fn set(&mut self, figure: Figure, value: Option<u64>) {
        if let Some(slot) = self.figures.get_mut(figure as usize) {
            *slot = value;
        }
    }

    /// The figures, once the provider has reported any.
    pub(super) fn usage(&self) -> Option<Usage> {
        let duration = self.figure(Figure::Duration);
        if !self.reported && duration.is_none() {
            return None;
        }
        let count = |figure| self.figure(figure).unwrap_or(0);
        let beside_cached = count(Figure::BesideCached);
        let beside_write = count(Figure::BesideWrite);
        let mut input = count(Figure::Input)
            .saturating_add(beside_cached)
            .saturating_add(beside_write);
        let mut output = count(Figure::Output);
        let milliseconds = self.figure(Figure::Milliseconds);
        if let (Some(total), Some(prompt)) =
            (self.figure(Figure::Total), self.figure(Figure::Input))
        {
            if milliseconds.is_some() {
                // Mistral counts the tokens of the audio only in the total.
                input = input.max(total.saturating_sub(output));
            } else {
                // Some count reasoning only in the total (xAI; Gemini's OpenAI face).
                output = output.max(total.saturating_sub(prompt));
            }
        }
        let mut reasoning = count(Figure::Reasoning);
        if let Some(prompt) = self.figure(Figure::Prompt) {
            input = prompt.saturating_add(count(Figure::ToolPrompt));
            reasoning = count(Figure::Thoughts);
            output = count(Figure::Candidates).saturating_add(reasoning);
        }
        Some(Usage {
            input,
            output,
            cached: count(Figure::Cached).max(beside_cached),
            cache_write: count(Figure::CacheWrite).max(beside_write),
            audio_input: count(Figure::AudioInput),
            audio_output: count(Figure::AudioOutput),
            reasoning,
            milliseconds: milliseconds.or(duration).unwrap_or(0),
            cost: self.figure(Figure::Cost).map(PicoUsd),
            estimated: false,
        })
    }

    fn scope(&self) -> Scope {
        match self.depth.checked_sub(1) {
            Some(index) => self.scopes.get(index).copied().unwrap_or(Scope::Dead),
            None => Scope::Dead,
        }
    }

    fn key(&self) -> &[u8] {
        self.key.get(..self.key_len).unwrap_or_default()
    }

    fn open(&mut self, container: Container) {
        let inside = if self.depth == 0 {
            match container {
                Container::Object => Scope::Root,
                Container::Array => Scope::RootArray,
            }
        } else {
            inner_scope(self.scope(), self.key(), container)
        };
        if inside == Scope::Choices {
            self.choices = Choices::Empty;
        }
        if self.scope() == Scope::Choices {
            self.choices = Choices::Filled;
        }
        if matches!(inside, Scope::MetadataInput | Scope::MetadataOutput) {
            self.modality_is_audio = false;
            self.set(Figure::TokenCount, None);
        }
        if let Some(slot) = self.scopes.get_mut(self.depth) {
            *slot = inside;
        }
        self.depth += 1;
        self.key_len = 0;
    }

    fn close(&mut self) {
        let closed = self.scope();
        if matches!(closed, Scope::Usage | Scope::Metadata) {
            self.reported = true;
            self.event_reports = true;
        }
        let is_item = self.depth >= 2 && self.scopes.get(self.depth - 2) == Some(&closed);
        if is_item && self.modality_is_audio {
            match closed {
                Scope::MetadataInput => {
                    self.set(Figure::AudioInput, self.figure(Figure::TokenCount));
                }
                Scope::MetadataOutput => {
                    self.set(Figure::AudioOutput, self.figure(Figure::TokenCount));
                }
                _ => {}
            }
        }
        self.depth = self.depth.saturating_sub(1);
        self.key_len = 0;
    }

    fn string_start(&mut self) {
        let scope = self.scope();
        let key = self.key.get(..self.key_len).unwrap_or_default();
        let in_details = matches!(scope, Scope::MetadataInput | Scope::MetadataOutput);
        self.modality = (in_details && key == b"modality").then_some(0);
        self.quoted_number = scope == Scope::Root && key == b"duration";
        self.counting = match scope {
            Scope::Delta => !matches!(key, b"role" | b"type" | b"id" | b"name" | b"stop_reason"),
            Scope::Choice | Scope::Part => key == b"text",
            Scope::Root => key == b"delta",
            _ => false,
        };
        self.number_len = 0;
    }

    fn number_part(&mut self, part: &[u8]) {
        append(&mut self.number, &mut self.number_len, part);
    }

    fn string_part(&mut self, part: &[u8]) {
        if self.quoted_number {
            self.number_part(part);
        }
        if self.counting {
            self.output_bytes = self.output_bytes.saturating_add(part.len() as u64);
        }
        if let Some(matched) = self.modality {
            let fits = AUDIO
                .get(matched..)
                .is_some_and(|rest| rest.starts_with(part));
            self.modality = fits.then_some(matched + part.len());
        }
    }

    fn string_end(&mut self) {
        self.counting = false;
        if self.modality.take() == Some(AUDIO.len()) {
            self.modality_is_audio = true;
        }
        if core::mem::take(&mut self.quoted_number) {
            self.scalar_end();
        }
    }

    fn scalar_end(&mut self) {
        let scope = self.scope();
        if scope == Scope::Dead {
            return;
        }
        let field = FIELDS
            .iter()
            .find(|(from, field, ..)| *from == scope && field.as_bytes() == self.key());
        let Some(&(_, _, figure, scale)) = field else {
            return;
        };
        let number = self
            .number
            .get(..self.number_len)
            .and_then(|raw| str::from_utf8(raw).ok());
        // `null` (OpenAI writes some) and nonsense leave the earlier figure.
        if let Some(value) = number.and_then(|number| parse_scaled(number, scale)) {
            self.set(figure, Some(value));
        }
    }
}

/// Adds what fits. A text that is cut is longer than any of interest, so it equals none: the
/// buffers are longer than all of them.
fn append(buffer: &mut [u8], length: &mut usize, part: &[u8]) {
    let room = buffer.get_mut(*length..).unwrap_or_default();
    let taken = part.len().min(room.len());
    if let (Some(slots), Some(bytes)) = (room.get_mut(..taken), part.get(..taken)) {
        slots.copy_from_slice(bytes);
    }
    *length += taken;
}

impl Sink for Extractor {
    #[inline]
    fn event(&mut self, _at: usize, event: Event<'_>) -> Result<(), JsonError> {
        match event {
            Event::Open(container) => self.open(container),
            Event::Close(_) => self.close(),
            Event::KeyStart => self.key_len = 0,
            Event::KeyPart(part) if self.scope() != Scope::Dead => {
                append(&mut self.key, &mut self.key_len, part);
            }
            Event::KeyPart(_) => {}
            Event::KeyEnd => {}
            Event::StringStart => self.string_start(),
            Event::StringPart(part) => self.string_part(part),
            Event::StringEnd => self.string_end(),
            Event::ScalarStart => self.number_len = 0,
            Event::ScalarPart(part) => self.number_part(part),
            Event::ScalarEnd => {
                if self.scope() == Scope::Choices {
                    self.choices = Choices::Filled;
                }
                self.scalar_end();
            }
        }
        Ok(())
    }
}
