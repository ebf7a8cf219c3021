//! Which fields of which containers hold figures, text, or containers that do.

use crate::json::Container;

/// What an open container is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
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

/// A figure as providers report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
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

pub(super) const FIGURES: usize = Figure::TokenCount as usize + 1;

/// What a field holds that is of interest, if its value has the type for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Nothing,
    Object(Scope),
    Array(Scope),
    /// A number, and the power of ten it is kept in.
    Number(Figure, i32),
    /// The same, perhaps written as a string.
    Quoted(Figure, i32),
    /// What the model has put out.
    Text,
    /// The same, or an object with it.
    Piece,
    /// Text that is not the model's.
    Label,
    /// Gemini's name of what is counted beside it.
    Modality,
}

type Rows = [(&'static str, Field)];

const ROOT: &Rows = &[
    ("usage", Field::Object(Scope::Usage)),
    ("usageMetadata", Field::Object(Scope::Metadata)),
    ("response", Field::Object(Scope::Wrapper)),
    ("message", Field::Object(Scope::Wrapper)),
    ("x_groq", Field::Object(Scope::Wrapper)),
    ("choices", Field::Array(Scope::Choices)),
    ("candidates", Field::Array(Scope::Candidates)),
    ("delta", Field::Piece),
    ("duration", Field::Quoted(Figure::Duration, 3)),
];

const WRAPPER: &Rows = &[
    ("usage", Field::Object(Scope::Usage)),
    ("usageMetadata", Field::Object(Scope::Metadata)),
];

const USAGE: &Rows = &[
    ("prompt_tokens", Field::Number(Figure::Input, 0)),
    ("input_tokens", Field::Number(Figure::Input, 0)),
    ("completion_tokens", Field::Number(Figure::Output, 0)),
    ("output_tokens", Field::Number(Figure::Output, 0)),
    ("total_tokens", Field::Number(Figure::Total, 0)),
    ("prompt_cache_hit_tokens", Field::Number(Figure::Cached, 0)),
    (
        "cache_read_input_tokens",
        Field::Number(Figure::BesideCached, 0),
    ),
    (
        "cache_creation_input_tokens",
        Field::Number(Figure::BesideWrite, 0),
    ),
    ("cost", Field::Number(Figure::Cost, 12)),
    ("seconds", Field::Number(Figure::Milliseconds, 3)),
    (
        "prompt_audio_seconds",
        Field::Number(Figure::Milliseconds, 3),
    ),
    // Beta names of Gemini's Interactions API.
    ("total_input_tokens", Field::Number(Figure::Input, 0)),
    ("total_output_tokens", Field::Number(Figure::Output, 0)),
    ("prompt_tokens_details", Field::Object(Scope::InputDetails)),
    ("input_tokens_details", Field::Object(Scope::InputDetails)),
    ("input_token_details", Field::Object(Scope::InputDetails)),
    (
        "completion_tokens_details",
        Field::Object(Scope::OutputDetails),
    ),
    ("output_tokens_details", Field::Object(Scope::OutputDetails)),
    ("output_token_details", Field::Object(Scope::OutputDetails)),
];

const INPUT_DETAILS: &Rows = &[
    ("cached_tokens", Field::Number(Figure::Cached, 0)),
    ("cache_write_tokens", Field::Number(Figure::CacheWrite, 0)),
    ("audio_tokens", Field::Number(Figure::AudioInput, 0)),
];

const OUTPUT_DETAILS: &Rows = &[
    ("audio_tokens", Field::Number(Figure::AudioOutput, 0)),
    ("reasoning_tokens", Field::Number(Figure::Reasoning, 0)),
];

const METADATA: &Rows = &[
    ("promptTokenCount", Field::Number(Figure::Prompt, 0)),
    (
        "toolUsePromptTokenCount",
        Field::Number(Figure::ToolPrompt, 0),
    ),
    ("candidatesTokenCount", Field::Number(Figure::Candidates, 0)),
    ("thoughtsTokenCount", Field::Number(Figure::Thoughts, 0)),
    ("cachedContentTokenCount", Field::Number(Figure::Cached, 0)),
    ("promptTokensDetails", Field::Array(Scope::MetadataInput)),
    (
        "candidatesTokensDetails",
        Field::Array(Scope::MetadataOutput),
    ),
];

const MODALITIES: &Rows = &[
    ("tokenCount", Field::Number(Figure::TokenCount, 0)),
    ("modality", Field::Modality),
];

const CHOICE: &Rows = &[
    ("delta", Field::Object(Scope::Delta)),
    ("text", Field::Text),
];

const DELTA: &Rows = &[
    ("role", Field::Label),
    ("type", Field::Label),
    ("id", Field::Label),
    ("name", Field::Label),
    ("stop_reason", Field::Label),
];

const CANDIDATE: &Rows = &[("content", Field::Object(Scope::CandidateContent))];
const CONTENT: &Rows = &[("parts", Field::Array(Scope::Parts))];
const PART: &Rows = &[("text", Field::Text)];

impl Scope {
    const fn rows(self) -> &'static Rows {
        match self {
            Self::Root => ROOT,
            Self::Wrapper => WRAPPER,
            Self::Usage => USAGE,
            Self::InputDetails => INPUT_DETAILS,
            Self::OutputDetails => OUTPUT_DETAILS,
            Self::Metadata => METADATA,
            Self::MetadataInput | Self::MetadataOutput => MODALITIES,
            Self::Choice => CHOICE,
            Self::Delta => DELTA,
            Self::Candidate => CANDIDATE,
            Self::CandidateContent => CONTENT,
            Self::Part => PART,
            Self::Dead | Self::RootArray | Self::Choices | Self::Candidates | Self::Parts => &[],
        }
    }

    /// What the field of this name holds.
    pub(super) fn field(self, key: &[u8]) -> Field {
        let found = self.rows().iter().find(|(name, _)| name.as_bytes() == key);
        match found {
            Some((_, field)) => *field,
            None => self.element(),
        }
    }

    /// What an element of an array holds, and a field of any other name.
    pub(super) const fn element(self) -> Field {
        match self {
            Self::Delta => Field::Text,
            _ => Field::Nothing,
        }
    }

    /// What a container is that opens in this one as the value of such a field.
    pub(super) fn inside(self, field: Field, opens: Container) -> Self {
        match (self, field, opens) {
            (Self::Delta, ..) => Self::Delta,
            (Self::Parts, ..) => Self::Part,
            (Self::RootArray, _, Container::Object) => Self::Root,
            (Self::Choices, _, Container::Object) => Self::Choice,
            (Self::Candidates, _, Container::Object) => Self::Candidate,
            (Self::MetadataInput | Self::MetadataOutput, _, Container::Object) => self,
            (_, Field::Object(scope), Container::Object)
            | (_, Field::Array(scope), Container::Array) => scope,
            (_, Field::Piece, Container::Object) => Self::Delta,
            _ => Self::Dead,
        }
    }
}
