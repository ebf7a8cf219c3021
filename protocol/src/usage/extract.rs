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

/// Figures as they were read; the latest report counts.
#[derive(Clone, Copy, Debug, Default)]
struct Raw {
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    cache_write: Option<u64>,
    audio_input: Option<u64>,
    audio_output: Option<u64>,
    reasoning: Option<u64>,
    milliseconds: Option<u64>,
    duration: Option<u64>,
    cost: Option<u64>,
    /// Anthropic counts these beside `input_tokens`, not within.
    beside_cached: Option<u64>,
    beside_write: Option<u64>,
    /// Gemini's parts of input and output.
    prompt: Option<u64>,
    tool_prompt: Option<u64>,
    candidates: Option<u64>,
    thoughts: Option<u64>,
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
    token_count: u64,
    /// The value of `modality` is being read: how much of `AUDIO` has matched.
    modality: Option<usize>,
    counting: bool,
    /// A number written as a string is being read.
    quoted_number: bool,
    raw: Raw,
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
            token_count: 0,
            modality: None,
            counting: false,
            quoted_number: false,
            raw: Raw {
                input: None,
                output: None,
                total: None,
                cached: None,
                cache_write: None,
                audio_input: None,
                audio_output: None,
                reasoning: None,
                milliseconds: None,
                duration: None,
                cost: None,
                beside_cached: None,
                beside_write: None,
                prompt: None,
                tool_prompt: None,
                candidates: None,
                thoughts: None,
            },
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

    /// The figures, once the provider has reported any.
    pub(super) fn usage(&self) -> Option<Usage> {
        let raw = &self.raw;
        if !self.reported && raw.duration.is_none() {
            return None;
        }
        let or_zero = |figure: Option<u64>| figure.unwrap_or(0);
        let (beside_cached, beside_write) = (or_zero(raw.beside_cached), or_zero(raw.beside_write));
        let mut input = or_zero(raw.input)
            .saturating_add(beside_cached)
            .saturating_add(beside_write);
        let mut output = or_zero(raw.output);
        if let (Some(total), Some(prompt)) = (raw.total, raw.input) {
            if raw.milliseconds.is_some() {
                // Mistral counts the tokens of the audio only in the total.
                input = input.max(total.saturating_sub(output));
            } else {
                // Some count reasoning only in the total (xAI; Gemini's OpenAI face).
                output = output.max(total.saturating_sub(prompt));
            }
        }
        let mut reasoning = or_zero(raw.reasoning);
        if let Some(prompt) = raw.prompt {
            input = prompt.saturating_add(or_zero(raw.tool_prompt));
            reasoning = or_zero(raw.thoughts);
            output = or_zero(raw.candidates).saturating_add(reasoning);
        }
        Some(Usage {
            input,
            output,
            cached: or_zero(raw.cached).max(beside_cached),
            cache_write: or_zero(raw.cache_write).max(beside_write),
            audio_input: or_zero(raw.audio_input),
            audio_output: or_zero(raw.audio_output),
            reasoning,
            milliseconds: or_zero(raw.milliseconds.or(raw.duration)),
            cost: raw.cost.map(PicoUsd),
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
            self.token_count = 0;
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
                Scope::MetadataInput => self.raw.audio_input = Some(self.token_count),
                Scope::MetadataOutput => self.raw.audio_output = Some(self.token_count),
                _ => {}
            }
        }
        self.depth = self.depth.saturating_sub(1);
        self.key_len = 0;
    }

    fn string_start(&mut self) {
        let scope = self.scope();
        let key_bytes = self.key;
        let key = key_bytes.get(..self.key_len).unwrap_or_default();
        self.counting = match scope {
            Scope::Delta => !matches!(key, b"role" | b"type" | b"id" | b"name" | b"stop_reason"),
            Scope::Choice | Scope::Part => key == b"text",
            Scope::Root => key == b"delta",
            _ => false,
        };
        let in_details = matches!(scope, Scope::MetadataInput | Scope::MetadataOutput);
        self.modality = (in_details && key == b"modality").then_some(0);
        self.quoted_number = scope == Scope::Root && key == b"duration";
        self.number_len = 0;
    }

