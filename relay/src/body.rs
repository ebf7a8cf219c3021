//! A request body that is here in full, read once for everything that is asked of it: which model
//! it names, what it may cost, whether it streams.

use std::sync::OnceLock;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use keyferry_protocol::ErrorCode;
use keyferry_protocol::json::{JsonError, Value};
use keyferry_protocol::usage::{Edit, RequestBody, ask_for_usage, request_tokens};

use crate::error::ApiError;
use crate::proxy::Inbound;

/// The bytes, and what reading them as JSON found, from the first question on.
#[derive(Debug)]
pub struct WholeBody {
    bytes: Bytes,
    /// Boxed: it is large, and a body goes from hand to hand.
    read: OnceLock<Result<Box<RequestBody>, JsonError>>,
}

impl WholeBody {
    /// Takes a body that has arrived whole.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            read: OnceLock::new(),
        }
    }

    /// Receives `body`, at most `limit` bytes of it, from a client that is never silent for longer
    /// than `idle`.
    ///
    /// # Errors
    /// The body's own faults.
    pub(crate) async fn receive(body: Body, limit: u64, idle: Duration) -> Result<Self, ApiError> {
        let (body, fault) = Inbound::new(body, limit, idle)?;
        let whole = body.collect().await.map_err(|_| {
            fault.error().unwrap_or_else(|| {
                ApiError::new(ErrorCode::BadRequest, "the request body broke off")
            })
        })?;
        Ok(Self::new(whole.to_bytes()))
    }

    /// The body itself.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn read(&self) -> Result<&RequestBody, JsonError> {
        let read = self
            .read
            .get_or_init(|| RequestBody::read(&self.bytes).map(Box::new));
        read.as_deref().map_err(|error| *error)
    }

    /// Fields of its outermost object, of those in [`keyferry_protocol::usage::REQUEST_FIELDS`].
    ///
    /// # Errors
    /// A body that is no JSON object; a field of these that stands in it twice.
    pub fn fields<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[Option<Value<'_>>; N], JsonError> {
        self.read()?.fields(&self.bytes, names)
    }

    /// Its input tokens, estimated.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        match self.read() {
            Ok(read) => read.tokens(),
            Err(_) => request_tokens(&self.bytes),
        }
    }

    /// What makes its streamed answer report its usage; `None` when it need not be changed, or
    /// cannot be read: the provider will refuse it.
    pub(crate) fn ask_for_usage(&self) -> Option<Edit> {
        match self.read() {
            Ok(read) => read.ask_for_usage(&self.bytes),
            Err(_) => ask_for_usage(&self.bytes),
        }
        .ok()
        .flatten()
    }
}

/// Whether a content type is JSON's, whatever its parameters.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

impl From<&'static [u8]> for WholeBody {
    fn from(bytes: &'static [u8]) -> Self {
        Self::new(Bytes::from_static(bytes))
    }
}
