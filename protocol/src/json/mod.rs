//! JSON read without building a tree.
//!
//! One strict, incremental, non-recursive reader serves every need: finding top-level fields of a
//! request body ([`top_level()`]) and reading usage out of an answer as it streams by. It allocates
//! nothing of the body's size and keeps one bit per nesting level.

mod event;
mod reader;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod top_level;

pub(crate) use event::{Container, Event, Sink, WholeTokens};
pub(crate) use reader::Reader;
pub use text::{quote, unescape};
#[cfg(feature = "relay")]
pub use top_level::Members;
pub use top_level::{Kind, Value, top_level};

/// Deepest accepted nesting; what serde_json accepts too.
pub const MAX_DEPTH: usize = 128;

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON (RFC 8259), at this byte offset.
    Syntax(usize),
    /// Ends inside a value.
    Truncated,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Not UTF-8.
    NotUtf8,
    /// The outermost value is not an object.
    NotAnObject,
    /// A field asked for occurs twice, in any spelling (`"model"`), at this byte offset.
    DuplicateKey(usize),
    /// A field differs from one asked for only in letter case, which some parsers ignore.
    AmbiguousKey(usize),
    /// The field has another type than the one needed.
    WrongType(usize),
}

impl JsonError {
    /// What is wrong, for the `detail` of an error.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Syntax(_) => "not valid JSON",
            Self::Truncated => "JSON ends too early",
            Self::TooDeep => "JSON is nested too deeply",
            Self::NotUtf8 => "JSON is not UTF-8",
            Self::NotAnObject => "a JSON object is expected",
            Self::DuplicateKey(_) => "a field occurs more than once",
            Self::AmbiguousKey(_) => "a field name differs from a known one only in letter case",
            Self::WrongType(_) => "a field has the wrong type",
        }
    }

    /// The relay's code for this.
    #[must_use]
    pub const fn code(self) -> crate::ErrorCode {
        match self {
            Self::DuplicateKey(_) | Self::AmbiguousKey(_) => crate::ErrorCode::DuplicateField,
            Self::WrongType(_) => crate::ErrorCode::BadField,
            _ => crate::ErrorCode::BadJson,
        }
    }
}

impl core::fmt::Display for JsonError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for JsonError {}
