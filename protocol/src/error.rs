//! The closed list of errors the relay makes, with one HTTP status and title each.
//!
//! The vault uses the same list for the refusals it answers itself, and to tell a relay's error
//! from a provider's. Statuses avoid 409 where a retry would be wrong: provider SDKs retry it.
//!
//! Codes marked `in "relay"` are made and read by the relay alone, and no part of the vault's module.

use core::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $code:literal $status:literal $title:literal $(in $half:literal)?;)*) => {
        /// A stable error code. See the module for what it is used for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $(#[cfg(feature = $half)])? $variant,)* }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$($(#[cfg(feature = $half)])? Self::$variant,)*];

            /// The code as it travels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(#[cfg(feature = $half)])? Self::$variant => $code,)* }
            }

            /// HTTP status of an answer with this code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $($(#[cfg(feature = $half)])? Self::$variant => $status,)* }
            }

            /// Short title: the `title` of a problem document (RFC 9457 §3.1.3).
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $($(#[cfg(feature = $half)])? Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// No key fits the request and the server pays for none.
    MissingKey "missing_key" 401 "No API key for this provider";
    /// The key header is empty, too long or holds bytes no key has.
    BadKeyHeader "bad_key_header" 400 "The key header is not usable" in "relay";
    /// The key header occurs more than once, or a key and a lease were sent together.
    DuplicateKeyHeader "duplicate_key_header" 400 "More than one key was sent" in "relay";
    /// A credential was found in the query.
    KeyInQuery "key_in_query" 400 "Keys are not accepted in the query" in "relay";
    /// A credential was found in the body.
    KeyInBody "key_in_body" 400 "Keys are not accepted in the body" in "relay";
    /// A header of the relay's own has a value it does not know.
    BadHeader "bad_header" 400 "A request header has an unknown value";
    /// The request is malformed in a way no other code names.
    BadRequest "bad_request" 400 "The request is malformed" in "relay";
    /// The body is not the JSON the route takes.
    BadJson "bad_json" 400 "The body is not valid JSON";
    /// A form body is not the form the route takes.
    BadForm "bad_form" 400 "The body is not a valid form";
    /// A field that decides routing, payment or limits occurs twice.
    DuplicateField "duplicate_field" 400 "A field occurs more than once";
    /// A field has a value or type that is not accepted.
    BadField "bad_field" 400 "A field has a value that is not accepted";
    /// The route needs `model` and it is absent.
    MissingModel "missing_model" 400 "The request names no model";
    /// The provider asked for contradicts the model's prefix or the path.
    ProviderMismatch "provider_mismatch" 400 "Provider and model do not belong together";
    /// The catalogue has no such provider.
    UnknownProvider "unknown_provider" 404 "Unknown provider";
    /// The endpoint mints credentials or administers accounts.
    EndpointDenied "endpoint_denied" 403 "This endpoint is not relayed";
    /// The provider lacks this endpoint, or it is not on the allow-list.
    EndpointUnsupported "endpoint_unsupported" 400 "The provider has no such endpoint here";
    /// The path is ambiguous: dot segments, encoded slashes and their like.
    BadPath "bad_path" 400 "The request path is not accepted";
    /// No such route.
    NotFound "not_found" 404 "Not found" in "relay";
    /// The route exists, the method does not.
    MethodNotAllowed "method_not_allowed" 405 "Method not allowed" in "relay";
    /// The content type is not one the route takes.
    UnsupportedMediaType "unsupported_media_type" 415 "Unsupported content type";
    /// Protocol upgrades (WebSockets among them) are not relayed.
    UpgradeUnsupported "upgrade_unsupported" 400 "Protocol upgrades are not supported" in "relay";
    /// The body exceeds the limit.
    BodyTooLarge "body_too_large" 413 "The body is too large";
    /// The header section exceeds the limit.
    HeadersTooLarge "headers_too_large" 431 "The headers are too large" in "relay";
    /// The client sent its request too slowly.
    RequestTimeout "request_timeout" 408 "The request took too long to arrive" in "relay";
    /// The page's origin is not allowed.
    OriginDenied "origin_denied" 403 "This origin is not allowed" in "relay";
    /// The `Host` is none of the configured public origins.
    HostDenied "host_denied" 421 "This host is not served here" in "relay";
    /// A navigation or an embed reached an API route (`Sec-Fetch-Dest`).
    NavigationDenied "navigation_denied" 403 "API routes cannot be navigated to or embedded" in "relay";
    /// The caller must present an app token.
    AuthRequired "auth_required" 401 "An app token is required" in "relay";
    /// The app token has expired; a fresh one may work.
    AuthExpired "auth_expired" 401 "The app token has expired";
    /// The app token is not valid.
    AuthInvalid "auth_invalid" 401 "The app token is not valid" in "relay";
    /// The caller's plan does not include the model.
    ModelNotInPlan "model_not_in_plan" 403 "The plan does not include this model" in "relay";
    /// The sealed key's time is outside the window; fetch `now` and retry.
    ClockSkew "clock_skew" 400 "The sealed key is too old or from the future";
    /// The sealed key names a sealing key the relay does not hold; refetch and retry.
    UnknownKid "unknown_kid" 400 "The sealing key is unknown";
    /// The sealed key was seen before.
    Replayed "replayed" 400 "The sealed key was used before" in "relay";
    /// The relay takes sealed keys only.
    SealedRequired "sealed_required" 400 "Keys must be sealed for this relay";
    /// The sealed key is malformed or was made for another request.
    BadSeal "bad_seal" 400 "The sealed key cannot be opened";
    /// The lease does not exist or the handle does not prove it.
    LeaseNotFound "lease_not_found" 404 "No such lease" in "relay";
    /// The lease has expired.
    LeaseExpired "lease_expired" 401 "The lease has expired" in "relay";
    /// The lease does not cover this provider or model.
    LeaseScope "lease_scope" 403 "The lease does not cover this request" in "relay";
    /// The lease's budget is spent.
    LeaseSpent "lease_spent" 402 "The lease's budget is spent" in "relay";
    /// The job does not exist or the handle does not prove it.
    JobNotFound "job_not_found" 404 "No such job" in "relay";
    /// The job was cancelled.
    JobCancelled "job_cancelled" 400 "The job was cancelled" in "relay";
    /// An uploaded file is empty, or none of the forms that transcription takes.
    UnsupportedAudio "unsupported_audio" 400 "The file is not audio that can be transcribed" in "relay";
    /// The audio of a job is not in its store any more (in a job's error only).
    AudioMissing "audio_missing" 410 "The audio is gone" in "relay";
    /// Nobody brought the job to its end (in a job's error only).
    JobInterrupted "job_interrupted" 500 "The job was interrupted" in "relay";
    /// The provider refused a job's call (in a job's error only).
    ProviderRefused "provider_refused" 502 "The provider refused the request" in "relay";
    /// A request, token or concurrency limit was reached.
    RateLimited "rate_limited" 429 "Too many requests" in "relay";
    /// The request does not fit in what is left of the day's budget.
    DailyCapReached "daily_cap_reached" 402 "The daily spending cap is reached";
    /// The provider could not be reached.
    ProviderUnreachable "provider_unreachable" 502 "The provider could not be reached";
    /// The provider did not answer in time.
    ProviderTimeout "provider_timeout" 504 "The provider did not answer in time" in "relay";
    /// The provider accepts neither code nor verifier of a sign-in.
    SignInRefused "sign_in_refused" 400 "The provider refused the sign-in" in "relay";
    /// The provider's answer is not relayed: a redirect, or not HTTP.
    ProviderBadResponse "provider_bad_response" 502 "The provider's answer cannot be relayed" in "relay";
    /// The provider ended a stream before its end.
    StreamInterrupted "stream_interrupted" 502 "The provider ended the stream early" in "relay";
    /// Shared state cannot be reached and the request needs it.
    StoreUnavailable "store_unavailable" 503 "Shared state is unavailable" in "relay";
    /// The relay is shutting down.
    Draining "draining" 503 "The relay is shutting down" in "relay";
    /// The vault is locked (made by the vault only).
    Locked "locked" 423 "The vault is locked";
    /// A fault of the relay itself.
    Internal "internal" 500 "Internal error" in "relay";
}

impl ErrorCode {
    /// Reads a code as it travels, e.g. the value of [`crate::header::ERROR`].
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == code)
    }

    /// `error.type` of the OpenAI error shape, which provider SDKs show.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self.status() {
            401 => "authentication_error",
            402 => "billing_error",
            403 | 421 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            500..=599 => "api_error",
            _ => "invalid_request_error",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
