//! Why a form is refused.

use crate::ErrorCode;

/// Why a form is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// The content type names no usable boundary.
    NoBoundary,
    /// The body does not have the form's grammar.
    Syntax,
    /// The body ends before the closing boundary.
    Truncated,
    /// A part's headers are too long.
    HeadersTooLong,
    /// A watched field occurs twice.
    Duplicate,
    /// A watched field is a file, is encoded, differs in letter case, or names itself in two ways:
    /// parsers disagree on such parts.
    Ambiguous,
    /// A watched field's value is longer than [`MAX_FIELD`](super::MAX_FIELD) or not UTF-8.
    BadValue,
}

impl FormError {
    /// The relay's code for this.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Duplicate | Self::Ambiguous => ErrorCode::DuplicateField,
            Self::BadValue => ErrorCode::BadField,
            _ => ErrorCode::BadForm,
        }
    }

    /// What is wrong, for the `detail` of an error.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoBoundary => "the form has no usable boundary",
            Self::Syntax => "not a valid multipart form",
            Self::Truncated => "the form ends too early",
            Self::HeadersTooLong => "a form part's headers are too long",
            Self::Duplicate => "a form field occurs more than once",
            Self::Ambiguous => "a form field is ambiguous",
            Self::BadValue => "a form field has a value that is not accepted",
        }
    }
}

impl core::fmt::Display for FormError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for FormError {}
