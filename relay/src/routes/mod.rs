//! The routes, each handing its work to the module that knows how.

mod admin;
mod body_key;
mod connect;
mod jobs;
mod key_test;
mod leases;
mod meta;
mod models;
mod native_body;
mod passthrough;
mod site;
mod small_json;
mod unified;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::Uri;
use keyferry_protocol::{ErrorCode, path};
use tower::{Layer as _, Service, ServiceExt as _};

use crate::edge::{Edge, EdgeLayer};
use crate::error::ApiError;
use crate::state::Relay;
use crate::usage;

/// The passthrough, as logs, metrics and /openapi.json name it.
const PASSTHROUGH: &str = "/providers/{id}/{*path}";

/// Every other route's template. A test holds it against the router and against /openapi.json.
const TEMPLATES: [&str; 20] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/audio/transcriptions",
    "/v1/models",
    "/v1/keys/test",
    "/v1/connect/openrouter",
    "/connect/openrouter",
    "/v1/leases",
    "/v1/leases/{id}",
    "/v1/jobs",
    "/v1/jobs/{id}",
    "/v1/jobs/{id}/events",
    "/v1/usage",
    "/v1/limits",
    "/.well-known/keyferry",
    "/openapi.json",
    "/healthz",
    "/readyz",
];

fn table() -> Vec<(&'static str, MethodRouter<Arc<Relay>>)> {
    let unified = || post(unified::handle).fallback(post_only);
    vec![
        ("/v1/chat/completions", unified()),
        ("/v1/completions", unified()),
        ("/v1/embeddings", unified()),
        ("/v1/responses", unified()),
        ("/v1/audio/transcriptions", unified()),
        ("/v1/models", get(models::handle).fallback(get_only)),
        ("/v1/keys/test", post(key_test::handle).fallback(post_only)),
        (
            "/v1/connect/openrouter",
            post(connect::handle).fallback(post_only),
        ),
        (
            "/connect/openrouter",
            get(connect::callback).fallback(get_only),
        ),
        ("/v1/leases", post(leases::create).fallback(post_only)),
        (
            "/v1/leases/{id}",
            get(leases::show)
                .delete(leases::clear)
                .fallback(get_delete_only),
        ),
        ("/v1/jobs", post(jobs::create).fallback(post_only)),
        (
            "/v1/jobs/{id}",
            get(jobs::show)
                .delete(jobs::cancel)
                .fallback(get_delete_only),
        ),
        ("/v1/jobs/{id}/events", get(jobs::events).fallback(get_only)),
        ("/v1/usage", get(usage::routes::usage).fallback(get_only)),
        ("/v1/limits", get(usage::routes::limits).fallback(get_only)),
        (
            "/.well-known/keyferry",
            get(meta::well_known).fallback(get_only),
        ),
        ("/openapi.json", get(meta::openapi).fallback(get_only)),
        ("/healthz", get(meta::healthz).fallback(get_only)),
        ("/readyz", get(meta::readyz).fallback(get_only)),
    ]
}

/// The whole application: every route inside the edge rules.
pub fn app(relay: Arc<Relay>) -> Edge<Routes> {
    EdgeLayer::new(Arc::clone(&relay)).layer(Routes::new(relay))
}

/// Every route, without the edge rules.
#[derive(Clone, Debug)]
pub struct Routes {
    relay: Arc<Relay>,
    router: Router,
}

impl Routes {
    fn new(relay: Arc<Relay>) -> Self {
        Self {
            router: router(Arc::clone(&relay)),
            relay,
        }
    }
}

impl Service<Request> for Routes {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        // A router always is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Most requests are these; the router's search and its boxes are spared them.
        if is_passthrough(request.uri().path()) {
            let relay = Arc::clone(&self.relay);
            return Box::pin(passthrough::answer(relay, request));
        }
        let router = self.router.clone();
        Box::pin(router.oneshot(request))
    }
}

fn router(relay: Arc<Relay>) -> Router {
    table()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
        .fallback(site::handle)
        .with_state(relay)
}

/// The templates of all routes but the page's files.
pub fn templates() -> impl Iterator<Item = &'static str> {
    TEMPLATES.into_iter().chain([PASSTHROUGH])
}

/// What the admin listener serves: metrics and probes.
pub fn admin(relay: Arc<Relay>) -> Router {
    Router::new()
        .route("/metrics", get(admin::metrics).fallback(get_only))
        .route("/healthz", get(meta::healthz).fallback(get_only))
        .route("/readyz", get(meta::readyz).fallback(get_only))
        .layer(axum::middleware::from_fn(admin::no_browsers))
        .with_state(relay)
}

/// The template of the route that `path` leads to, for logs and metrics: never the path itself,
/// which may hold what someone pasted.
pub(crate) fn template(path: &str) -> &'static str {
    // No other template begins so, and most requests do.
    if is_passthrough(path) {
        return PASSTHROUGH;
    }
    match TEMPLATES.into_iter().find(|template| fits(template, path)) {
        Some(template) => template,
        None if path.starts_with("/v1/") => "/v1",
        None => "/",
    }
}

/// Whether `path` leads to a provider: anything at all below `/providers/`.
fn is_passthrough(path: &str) -> bool {
    path.strip_prefix("/providers/")
        .is_some_and(|rest| !rest.is_empty())
}

/// Whether `path` has the form of `template`, in which `{name}` stands for one segment.
fn fits(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    template.split('/').all(|wanted| {
        segments.next().is_some_and(|segment| {
            segment == wanted || (wanted.starts_with('{') && !segment.is_empty())
        })
    }) && segments.next().is_none()
}

async fn post_only() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this route answers POST").allow("POST")
}

/// # Errors
/// `key_in_query`.
fn check_query(uri: &Uri) -> Result<(), ApiError> {
    if uri.query().is_some_and(path::query_has_key) {
        return Err(ApiError::new(
            ErrorCode::KeyInQuery,
            "the query holds a key; queries end up in logs, so send it in X-BYOK-Key",
        ));
    }
    Ok(())
}

async fn get_only() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this route answers GET").allow("GET, HEAD")
}

async fn get_delete_only() -> ApiError {
    ApiError::new(
        ErrorCode::MethodNotAllowed,
        "this route answers GET and DELETE",
    )
    .allow("GET, HEAD, DELETE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_router_has_a_template() {
        let routed: Vec<&str> = table().into_iter().map(|(path, _)| path).collect();
        assert_eq!(routed, TEMPLATES);
    }

    #[test]
    fn templates_are_found_by_form() {
        for (path, expected) in [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/v1/chat/completions/", "/v1"),
            ("/v1/sk-pasted", "/v1"),
            ("/providers/openai/v1/models", PASSTHROUGH),
            ("/healthz", "/healthz"),
            ("/sk-pasted", "/"),
        ] {
            assert_eq!(template(path), expected, "{path}");
        }
        assert!(fits("/v1/things/{id}/parts", "/v1/things/a/parts"));
        assert!(!fits("/v1/things/{id}", "/v1/things/"));
        assert!(!fits("/v1/things/{id}", "/v1/things/a/b"));
    }
}
