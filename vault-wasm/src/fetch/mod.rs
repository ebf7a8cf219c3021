//! `vault.fetch`: where a request goes, with which key, and what is refused. The network itself is
//! behind [`Transport`].

mod choose;
mod clean;
mod meter;
mod relay_info;
mod send;
mod ship;
mod target;

pub use meter::Meter;
pub(crate) use relay_info::RelayInfo;
pub use send::{FetchError, Outcome, Refusal, Request};
pub(crate) use ship::Shipment;
pub use target::{Relay, Route, Target, resolve};

use std::future::Future;

use crate::{error::Error, secret::Secret};

/// A request as it leaves.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Method.
    pub method: String,
    /// Absolute URL under the relay.
    pub url: String,
    /// Lower-case names. The credential is not among them.
    pub headers: Vec<(String, String)>,
    /// Value of `X-BYOK-Key`; set by the transport at the last moment.
    pub credential: Option<&'a Secret>,
}

/// Why nothing came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The relay could not be reached, or redirected.
    Network,
    /// The caller's signal aborted it.
    Aborted,
    /// The app's token function failed.
    AppToken,
}

impl From<SendError> for Error {
    /// Operations have no signal: only `fetch` can be aborted, and tells so by the signal's own reason.
    fn from(_: SendError) -> Self {
        Self::Network
    }
}

/// An answer whose body has not been read.
pub trait Answer {
    /// HTTP status.
    fn status(&self) -> u16;
    /// The value of a header (lower-case name).
    fn header(&self, name: &str) -> Option<String>;
    /// Gives up the body, so that the provider stops sending.
    fn discard(self);
    /// The whole body, when it is at most `max` bytes.
    ///
    /// # Errors
    /// [`SendError`], also when the body is longer.
    fn bytes(self, max: usize) -> impl Future<Output = Result<Vec<u8>, SendError>>;
}

/// The network.
pub trait Transport {
    /// A body that can be sent again.
    type Body;
    /// What belongs to one call of `fetch`: its abort signal, the app's token function.
    type Context;
    /// An answer whose body streams.
    type Answer: Answer;

    /// Sends. Never follows a redirect, never sends cookies, never stores the answer.
    ///
    /// # Errors
    /// [`SendError`].
    fn send(
        &self,
        request: &Outgoing<'_>,
        body: Option<&Self::Body>,
        context: Option<&Self::Context>,
    ) -> impl Future<Output = Result<Self::Answer, SendError>>;

    /// The app's token for the relay, where the app gives one; `fresh` after the relay called the
    /// last one expired.
    ///
    /// # Errors
    /// [`SendError::AppToken`].
    fn app_token(
        &self,
        context: Option<&Self::Context>,
        fresh: bool,
    ) -> impl Future<Output = Result<Option<String>, SendError>>;

    /// A body of these bytes.
    fn body(&self, bytes: &[u8]) -> Self::Body;

    /// Bytes in a body.
    fn len(&self, body: &Self::Body) -> usize;

    /// Part of a body.
    ///
    /// # Errors
    /// [`SendError`].
    fn read(
        &self,
        body: &Self::Body,
        start: usize,
        end: usize,
    ) -> impl Future<Output = Result<Vec<u8>, SendError>>;
}
