//! What can go wrong with shared state.

use keyferry_protocol::ErrorCode;

use crate::error::ApiError;

/// Shared state could not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shared state unavailable: {reason}")]
pub struct StoreError {
    /// Whether the operation may have taken effect.
    pub outcome: Outcome,
    /// A fixed word for logs and metrics: `timeout`, `connection`, `refused`, `full`, `reply`.
    pub reason: &'static str,
}

/// What became of an operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It had no effect and will have none.
    NotDone,
    /// Nobody knows: it was sent and no answer came.
    Unknown,
}

impl StoreError {
    pub(crate) const fn not_done(reason: &'static str) -> Self {
        Self {
            outcome: Outcome::NotDone,
            reason,
        }
    }

    pub(crate) const fn unknown(reason: &'static str) -> Self {
        Self {
            outcome: Outcome::Unknown,
            reason,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(_: StoreError) -> Self {
        // A store that is being restarted or failed over is usually back by then.
        Self::new(
            ErrorCode::StoreUnavailable,
            "shared state cannot be reached, and this request is not served without it",
        )
        .retry_after(2)
    }
}
