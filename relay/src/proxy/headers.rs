//! Which header fields cross the relay, in each direction.

use std::borrow::Cow;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use keyferry_protocol::Provider;
use keyferry_protocol::scrub::{Scrubber, Skim};

use crate::secret::Secret;
use crate::upstream::Keep;

/// Request fields that stay here: hop-by-hop (RFC 9110 §7.6.1), what the HTTP client writes
/// itself, what tells the provider about the app or the network in between.
fn is_kept_back(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "host"
            | "content-length"
            | "expect"
            | "accept-encoding"
            | "cookie"
            | "cookie2"
            | "origin"
            | "referer"
            | "forwarded"
            | "via"
            | "x-real-ip"
            | "true-client-ip"
            | "anthropic-dangerous-direct-browser-access"
            | "traceparent"
            | "tracestate"
            | "baggage"
            | "access-control-request-headers"
            // Would turn an allowed method into another one behind the allow-list.
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
    )
}

/// Families of request fields that stay here.
const KEPT_BACK_PREFIXES: [&str; 7] = [
    "x-byok-",
    "x-forwarded-",
    "sec-",
    "cf-",
    "fly-",
    "x-envoy-",
    "x-vercel-",
];

/// Response fields that reach the client. Of the families below, those that providers send most are
/// named too: what is found here need not be made.
const RELAYED: &[&str] = &[
    "accept-ranges",
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "openai-model",
    "openai-processing-ms",
    "openai-version",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-generation-id",
    "x-goog-upload-chunk-granularity",
    "x-goog-upload-control-url",
    "x-goog-upload-header-x-goog-hash",
    "x-goog-upload-size-received",
    "x-goog-upload-status",
    "x-goog-upload-url",
    "x-ratelimit-limit",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-request-id",
    "x-should-retry",
    "x-zdr",
];

/// Families of response fields that reach the client.
const RELAYED_PREFIXES: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];

/// [`RELAYED`], each at the place of its length: few are as long as each other, so that hardly any
/// has to be compared.
static RELAYED_BY_LENGTH: LazyLock<Vec<Vec<HeaderName>>> = LazyLock::new(|| {
    let longest = RELAYED.iter().map(|name| name.len()).max().unwrap_or(0);
    let of_length = |length| RELAYED.iter().filter(move |name| name.len() == length);
    (0..=longest)
        .map(|length| {
            of_length(length)
                .map(|name| HeaderName::from_static(name))
                .collect()
        })
        .collect()
});

/// The name of a response field that reaches the client, sent in letters of either case.
fn relayed(name: &str) -> Option<HeaderName> {
    // Most are sent in small letters, which are quickly compared.
    let is_it =
        |known: &&HeaderName| known.as_str() == name || known.as_str().eq_ignore_ascii_case(name);
    let as_long = RELAYED_BY_LENGTH.get(name.len());
    if let Some(known) = as_long.and_then(|as_long| as_long.iter().find(is_it)) {
        return Some(known.clone());
    }
    let is_of_family = RELAYED_PREFIXES.iter().any(|prefix| {
        let start = name.as_bytes().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    });
    is_of_family
        .then(|| HeaderName::from_bytes(name.as_bytes()).ok())
        .flatten()
}

/// The provider's request head: the client's fields less those kept back, the key in the
/// provider's own form, and the fields the provider insists on.
///
/// `None` when the key holds bytes that no header may carry.
pub(crate) fn outgoing(
    client: &HeaderMap,
    provider: &Provider,
    path: &str,
    key: &Secret,
) -> Option<HeaderMap> {
    let named_by_connection: Vec<&str> = client
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let mut headers = HeaderMap::with_capacity(client.len() + 4);
    for (name, value) in client {
        let text = name.as_str();
        let kept_back = is_kept_back(text)
            || starts_with_any(text, &KEPT_BACK_PREFIXES)
            || named_by_connection
                .iter()
                .any(|named| named.eq_ignore_ascii_case(text));
        if !kept_back {
            headers.append(name.clone(), value.clone());
        }
    }
    for (name, value) in provider.default_headers.iter() {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) && !headers.contains_key(&name)
        {
            headers.insert(name, value);
        }
    }
    // Answers must be readable here: errors are searched for the key, streams for their usage.
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    let auth = provider.auth_for(path);
    let name = HeaderName::from_bytes(auth.header().as_bytes()).ok()?;
    headers.insert(name, key.header_value(auth.prefix())?);
    Some(headers)
}