    fn number_part(&mut self, part: &[u8]) {
        for &byte in part.iter().take(NUMBER - self.number_len) {
            if let Some(slot) = self.number.get_mut(self.number_len) {
                *slot = byte;
                self.number_len += 1;
            }
        }
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
        let number = self.number;
        let Some(text) = number
            .get(..self.number_len)
            .and_then(|raw| str::from_utf8(raw).ok())
        else {
            return;
        };
        let whole = parse_scaled(text, 0);
        let scope = self.scope();
        if matches!(scope, Scope::MetadataInput | Scope::MetadataOutput) {
            if self.key() == b"tokenCount" {
                self.token_count = whole.unwrap_or(0);
            }
            return;
        }
        let key_bytes = self.key;
        let key = key_bytes.get(..self.key_len).unwrap_or_default();
        let raw = &mut self.raw;
        let (slot, value) = match (scope, key) {
            (Scope::Usage, b"prompt_tokens" | b"input_tokens") => (&mut raw.input, whole),
            (Scope::Usage, b"completion_tokens" | b"output_tokens") => (&mut raw.output, whole),
            (Scope::Usage, b"total_tokens") => (&mut raw.total, whole),
            (Scope::Usage, b"prompt_cache_hit_tokens")
            | (Scope::InputDetails, b"cached_tokens") => (&mut raw.cached, whole),
            (Scope::Usage, b"cache_read_input_tokens") => (&mut raw.beside_cached, whole),
            (Scope::Usage, b"cache_creation_input_tokens") => (&mut raw.beside_write, whole),
            (Scope::Usage, b"cost") => (&mut raw.cost, parse_scaled(text, 12)),
            (Scope::Usage, b"seconds" | b"prompt_audio_seconds") => {
                (&mut raw.milliseconds, parse_scaled(text, 3))
            }
            (Scope::InputDetails, b"cache_write_tokens") => (&mut raw.cache_write, whole),
            (Scope::InputDetails, b"audio_tokens") => (&mut raw.audio_input, whole),
            (Scope::OutputDetails, b"audio_tokens") => (&mut raw.audio_output, whole),
            (Scope::OutputDetails, b"reasoning_tokens") => (&mut raw.reasoning, whole),
            (Scope::Metadata, b"promptTokenCount") => (&mut raw.prompt, whole),
            (Scope::Metadata, b"toolUsePromptTokenCount") => (&mut raw.tool_prompt, whole),
            (Scope::Metadata, b"candidatesTokenCount") => (&mut raw.candidates, whole),
            (Scope::Metadata, b"thoughtsTokenCount") => (&mut raw.thoughts, whole),
            (Scope::Metadata, b"cachedContentTokenCount") => (&mut raw.cached, whole),
            (Scope::Root, b"duration") => (&mut raw.duration, parse_scaled(text, 3)),
            _ => return,
        };
        // `null` (OpenAI writes some) and nonsense leave the earlier figure.
        *slot = value.or(*slot);
    }
}

fn inner_scope(scope: Scope, key: &[u8], container: Container) -> Scope {
    let object = container == Container::Object;
    match (scope, key) {
        (Scope::RootArray, _) if object => Scope::Root,
        (Scope::Root | Scope::Wrapper, b"usage") if object => Scope::Usage,
        (Scope::Root | Scope::Wrapper, b"usageMetadata") if object => Scope::Metadata,
        (Scope::Root, b"response" | b"message" | b"x_groq") if object => Scope::Wrapper,
        (Scope::Root, b"choices") if !object => Scope::Choices,
        (Scope::Root, b"candidates") if !object => Scope::Candidates,
        (Scope::Root | Scope::Choice, b"delta") if object => Scope::Delta,
        (Scope::Delta, _) => Scope::Delta,
        (
            Scope::Usage,
            b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details",
        ) if object => Scope::InputDetails,
        (
            Scope::Usage,
            b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details",
        ) if object => Scope::OutputDetails,
        (Scope::Metadata, b"promptTokensDetails") if !object => Scope::MetadataInput,
        (Scope::Metadata, b"candidatesTokensDetails") if !object => Scope::MetadataOutput,
        (Scope::MetadataInput, _) if object => Scope::MetadataInput,
        (Scope::MetadataOutput, _) if object => Scope::MetadataOutput,
        (Scope::Choices, _) if object => Scope::Choice,
        (Scope::Candidates, _) if object => Scope::Candidate,
        (Scope::Candidate, b"content") if object => Scope::CandidateContent,
        (Scope::CandidateContent, b"parts") if !object => Scope::Parts,
        (Scope::Parts, _) if object => Scope::Part,
        _ => Scope::Dead,
    }
}

impl Sink for Extractor {
    fn event(&mut self, _at: usize, event: Event<'_>) -> Result<(), JsonError> {
        match event {
            Event::Open(container) => self.open(container),
            Event::Close(_) => self.close(),
            Event::KeyStart => self.key_len = 0,
            Event::KeyPart(part) => {
                // A key too long to be of interest is cut, and then equals none.
                for &byte in part.iter().take(KEY - self.key_len) {
                    if let Some(slot) = self.key.get_mut(self.key_len) {
                        *slot = byte;
                        self.key_len += 1;
                    }
                }
            }
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
