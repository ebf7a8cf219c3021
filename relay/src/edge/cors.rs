//! Cross-origin rules: an exact list of app origins, nothing with credentials, refusals before any
//! work (Fetch standard, §3.2 "CORS protocol").

use http::{HeaderMap, HeaderValue, Method, header};
use keyferry_protocol::ErrorCode;

use super::hosts::Hosts;
use crate::error::ApiError;
use crate::origin::Origin;

/// Response headers that scripts of an allowed origin may read, beyond the safelisted ones. The
/// Fetch standard's `*` would do without credentials, but not every browser in use honours it.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "content-disposition, retry-after, retry-after-ms, server-timing, \
    x-byok-paid-by, x-byok-provider, x-byok-fallback-reason, x-byok-error, x-byok-request-id, \
    x-byok-price, \
    x-should-retry, request-id, x-request-id, openai-processing-ms, openai-version, openai-model, \
    x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, \
    x-ratelimit-limit-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-requests, \
    x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, x-ratelimit-reset-tokens, \
    ratelimit, ratelimit-policy, ratelimit-limit, ratelimit-remaining, ratelimit-reset, \
    anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining, \
    anthropic-ratelimit-requests-reset, anthropic-ratelimit-tokens-limit, \
    anthropic-ratelimit-tokens-remaining, anthropic-ratelimit-tokens-reset, \
    anthropic-ratelimit-input-tokens-limit, anthropic-ratelimit-input-tokens-remaining, \
    anthropic-ratelimit-input-tokens-reset, anthropic-ratelimit-output-tokens-limit, \
    anthropic-ratelimit-output-tokens-remaining, anthropic-ratelimit-output-tokens-reset, \
    x-goog-upload-url, x-goog-upload-status, x-goog-upload-chunk-granularity, \
    x-goog-upload-control-url, x-goog-upload-size-received, x-goog-upload-header-x-goog-hash",
);

/// How long a browser may keep a preflight's answer, in seconds: Chromium's own maximum.
const MAX_AGE: &str = "7200";

/// Methods a preflight is answered for.
const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// The allow-list.
#[derive(Debug)]
pub struct Cors {
    allowed: Vec<Origin>,
}

/// Where a request comes from, as far as its `Origin` tells.
#[derive(Debug)]
pub enum Caller {
    /// No `Origin`: not a browser's cross-origin or unsafe request.
    Direct,
    /// The relay's own page or vault.
    Own,
    /// An allowed app, its origin as it is to be echoed.
    App(HeaderValue),
}

impl Cors {
    /// From the configured origins.
    #[must_use]
    pub fn new(allowed: &[Origin]) -> Self {
        Self {
            allowed: allowed.to_vec(),
        }
    }

    /// Judges the request's `Origin`.
    ///
    /// # Errors
    /// `origin_denied` for any origin that is neither the relay's own nor on the list, for `null`
    /// and for a repeated header.
    pub fn judge(&self, headers: &HeaderMap, hosts: &Hosts) -> Result<Caller, ApiError> {
        let mut values = headers.get_all(header::ORIGIN).iter();
        let Some(value) = values.next() else {
            return Ok(Caller::Direct);
        };
        let origin = value.to_str().unwrap_or_default();
        if values.next().is_none() {
            if self
                .allowed
                .iter()
                .any(|allowed| allowed.as_str() == origin)
            {
                return Ok(Caller::App(value.clone()));
            }
            if hosts.is_own(origin) {
                return Ok(Caller::Own);
            }
        }
        Err(ApiError::new(
            ErrorCode::OriginDenied,
            "this page's origin may not use the relay; the operator lists it in server.allowed_origins",
        ))
    }

    /// True when the request is a preflight (Fetch standard §3.2.2).
    #[must_use]
    pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
        method == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }
}

impl Caller {
    /// Headers of a preflight's answer; the status is 204.
    pub fn answer_preflight(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        let method = asked
            .get(header::ACCESS_CONTROL_REQUEST_METHOD)
            .filter(|method| METHODS.iter().any(|known| known.as_str() == *method));
        if let Some(method) = method {
            answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        }
        // Mirrored: SDKs add headers with every release, and what is relayed is decided elsewhere.
        if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
            && names
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
        {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        answer.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static(MAX_AGE),
        );
        self.mark(answer);
        answer.insert(
            header::VARY,
            HeaderValue::from_static(
                "origin, access-control-request-method, access-control-request-headers",
            ),
        );
    }

    /// Headers of every other answer, errors included.
    pub fn mark(&self, answer: &mut HeaderMap) {
        answer.append(header::VARY, HeaderValue::from_static("origin"));
        if let Self::App(origin) = self {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