/// The provider's response fields that reach the client: those on the allow-list, less any that
/// holds a part of the key.
pub(crate) struct Relayed<'a> {
    /// What of the key is not public.
    secret: &'a [u8],
    skim: Skim,
}

impl<'a> Relayed<'a> {
    /// Looks for `secret`: a key without its public prefix.
    pub(crate) fn new(secret: &'a [u8]) -> Self {
        Self {
            secret,
            skim: Skim::new(secret),
        }
    }

    fn holds_key(&self, value: &[u8]) -> bool {
        self.skim.may_hold(value)
            && matches!(Scrubber::new(self.secret).scrub(value), Cow::Owned(_))
    }
}

impl Keep for Relayed<'_> {
    fn keep(&self, name: &str, value: &[u8]) -> Option<HeaderName> {
        relayed(name).filter(|_| !self.holds_key(value))
    }
}

/// Whether a field belongs to one of these families. Most differ in their first letter already.
fn starts_with_any(name: &str, prefixes: &[&str]) -> bool {
    let first = name.as_bytes().first();
    prefixes
        .iter()
        .any(|prefix| prefix.as_bytes().first() == first && name.starts_with(prefix))
}

/// True for `text/event-stream`, with or without parameters.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..17))
        .is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry_protocol::Catalogue;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn outgoing_keeps_back_what_is_not_the_providers() {
        let client = map(&[
            ("host", "relay.example"),
            ("cookie", "session=1"),
            ("connection", "keep-alive, X-Secret-Hop"),
            ("x-secret-hop", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://app.example"),
            ("referer", "https://app.example/chat"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("x-byok-fallback", "never"),
            ("accept-encoding", "gzip"),
            ("content-type", "application/json"),
            ("openai-beta", "assistants=v2"),
            ("idempotency-key", "abc"),
        ]);
        let catalogue = Catalogue::builtin();
        let provider = catalogue.get("openai").unwrap();
        let key = Secret::new(b"sk-canary".to_vec());
        let sent = outgoing(&client, provider, "/v1/models", &key).unwrap();
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept-encoding",
                "authorization",
                "content-type",
                "idempotency-key",
                "openai-beta"
            ]
        );
        assert!(sent["authorization"].is_sensitive());
        assert_eq!(sent["authorization"].as_bytes(), b"Bearer sk-canary");
        assert_eq!(sent["accept-encoding"], "identity");
    }

    #[test]
    fn required_fields_are_added_but_not_replaced() {
        let catalogue = Catalogue::builtin();
        let provider = catalogue.get("anthropic").unwrap();
        let key = Secret::new(b"sk-ant-canary".to_vec());
        let sent = outgoing(&HeaderMap::new(), provider, "/v1/messages", &key).unwrap();
        assert_eq!(sent["anthropic-version"], "2023-06-01");
        assert_eq!(sent["x-api-key"].as_bytes(), b"sk-ant-canary");
        let client = map(&[("anthropic-version", "2099-01-01")]);
        let sent = outgoing(&client, provider, "/v1/messages", &key).unwrap();
        assert_eq!(sent["anthropic-version"], "2099-01-01");
    }

    #[test]
    fn incoming_is_an_allow_list() {
        let provider = map(&[
            ("content-type", "application/json"),
            ("set-cookie", "__cf_bm=1"),
            ("location", "https://evil.example"),
            ("openai-organization", "acme"),
            ("access-control-allow-origin", "*"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-request-id", "req_1"),
            (
                "x-goog-upload-url",
                "https://provider.example/upload?key=canary-01234",
            ),
        ]);
        let relayed = Relayed::new(b"canary-0123456789");
        let mut names: Vec<HeaderName> = provider
            .iter()
            .filter_map(|(name, value)| relayed.keep(name.as_str(), value.as_bytes()))
            .collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        assert_eq!(
            names,
            [
                "content-type",
                "x-ratelimit-remaining-requests",
                "x-request-id"
            ]
        );
    }

    #[test]
    fn event_streams_are_recognised() {
        for (value, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("text/event", false),
            ("application/json", false),
        ] {
            assert_eq!(
                is_event_stream(&map(&[("content-type", value)])),
                expected,
                "{value}"
            );
        }
    }
}
