//! The model named by a request, found and replaced without re-serialising the body.

use crate::ErrorCode;
use crate::json::{self, JsonError, Kind};
use std::borrow::Cow;
use std::ops::Range;

/// Longest accepted model name in bytes.
pub const MAX_MODEL: usize = 256;

/// A body's `model` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelField<'a> {
    /// The name, escapes resolved.
    pub name: Cow<'a, str>,
    /// Where its value stands in the body, quotes included.
    pub span: Range<usize>,
}

/// Why no model could be read from a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// The body is not usable JSON.
    Json(JsonError),
    /// There is no `model`.
    Missing,
    /// `model` is not a string, is empty, longer than [`MAX_MODEL`] or holds control characters.
    BadModel,
}

impl FieldError {
    /// The relay's code for this.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Json(error) => error.code(),
            Self::Missing => ErrorCode::MissingModel,
            Self::BadModel => ErrorCode::BadField,
        }
    }
}

impl core::fmt::Display for FieldError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Json(error) => error.message(),
            Self::Missing => "the field 'model' is missing",
            Self::BadModel => "the field 'model' is not a usable name",
        })
    }
}

impl core::error::Error for FieldError {}

impl From<JsonError> for FieldError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// Whether a text can be a model's name.
#[must_use]
pub fn is_model_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_MODEL && !name.chars().any(char::is_control)
}

/// Finds the top-level `model` of a JSON body of any size, in one pass, without recursion.
///
/// # Errors
/// [`FieldError`]; two `model` fields, in whatever spelling, are an error.
pub fn find_model(body: &[u8]) -> Result<ModelField<'_>, FieldError> {
    let [model] = json::top_level(body, ["model"])?;
    model_of(model)
}

/// [`find_model`] for a body whose `model` has been found already.
///
/// # Errors
/// As [`find_model`].
pub fn model_of(model: Option<json::Value<'_>>) -> Result<ModelField<'_>, FieldError> {
    let model = model.ok_or(FieldError::Missing)?;
    if model.kind != Kind::String {
        return Err(FieldError::BadModel);
    }
    let name = model
        .as_str()
        .filter(|name| is_model_name(name))
        .ok_or(FieldError::BadModel)?;
    Ok(ModelField {
        name,
        span: model.span,
    })
}

/// The body with the bytes of `span` replaced.
#[must_use]
pub fn splice(body: &[u8], span: Range<usize>, replacement: &[u8]) -> Vec<u8> {
    let head = body.get(..span.start).unwrap_or(body);
    let tail = body.get(span.end..).unwrap_or_default();
    [head, replacement, tail].concat()
}

/// The body with another model name: only the bytes of that one value change.
#[must_use]
pub fn splice_model(body: &[u8], span: Range<usize>, name: &str) -> Vec<u8> {
    splice(body, span, json::quote(name).as_bytes())
}

/// The model and the method in a Gemini path (`/v1beta/models/<model>:<method>`), decoded as the
/// provider reads them; a tuned model's name keeps its collection (`tunedModels/x`).
#[must_use]
pub fn gemini_model(path: &str) -> Option<(String, String)> {
    let path = crate::path::decode(path)?;
    let mut segments = path.strip_prefix('/')?.split('/');
    let version = segments.next()?;
    if !version.starts_with('v') {
        return None;
    }
    let collection = segments.next()?;
    let last = segments.next()?;
    if segments.next().is_some() {
        return None;
    }
    let (model, method) = last.rsplit_once(':')?;
    match collection {
        "models" => Some((String::from(model), String::from(method))),
        "tunedModels" => Some((["tunedModels/", model].concat(), String::from(method))),
        _ => None,
    }
}
