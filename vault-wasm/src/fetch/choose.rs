//! Which provider a request is for, and which of its keys are tried in which order.

use keyferry_protocol::{
    Catalogue, ErrorCode,
    catalogue::Unified,
    multipart::{FormScanner, boundary},
    routing::find_model,
};

use super::{SendError, Transport};

/// Read at once of a form's body; forms can be large and the model stands near one of the ends.
const CHUNK: usize = 64 * 1024;
/// Longest JSON body that is searched for its model.
const MAX_JSON: usize = 64 * 1024 * 1024;

/// Why the provider of a unified request is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChooseError {
    /// The relay would refuse the request.
    Refused(ErrorCode),
    /// The body could not be read.
    Body(SendError),
}

impl From<ErrorCode> for ChooseError {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code)
    }
}

impl From<SendError> for ChooseError {
    fn from(error: SendError) -> Self {
        Self::Body(error)
    }
}

/// The provider a unified request is for: the one asked for, else the model's. `None` for a route
/// that works without.
pub(super) async fn provider_of<T: Transport>(
    catalogue: &Catalogue,
    route: Unified,
    requested: Option<&str>,
    content_type: Option<&str>,
    transport: &T,
    body: Option<&T::Body>,
) -> Result<Option<String>, ChooseError> {
    if route == Unified::Models {
        return Ok(requested.map(str::to_owned));
    }
    let model = model_of(route, content_type, transport, body).await?;
    if let Some(requested) = requested
        && catalogue.get(requested).is_none()
    {
        // An operator's own provider: the relay knows whether the model fits.
        return Ok(Some(requested.to_owned()));
    }
    match catalogue.route(&model, requested) {
        Ok(target) => Ok(Some(target.provider.id.clone().into_owned())),
        Err(error) => Err(error.code().into()),
    }
}

async fn model_of<T: Transport>(
    route: Unified,
    content_type: Option<&str>,
    transport: &T,
    body: Option<&T::Body>,
) -> Result<String, ChooseError> {
    let body = body.ok_or(ErrorCode::MissingModel)?;
    let len = transport.len(body);
    if route == Unified::Transcriptions {
        let boundary = content_type
            .and_then(boundary)
            .ok_or(ErrorCode::UnsupportedMediaType)?;
        let mut scanner = FormScanner::new(&boundary, &["model"]);
        let mut at = 0;
        while at < len && scanner.field("model").is_none() {
            let chunk = transport.read(body, at, (at + CHUNK).min(len)).await?;
            scanner.feed(&chunk).map_err(|_| ErrorCode::BadForm)?;
            at += CHUNK;
        }
        let field = scanner.field("model").ok_or(ErrorCode::MissingModel)?;
        return match field.value.trim() {
            "" => Err(ErrorCode::BadField.into()),
            model => Ok(model.to_owned()),
        };
    }
    if len > MAX_JSON {
        return Err(ErrorCode::BodyTooLarge.into());
    }
    let bytes = transport.read(body, 0, len).await?;
    let field = find_model(&bytes).map_err(|error| error.code())?;
    Ok(field.name.into_owned())
}
