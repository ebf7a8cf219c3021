//! What surrounds every request, outermost first:
//!
//! ```text
//! credentials out of the header map ─► Host ─► Origin / preflight ─► method, upgrade, Sec-Fetch
//!   ─► routes ─► X-BYOK-* and Server-Timing ─► hardening headers ─► CORS ─► access record
//! ```
//!
//! One service rather than a stack of layers: the order above is the security argument, and here
//! it can be read from top to bottom.

mod context;
mod cors;
mod credentials;
mod harden;
mod hosts;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use keyferry_protocol::ErrorCode;
use tower::{Layer, Service};

pub use context::{Context, Ctx, Ending, Outcome, Peer};
pub use cors::{Caller, Cors};
pub use credentials::Credentials;
pub use harden::is_api_path;
pub use hosts::{Hosts, Site};

use crate::error::ApiError;
use crate::observe::{Observed, Record};
use crate::routes;
use crate::state::Relay;

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Wraps the router in the edge rules.
#[derive(Clone)]
pub struct EdgeLayer {
    relay: Arc<Relay>,
}

impl EdgeLayer {
    /// The rules as `relay` is configured at each request's time.
    #[must_use]
    pub fn new(relay: Arc<Relay>) -> Self {
        Self { relay }
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge {
            inner,
            relay: Arc::clone(&self.relay),
        }
    }
}

/// [`EdgeLayer`]'s service.
#[derive(Clone)]
pub struct Edge<S> {
    inner: S,
    relay: Arc<Relay>,
}

impl<S> Service<Request> for Edge<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The clone stays; the instance that was polled ready takes the call.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let relay = Arc::clone(&self.relay);
        Box::pin(handle(relay, inner, request))
    }
}

async fn handle<S>(
    relay: Arc<Relay>,
    inner: S,
    mut request: Request,
) -> Result<Response, Infallible>
where
    S: Service<Request, Response = Response, Error = Infallible> + Send,
    S::Future: Send,
{
    let credentials = Credentials::take(request.headers_mut());
    let live = relay.live();
    let path = request.uri().path();
    let api = is_api_path(path);
    let version = request.version();
    let mut record = Record::begin(
        Arc::clone(relay.metrics()),
        relay.next_request_id(),
        request.method(),
        routes::template(path),
    );

    // Probes come under the address of a pod or container, and tell nothing worth rebinding for.
    let site = if harden::is_probe(path) {
        Ok(Site::Page)
    } else {
        live.hosts.site(&request)
    };
    let caller = site.and_then(|site| {
        live.cors
            .judge(request.headers(), &live.hosts)
            .map(|caller| (site, caller))
    });
    let mut outcome = None;
    let mut response = match caller {
        Err(error) => {
            let mut response = error.into_response();
            Caller::Direct.mark(response.headers_mut());
            response
        }
        Ok((_, caller)) if Cors::is_preflight(request.method(), request.headers()) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            caller.answer_preflight(request.headers(), response.headers_mut());
            response
        }
        Ok((site, caller)) => {
            let checked = credentials.and_then(|taken| admit(&request, api).map(|()| taken));
            let mut response = match checked {
                Err(error) => error.into_response(),
                Ok(credentials) => {
                    let context = Context::new(&record, credentials, site, &request, live);
                    let context = Arc::new(context);
                    request.extensions_mut().insert(Arc::clone(&context));
                    let response = guarded(inner, request).await;
                    outcome = context.outcome().cloned();
                    response
                }
            };
            caller.mark(response.headers_mut());
            response
        }
    };

    if let Some(outcome) = outcome {
        outcome.write_headers(response.headers_mut());
        record.outcome(outcome);
    }
    record.head(&mut response);
    harden::apply(api, response.headers_mut());
    if relay.is_draining() && version < Version::HTTP_2 {
        // The client's next request goes to another instance, not into a closing connection.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Body::new(Observed::new(body, record))))
}

/// Rules that hold on every route.
fn admit(request: &Request, api: bool) -> Result<(), ApiError> {
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return Err(ApiError::new(
            ErrorCode::MethodNotAllowed,
            "this method is not relayed",
        ));
    }
    let headers = request.headers();
    if headers.contains_key(header::UPGRADE) {
        return Err(ApiError::new(
            ErrorCode::UpgradeUnsupported,
            "WebSockets and other upgrades are not relayed",
        ));
    }
    // A page that navigates to, frames or embeds an API route could show or run its answer.
    if api
        && headers
            .get_all(SEC_FETCH_DEST)
            .iter()
            .any(|dest| dest != "empty")
    {
        return Err(ApiError::new(
            ErrorCode::NavigationDenied,
            "API routes answer fetch requests only",
        ));
    }
    Ok(())
}

/// Runs the routes; a panic in one becomes an answer, and its message, which could hold anything,
/// goes nowhere.
async fn guarded<S>(mut inner: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible> + Send,
    S::Future: Send,
{
    let failed =
        |_| ApiError::new(ErrorCode::Internal, "the relay failed on this request").into_response();
    let future = match catch_unwind(AssertUnwindSafe(|| inner.call(request))) {
        Ok(future) => future,
        Err(panic) => return failed(panic),
    };
    let mut future = pin!(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(response),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(failed(panic)),
        },
    )
    .await
}
