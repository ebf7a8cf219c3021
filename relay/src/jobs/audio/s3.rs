//! The object store's HTTP, through the relay's own client: one TLS stack, no redirects followed.

use axum::body::Body;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};

use crate::upstream::{Upstream, UpstreamError};

/// Gives the object store its client.
#[derive(Clone, Debug)]
pub(super) struct OwnClient(pub(super) Upstream);

impl HttpConnector for OwnClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for OwnClient {
    // The trait's method as `async_trait` writes it.
    fn call<'s, 'f>(
        &'s self,
        request: HttpRequest,
    ) -> BoxFuture<'f, Result<HttpResponse, HttpError>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let failed = |error: UpstreamError| {
                let kind = match error {
                    UpstreamError::Connect => HttpErrorKind::Connect,
                    UpstreamError::Closed => HttpErrorKind::Interrupted,
                    UpstreamError::Timeout => HttpErrorKind::Timeout,
                };
                HttpError::new(kind, error)
            };
            let response = self.0.send(request.map(Body::new)).await.map_err(failed)?;
            let (head, body) = response.into_parts();
            let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
            Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
        })
    }
}
