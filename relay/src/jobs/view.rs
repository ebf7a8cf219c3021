//! A job as it is shown to its maker.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::JobHandle;
use super::envelope;
use super::ledger::{Phase, Snapshot, State};
use super::terms::Kind;
use super::work::{Message, Partial};
use crate::state::Live;
use crate::store::JobId;
use keyferry_protocol::ErrorCode;

/// The answer of `GET /v1/jobs/{id}`, and the data of each event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    id: String,
    kind: Kind,
    status: &'static str,
    progress: Progress,
    attempts: u32,
    created_at: u64,
    updated_at: u64,
    expires_at: u64,
    result: Option<Box<RawValue>>,
    error: Option<Error>,
    usage: Vec<Value>,
    paid_by: Option<String>,
    #[serde(skip)]
    state: State,
}

#[derive(Debug, Serialize)]
struct Progress {
    phase: &'static str,
    percent: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Error {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl View {
    /// Opens a record with its handle; `None` when it is not `subject`'s.
    pub(super) fn open(
        live: &Live,
        handle: &JobHandle,
        subject: Option<&str>,
        snapshot: &Snapshot,
    ) -> Option<Self> {
        let terms = envelope::open_terms(&live.leases, handle, &snapshot.terms)?;
        if terms.subject.as_deref() != subject {
            return None;
        }
        let outcome = snapshot
            .outcome
            .as_deref()
            .and_then(|value| envelope::open_result(&live.leases, handle, &terms, value));
        let done = (snapshot.state == State::Completed)
            .then(|| Partial::from_bytes(outcome.as_deref()?))
            .flatten();
        let error = snapshot.code.as_ref().map(|code| {
            let message = outcome
                .as_deref()
                .filter(|_| snapshot.state == State::Failed)
                .and_then(|bytes| Message::from_bytes(bytes))
                .unwrap_or_default();
            Error {
                message: if message.message.is_empty() {
                    ErrorCode::parse(code)
                        .map_or("", ErrorCode::title)
                        .to_owned()
                } else {
                    message.message
                },
                code: code.clone(),
                status: message.status,
            }
        });
        let (result, usage, paid_by) = match done {
            Some(done) => (
                serde_json::value::to_raw_value(&done.result).ok(),
                done.usage,
                done.paid_by,
            ),
            None => (None, Vec::new(), None),
        };
        Some(Self {
            id: handle.id().to_string(),
            kind: snapshot.kind,
            status: snapshot.state.as_str(),
            progress: Progress {
                phase: snapshot.phase.as_str(),
                percent: (snapshot.phase == Phase::Done).then_some(100),
            },
            attempts: snapshot.attempts,
            created_at: snapshot.created_at,
            updated_at: snapshot.updated_at,
            expires_at: snapshot.expires_at,
            result,
            error,
            usage,
            paid_by,
            state: snapshot.state,
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Nothing follows.
    pub(crate) fn is_final(&self) -> bool {
        self.state.is_final()
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The answer to `POST /v1/jobs`.
pub(super) fn receipt(id: JobId, handle: &str, kind: Kind, created: u64, expires: u64) -> Value {
    serde_json::json!({
        "id": id.to_string(),
        "handle": handle,
        "kind": kind,
        "status": State::Queued.as_str(),
        "createdAt": created,
        "expiresAt": expires,
    })
}
