//! The one place that turns a refusal into HTTP: an RFC 9457 problem document that also carries
//! the `error` object provider SDKs read.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use keyferry_protocol::json::JsonError;
use keyferry_protocol::multipart::FormError;
use keyferry_protocol::routing::FieldError;
use keyferry_protocol::{ErrorCode, header as names};
use serde_json::json;

/// Tells OpenAI's and Anthropic's SDKs, and what is built on them, whether to retry by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Whether the same request may succeed a moment later, without anybody doing anything. A limit
/// passes too, but not before its `Retry-After`, and waiting for that is the app's choice.
fn may_pass(code: ErrorCode) -> bool {
    code.status() >= 500 || code == ErrorCode::RequestTimeout
}

/// Id of the provider an error is about, in a response's extensions.
#[derive(Clone, Debug)]
pub(crate) struct AboutProvider(pub(crate) String);

/// An error the relay itself makes. Its texts are ours: nothing a client or a provider sent is
/// ever repeated in them, except ids that were checked against the catalogue.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct ApiError {
    code: ErrorCode,
    detail: Cow<'static, str>,
    provider: Option<String>,
    limit: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// An error with `code`, explained by `detail` to the person who reads it.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            provider: None,
            limit: None,
            headers: Vec::new(),
        }
    }

    /// Names the provider it is about; `id` must be one of the catalogue's.
    #[must_use]
    pub fn provider(mut self, id: &str) -> Self {
        self.provider = Some(id.to_owned());
        self
    }

    /// Says when trying again can work, in whole seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Names the methods the route has (RFC 9110 §15.5.6).
    #[must_use]
    pub fn allow(self, methods: &'static str) -> Self {
        self.header(header::ALLOW, HeaderValue::from_static(methods))
    }

    /// Names the limit that was reached.
    #[must_use]
    pub fn limit(mut self, name: &'static str) -> Self {
        self.limit = Some(name);
        self
    }

    /// Adds a header field to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    fn document(&self) -> serde_json::Value {
        let code = self.code.as_str();
        let mut document = json!({
            "type": format!("urn:keyferry:error:{code}"),
            "title": self.code.title(),
            "status": self.code.status(),
            "detail": self.detail,
            "code": code,
            "error": { "message": self.detail, "type": self.code.kind(), "code": code },
        });
        if let (Some(provider), Some(fields)) = (&self.provider, document.as_object_mut()) {
            fields.insert("provider".to_owned(), json!(provider));
        }
        if let (Some(limit), Some(fields)) = (self.limit, document.as_object_mut()) {
            fields.insert("limit".to_owned(), json!(limit));
        }
        document
    }

    /// The event that ends a stream of server-sent events whose source failed. OpenAI's and
    /// Google's SDKs look for `error` in the data, Anthropic's for the event's name and `type`.
    #[must_use]
    pub fn sse_event(&self) -> String {
        let data = json!({
            "type": "error",
            "error": {
                "message": self.detail,
                "type": self.code.kind(),
                "code": self.code.as_str(),
            },
        });
        format!("event: error\ndata: {data}\n\n")
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        Self::new(error.code(), error.message())
    }
}

impl From<FormError> for ApiError {
    fn from(error: FormError) -> Self {
        Self::new(error.code(), error.message())
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.document().to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.extend(self.headers);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(
            HeaderName::from_static(names::ERROR),
            HeaderValue::from_static(self.code.as_str()),
        );
        if !may_pass(self.code) {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if matches!(
            self.code,
            ErrorCode::AuthRequired | ErrorCode::AuthExpired | ErrorCode::AuthInvalid
        ) {
            // RFC 9110 §11.6.1 and RFC 6750 §3.
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(match self.code {
                    ErrorCode::AuthRequired => "Bearer",
                    _ => "Bearer error=\"invalid_token\"",
                }),
            );
        }
        response.extensions_mut().insert(self.code);
        if let Some(provider) = self.provider {
            response.extensions_mut().insert(AboutProvider(provider));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_has_both_shapes() {
        let error = ApiError::new(ErrorCode::MissingKey, "no key").provider("openai");
        let document = error.document();
        assert_eq!(document["code"], "missing_key");
        assert_eq!(document["status"], 401);
        assert_eq!(document["provider"], "openai");
        assert_eq!(document["error"]["code"], "missing_key");
        assert_eq!(document["error"]["type"], "authentication_error");
        assert_eq!(document["error"]["message"], "no key");
    }

    #[test]
    fn sdks_are_told_not_to_retry_refusals_but_may_retry_faults() {
        let told = |code| {
            let response = ApiError::new(code, "no").into_response();
            response.headers().get(SHOULD_RETRY).cloned()
        };
        for refusal in [
            ErrorCode::MissingKey,
            ErrorCode::DailyCapReached,
            ErrorCode::RateLimited,
            ErrorCode::BadRequest,
        ] {
            assert_eq!(told(refusal).unwrap(), "false", "{refusal}");
        }
        for fault in [
            ErrorCode::RequestTimeout,
            ErrorCode::ProviderUnreachable,
            ErrorCode::Draining,
        ] {
            assert_eq!(told(fault), None, "{fault}");
        }
    }

    #[test]
    fn sse_event_is_one_event() {
        let event = ApiError::new(ErrorCode::StreamInterrupted, "gone").sse_event();
        assert!(event.starts_with("event: error\ndata: {"));
        assert!(event.ends_with("}\n\n"));
        assert_eq!(event.matches('\n').count(), 3);
    }
}
