//! Headers that keep an API answer from ever being more than data in a browser.

use http::{HeaderMap, HeaderName, HeaderValue, header};

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// True for routes that only code calls: no browser has a reason to navigate to them.
#[must_use]
pub fn is_api_path(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/providers/")
}

/// True for what load balancers and orchestrators ask.
pub(super) fn is_probe(path: &str) -> bool {
    path == "/healthz" || path == "/readyz"
}

/// Adds the headers. Routes that serve files bring their own policy, which stays.
pub(super) fn apply(api: bool, headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    if api || !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
        );
    }
    if api || !headers.contains_key(CORP) {
        headers.insert(CORP, HeaderValue::from_static("same-origin"));
    }
    if api || !headers.contains_key(header::CACHE_CONTROL) {
        // Answers depend on a key that no cache sees: none may store them.
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store, no-transform"),
        );
    }
}
