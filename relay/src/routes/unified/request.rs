//! A unified request, read as far as routing needs it.

use std::borrow::Cow;
use std::ops::Range;

use axum::body::{Body, Bytes};
use http::{HeaderMap, HeaderValue, header};
use keyferry_protocol::catalogue::Unified;
use keyferry_protocol::multipart::{self, FormScanner};
use keyferry_protocol::routing::{ModelField, is_model_name, model_of, splice};
use keyferry_protocol::{ErrorCode, splice_model};

use crate::body::{WholeBody, is_json};
use crate::error::ApiError;
use crate::routes::body_key::{KEY_FIELDS, holds_key, key_in_body};
use crate::secret::Secret;
use crate::state::Live;

/// The form of a body, with the place of its `model`.
#[derive(Debug)]
enum Form {
    Json(Range<usize>),
    Multipart(Range<usize>),
}

/// A whole request body and the model it names.
#[derive(Debug)]
pub(super) struct Payload {
    whole: WholeBody,
    form: Form,
    model: String,
}

impl Payload {
    /// Reads the body of `route`.
    ///
    /// # Errors
    /// `unsupported_media_type`, the body's own faults, `missing_model`, `key_in_body`.
    pub(super) async fn read(
        live: &Live,
        route: Unified,
        headers: &HeaderMap,
        body: Body,
        key: Option<&Secret>,
    ) -> Result<Self, ApiError> {
        let boundary = check_type(route, headers)?;
        let limit = live.config.server.buffered_limit();
        let whole = WholeBody::receive(body, limit, live.config.timeouts.body_idle).await?;
        if key.is_some_and(|key| holds_key(whole.bytes(), key)) {
            return Err(key_in_body());
        }
        match boundary {
            None => Self::from_json(whole),
            Some(boundary) => Self::from_form(whole, &boundary),
        }
    }

    fn from_json(whole: WholeBody) -> Result<Self, ApiError> {
        let field = json_model(&whole)?;
        let (model, span) = (field.name.into_owned(), field.span);
        Ok(Self {
            form: Form::Json(span),
            model,
            whole,
        })
    }

    fn from_form(whole: WholeBody, boundary: &str) -> Result<Self, ApiError> {
        let mut scanner = FormScanner::new(boundary, &["model", "api_key"]);
        scanner
            .feed(whole.bytes())
            .and_then(|()| scanner.finish())?;
        if scanner.field("api_key").is_some() {
            return Err(key_in_body());
        }
        let field = scanner.field("model").ok_or_else(|| {
            ApiError::new(ErrorCode::MissingModel, "the form has no field 'model'")
        })?;
        if !is_model_name(&field.value) {
            return Err(ApiError::new(
                ErrorCode::BadField,
                "the field 'model' is not a usable name",
            ));
        }
        Ok(Self {
            form: Form::Multipart(field.span.clone()),
            model: field.value.clone(),
            whole,
        })
    }

    /// The model as the client named it.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The body as it arrived.
    pub(super) fn bytes(&self) -> &Bytes {
        self.whole.bytes()
    }

    /// The body as it was read.
    pub(super) fn whole(&self) -> &WholeBody {
        &self.whole
    }

    /// True for JSON, false for a form.
    pub(super) fn is_json(&self) -> bool {
        matches!(self.form, Form::Json(_))
    }

    /// The body under another model name, of which only the bytes of that one value change; `None`
    /// when that is its name already.
    pub(super) fn with_model(&self, name: &str) -> Option<WholeBody> {
        if name == self.model {
            return None;
        }
        let bytes = match &self.form {
            Form::Json(span) => splice_model(self.bytes(), span.clone(), name),
            Form::Multipart(span) => splice(self.bytes(), span.clone(), name.as_bytes()),
        };
        Some(WholeBody::new(bytes.into()))
    }
}

/// The model of a JSON body, which has no field for a key.
///
/// # Errors
/// `bad_json`, `duplicate_field`, `missing_model`, `bad_field`, `key_in_body`.
pub(in crate::routes) fn json_model(whole: &WholeBody) -> Result<ModelField<'_>, ApiError> {
    let [model] = whole.fields(["model"])?;
    let field = model_of(model)?;
    let keys = whole.fields(KEY_FIELDS)?;
    if keys.iter().flatten().any(|value| !value.is_null()) {
        return Err(key_in_body());
    }
    Ok(field)
}

/// Checks the content type; for a form it is its boundary that is returned.
///
/// Requiring `application/json` also keeps out the "simple" posts that a foreign page can make
/// without a preflight.
fn check_type(route: Unified, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let unsupported = |detail: &'static str| ApiError::new(ErrorCode::UnsupportedMediaType, detail);
    let identity = |value: &HeaderValue| value == "identity";
    if !headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(identity)
    {
        return Err(unsupported(
            "the body must not be compressed: its model has to be read",
        ));
    }
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let text = values
        .next()
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if values.next().is_some() {
        return Err(unsupported("Content-Type is repeated"));
    }
    if route == Unified::Transcriptions {
        return multipart::boundary(text)
            .map(Some)
            .ok_or_else(|| unsupported("this route takes multipart/form-data"));
    }
    if is_json(text) {
        Ok(None)
    } else {
        Err(unsupported("this route takes application/json"))
    }
}

/// The path of a provider's own endpoint for the route, the client's query kept.
pub(in crate::routes) fn target(
    path: &str,
    query: Option<&str>,
) -> Result<http::uri::PathAndQuery, ApiError> {
    let whole: Cow<'_, str> = match query {
        Some(query) => format!("{path}?{query}").into(),
        None => path.into(),
    };
    http::uri::PathAndQuery::try_from(whole.as_ref())
        .map_err(|_| ApiError::new(ErrorCode::BadPath, "path or query cannot be sent on"))
}
