//! The routes, each handing its work to the module that knows how.

mod admin;
mod meta;
mod passthrough;
mod site;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use keyferry_protocol::ErrorCode;

use crate::edge::EdgeLayer;
use crate::error::ApiError;
use crate::state::Relay;

/// The whole application: every route inside the edge rules. Tests drive it in-process.
pub fn app(relay: Arc<Relay>) -> Router {
    Router::new()
        .route("/providers/{*rest}", any(passthrough::handle))
        .route(
            "/.well-known/keyferry",
            get(meta::well_known).fallback(get_only),
        )
        .route("/healthz", get(meta::healthz).fallback(get_only))
        .route("/readyz", get(meta::readyz).fallback(get_only))
        .fallback(site::handle)
        .layer(EdgeLayer::new(Arc::clone(&relay)))
        .with_state(relay)
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
    match path {
        "/.well-known/keyferry" => "/.well-known/keyferry",
        "/healthz" => "/healthz",
        "/readyz" => "/readyz",
        _ if path.starts_with("/providers/") => "/providers/{id}/{*path}",
        _ if path.starts_with("/v1/") => "/v1",
        _ => "/",
    }
}

async fn get_only() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this route answers GET").allow("GET, HEAD")
}
