//! The issuer's keys over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};

use super::jwks::{FetchFuture, JwksSource};
use crate::metrics::Metrics;
use crate::upstream::{AnswerBody, Upstream};

/// Whole fetch. Requests that need an unknown key wait for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest document. Sets of certificates stay below 50 KiB.
const MAX_DOCUMENT: usize = 256 * 1024;

/// Fetches a key set with the client that calls providers: no redirects, compiled-in roots.
pub(super) struct HttpJwks {
    uri: Uri,
    upstream: Upstream,
    metrics: Arc<Metrics>,
}

impl HttpJwks {
    pub(super) fn new(uri: Uri, upstream: Upstream, metrics: Arc<Metrics>) -> Self {
        Self {
            uri,
            upstream,
            metrics,
        }
    }
}

impl JwksSource for HttpJwks {
    fn fetch(&self) -> FetchFuture {
        let (uri, upstream) = (self.uri.clone(), self.upstream.clone());
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let fetched = match tokio::time::timeout(TIMEOUT, get(&upstream, uri)).await {
                Ok(fetched) => fetched,
                Err(_) => Err("the issuer did not answer in time".to_owned()),
            };
            metrics.jwks_fetch(fetched.is_ok());
            fetched
        })
    }
}

async fn get(upstream: &Upstream, uri: Uri) -> Result<Bytes, String> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    request.headers_mut().insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json, application/jwk-set+json"),
    );
    let response: Response<AnswerBody> = upstream
        .send_within(request, TIMEOUT)
        .await
        .map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!(
            "the issuer answered with status {}",
            response.status().as_u16()
        ));
    }
    Limited::new(response.into_body(), MAX_DOCUMENT)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| "the issuer's answer broke off or is too large".to_owned())
}
