//! The built page on the page's origin, the vault's frame on the vault's, each under its own
//! Content-Security-Policy.

use std::path::Path;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use keyferry_protocol::ErrorCode;
use serde_json::json;
use tower::ServiceExt as _;
use tower_http::services::ServeDir;

use super::meta;
use crate::edge::{Context, Ctx, Site};
use crate::error::ApiError;
use crate::origin::Origin;

/// Where the frame's document lies below the static folder.
const FRAME_FILE: &str = "/keyferry/frame.html";
/// Where the frame's script asks who may embed it.
const EMBEDDERS: &str = "/frame/embedders";

/// Serves a file, or says that there is nothing here.
pub(super) async fn handle(Ctx(context): Ctx, request: Request) -> Result<Response, ApiError> {
    let not_found = || ApiError::new(ErrorCode::NotFound, "there is nothing under this path");
    let Some(folder) = &context.live.config.server.static_dir else {
        return Err(not_found());
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(not_found());
    }
    let path = request.uri().path();
    let file = match context.site {
        Site::Page if path == "/frame" || path == FRAME_FILE => return Err(not_found()),
        Site::Page => None,
        Site::Vault if path == EMBEDDERS => return Ok(embedders(&context)),
        Site::Vault if path == "/frame" => Some(FRAME_FILE),
        Site::Vault if path.starts_with("/keyferry/") => None,
        Site::Vault => return Err(not_found()),
    };
    let mut response = serve(folder, request, file).await.ok_or_else(not_found)?;
    policy(&context, file.is_some(), response.headers_mut());
    Ok(response)
}

/// The origins whose pages may embed the frame. The browser holds them to `frame-ancestors`; the
/// frame's script also checks where its messages come from, for which it needs the same list.
fn embedders(context: &Context) -> Response {
    let listed = &context.live.config.vault.embedders;
    let listed: Vec<&str> = listed.iter().map(Origin::as_str).collect();
    meta::document(StatusCode::OK, &json!(listed))
}

/// Reads the file; `None` when there is none. [`ServeDir`] refuses paths that leave the folder.
async fn serve(folder: &Path, request: Request, file: Option<&'static str>) -> Option<Response> {
    let (mut parts, _) = request.into_parts();
    if let Some(file) = file {
        parts.uri = Uri::from_static(file);
    }
    let hashed = is_hashed(parts.uri.path());
    let response = ServeDir::new(folder)
        .precompressed_br()
        .precompressed_gzip()
        .oneshot(Request::from_parts(parts, Body::empty()))
        .await
        .ok()?;
    // A folder without trailing slash makes a redirect, which this site never needs.
    let usable = response.status().is_success()
        || matches!(
            response.status(),
            StatusCode::NOT_MODIFIED
                | StatusCode::RANGE_NOT_SATISFIABLE
                | StatusCode::PRECONDITION_FAILED
        );
    if !usable {
        return None;
    }
    let mut response = response.map(Body::new).into_response();
    let caching = if hashed {
        "public, max-age=31536000, immutable"
    } else {
        // Stored, but asked for again: a vault must not run last month's code.
        "no-cache"
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    Some(response)
}

/// True for names with a content hash, `app-0123456789abcdef.css`: the content never changes.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    stem.rsplit('-')
        .next()
        .is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn policy(context: &Context, frame: bool, headers: &mut http::HeaderMap) {
    let live = &context.live;
    let mut csp = String::from(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
         connect-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'",
    );
    match context.site {
        Site::Vault => {
            csp.push_str("; frame-ancestors");
            if live.config.vault.embedders.is_empty() {
                csp.push_str(" 'none'");
            }
            for embedder in &live.config.vault.embedders {
                csp.push(' ');
                csp.push_str(embedder.as_str());
            }
        }
        Site::Page => {
            csp.push_str("; frame-ancestors 'none'");
            if let Some(vault) = live.hosts.vault() {
                csp.push_str("; frame-src ");
                csp.push_str(vault.as_str());
            }
        }
    }
    let mut put = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    if !frame {
        // Popups stay reachable: a sign-in's window hands its code to the frame inside the page.
        put(
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin-allow-popups",
        );
    } else {
        // A process of its own, apart from an app on a sibling host or another port of this one.
        put(HeaderName::from_static("origin-agent-cluster"), "?1");
        // A page that isolates itself may still embed the frame.
        put(
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        );
    }
    if context.site == Site::Vault {
        // On the worker as well: a document that isolates itself starts no other (HTML, "run a
        // worker").
        put(
            HeaderName::from_static("cross-origin-embedder-policy"),
            "require-corp",
        );
    }
    put(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), payment=(), usb=()",
    );
    if let Ok(csp) = HeaderValue::from_str(&csp) {
        headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names() {
        for (path, expected) in [
            ("/www-0123456789abcdef.css", true),
            ("/assets/a-0123456789abcdef.min.js", true),
            ("/keyferry/index.js", false),
            ("/keyferry/worker-v1.js", false),
            ("/", false),
        ] {
            assert_eq!(is_hashed(path), expected, "{path}");
        }
    }
}
