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
use super::fields::{FIGURES, Field, Figure, Scope};
use crate::json::{Container, Event, JsonError, Sink, WholeTokens};
use crate::money::{PicoUsd, parse_scaled};

/// Containers below this depth are never of interest.
const DEPTH: usize = 8;
/// No key and no number of interest is longer, and of a longer number this much counts.
const LONGEST: usize = 32;

/// Whether the current event's `choices` has been seen, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Choices {
    #[default]
    Absent,
    Empty,
    Filled,
}

#[derive(Debug)]
pub(super) struct Extractor {
    /// What the innermost container is.
    scope: Scope,
    /// What those around it are, the outermost first.
    outer: [Scope; DEPTH + 1],
    depth: usize,
    /// What the field being read holds.
    field: Field,
    /// What comes in parts: of a key, a number, or a short string.
    parts: [u8; LONGEST],
    parts_len: usize,
    /// Gemini's `{modality, tokenCount}` items, in either order.
    modality_is_audio: bool,
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
            scope: Scope::Dead,
            outer: [Scope::Dead; DEPTH + 1],
            depth: 0,
            field: Field::Nothing,
            parts: [0; LONGEST],
            parts_len: 0,
            modality_is_audio: false,
            figures: [None; FIGURES],
            reported: false,
            output_bytes: 0,
            choices: Choices::Absent,
            event_reports: false,
        }
    }

    /// Begins the next JSON text of a stream; figures read so far stay.
    pub(super) fn next_text(&mut self) {
        self.scope = Scope::Dead;
        self.depth = 0;
        self.field = Field::Nothing;
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

    fn enter(&mut self, container: Container) {
        let inside = if self.depth == 0 {
            match container {
                Container::Object => Scope::Root,
                Container::Array => Scope::RootArray,
            }
        } else {
            self.scope.inside(self.field, container)
        };
        if inside == Scope::Choices {
            self.choices = Choices::Empty;
        }
        if self.scope == Scope::Choices {
            self.choices = Choices::Filled;
        }
        if matches!(inside, Scope::MetadataInput | Scope::MetadataOutput) {
            self.modality_is_audio = false;
            self.set(Figure::TokenCount, None);
        }
        if let Some(slot) = self.outer.get_mut(self.depth) {
            *slot = self.scope;
        }
        self.scope = if self.depth < DEPTH {
            inside
        } else {
            Scope::Dead
        };
        self.depth += 1;
        self.field = self.scope.element();
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        let around = self.outer.get(self.depth).copied().unwrap_or(Scope::Dead);
        let closed = core::mem::replace(&mut self.scope, around);
        self.field = around.element();
        if matches!(closed, Scope::Usage | Scope::Metadata) {
            self.reported = true;
            self.event_reports = true;
        }
        let is_item = closed == around;
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
    }

    /// Keeps as much of a part as is of interest. A key that is cut equals none.
    fn keep(&mut self, part: &[u8]) {
        let room = self.parts.get_mut(self.parts_len..).unwrap_or_default();
        let taken = part.len().min(room.len());
        if let (Some(slots), Some(bytes)) = (room.get_mut(..taken), part.get(..taken)) {
            slots.copy_from_slice(bytes);
        }
        self.parts_len += taken;
    }

    fn string_part(&mut self, part: &[u8]) {
        match self.field {
            Field::Text | Field::Piece => {
                self.output_bytes = self.output_bytes.saturating_add(part.len() as u64);
            }
            Field::Quoted(..) | Field::Modality => self.keep(part),
            _ => {}
        }
    }

    /// A string ends, of which this is kept.
    fn string_end(&mut self, raw: &[u8]) {
        match self.field {
            Field::Quoted(figure, scale) => self.number(figure, scale, raw),
            Field::Modality if raw == AUDIO => self.modality_is_audio = true,
            _ => {}
        }
    }

    fn scalar_end(&mut self, raw: &[u8]) {
        if self.scope == Scope::Choices {
            self.choices = Choices::Filled;
        }
        if let Field::Number(figure, scale) | Field::Quoted(figure, scale) = self.field {
            self.number(figure, scale, raw);
        }
    }

    fn number(&mut self, figure: Figure, scale: i32, raw: &[u8]) {
        let number = raw.get(..LONGEST).unwrap_or(raw);
        // `null` (OpenAI writes some) and nonsense leave the earlier figure.
        if let Some(value) = parse_scaled(number, scale) {
            self.set(figure, Some(value));
        }
    }
}

impl Sink for Extractor {
    #[inline]
    fn event(&mut self, _at: usize, event: Event<'_>) -> Result<(), JsonError> {
        match event {
            Event::Open(container) => self.enter(container),
            Event::Close(_) => self.leave(),
            Event::KeyStart | Event::StringStart | Event::ScalarStart => self.parts_len = 0,
            Event::KeyPart(part) | Event::ScalarPart(part) => self.keep(part),
            Event::KeyEnd => {
                self.field = self
                    .scope
                    .field(self.parts.get(..self.parts_len).unwrap_or_default())
            }
            Event::StringPart(part) => self.string_part(part),
            Event::StringEnd => {
                let parts = self.parts;
                self.string_end(parts.get(..self.parts_len).unwrap_or_default());
            }
            Event::ScalarEnd => {
                let parts = self.parts;
                self.scalar_end(parts.get(..self.parts_len).unwrap_or_default());
            }
        }
        Ok(())
    }
}

impl WholeTokens for Extractor {
    #[inline]
    fn open(&mut self, _at: usize, container: Container) -> Result<(), JsonError> {
        self.enter(container);
        Ok(())
    }

    #[inline]
    fn close(&mut self, _at: usize, _container: Container) -> Result<(), JsonError> {
        self.leave();
        Ok(())
    }

    #[inline]
    fn key(&mut self, _at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.field = self.scope.field(raw);
        Ok(())
    }

    #[inline]
    fn string(&mut self, _at: usize, raw: &[u8]) -> Result<(), JsonError> {
        match self.field {
            Field::Text | Field::Piece => {
                self.output_bytes = self.output_bytes.saturating_add(raw.len() as u64);
            }
            _ => self.string_end(raw),
        }
        Ok(())
    }

    #[inline]
    fn scalar(&mut self, _at: usize, raw: &[u8]) -> Result<(), JsonError> {
        self.scalar_end(raw);
        Ok(())
    }
}
