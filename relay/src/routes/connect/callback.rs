//! `GET /connect/openrouter`: where the sign-in comes back to. The page hands the code to the
//! window that opened it, if that is of this very origin, and closes itself.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("callback.html");

/// Runs and styles what stands in the page, byte for byte (CSP Level 3 §8), and loads nothing.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |element| {
        let text = inline(element).unwrap_or_default();
        STANDARD.encode(Sha256::digest(text))
    };
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style"),
    )
});

/// The text of the page's only such element.
fn inline(element: &str) -> Option<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("<{element}>"))?;
    Some(rest.split_once(&format!("</{element}>"))?.0)
}

pub(in crate::routes) async fn show() -> Response {
    let mut response = (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            // Isolated, it would lose the window that opened it.
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                "unsafe-none",
            ),
        ],
        PAGE,
    )
        .into_response();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_what_is_in_the_page() {
        assert!(inline("script").unwrap().contains("postMessage"));
        assert!(inline("style").unwrap().contains("color-scheme"));
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert_eq!(PAGE.matches("<style").count(), 1);
        assert!(!PAGE.contains("style=") && !PAGE.contains("onclick="));
    }
}
