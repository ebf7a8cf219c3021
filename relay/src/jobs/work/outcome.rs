//! What a job has come to, as it is encrypted.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::jobs::call::Answer;

/// Longest message of a provider that is kept, in bytes.
const MAX_MESSAGE: usize = 2_048;

/// Code of an error that is the provider's.
const PROVIDER_REFUSED: &str = "provider_refused";

/// The steps done so far; in the end, the result.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::jobs) struct Partial {
    /// The provider's answers, as it wrote them.
    pub(in crate::jobs) result: Results,
    /// One row for each call that was answered.
    pub(in crate::jobs) usage: Vec<Value>,
    /// Whose key paid.
    pub(in crate::jobs) paid_by: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::jobs) struct Results {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::jobs) transcription: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::jobs) chat: Option<Box<RawValue>>,
}

impl Partial {
    pub(in crate::jobs) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(in crate::jobs) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Why a job failed.
#[derive(Debug)]
pub(in crate::jobs) struct Failure {
    /// Stable; stored in clear.
    pub(in crate::jobs) code: String,
    /// Encrypted: a provider's words may repeat the request's.
    pub(in crate::jobs) message: Message,
}

/// An error for people.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::jobs) struct Message {
    pub(in crate::jobs) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::jobs) status: Option<u16>,
}

impl Message {
    pub(in crate::jobs) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(in crate::jobs) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl Failure {
    /// One of the relay's own.
    pub(in crate::jobs) fn new(code: keyferry_protocol::ErrorCode, message: &str) -> Self {
        Self {
            code: code.as_str().to_owned(),
            message: Message {
                message: message.to_owned(),
                status: None,
            },
        }
    }

    /// What an answer that is none says. It was searched for the key on its way here.
    pub(super) fn of(answer: &Answer) -> Self {
        let words = serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|body| words(&body).map(str::to_owned))
            .unwrap_or_default();
        let end = words.floor_char_boundary(MAX_MESSAGE);
        let mut message = words.get(..end).unwrap_or_default().to_owned();
        if message.is_empty() {
            message = format!("the provider answered with status {}", answer.status);
        }
        Self {
            code: answer
                .code
                .map_or(PROVIDER_REFUSED, |code| code.as_str())
                .to_owned(),
            message: Message {
                message,
                status: Some(answer.status),
            },
        }
    }
}

/// The message of an error, where providers put it.
fn words(body: &Value) -> Option<&str> {
    let error = body.get("error").or_else(|| body.get(0)?.get("error"));
    error
        .and_then(|error| error.get("message").or(Some(error)))
        .or_else(|| body.get("message"))
        .or_else(|| body.get("detail"))
        .and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_found_where_providers_put_them() {
        for (body, expected) in [
            (
                json!({ "error": { "message": "a", "code": "b" } }),
                Some("a"),
            ),
            (json!({ "error": "a" }), Some("a")),
            (json!({ "message": "a" }), Some("a")),
            (json!({ "detail": "a" }), Some("a")),
            (json!([{ "error": { "message": "a" } }]), Some("a")),
            (json!({ "error": { "code": 1 } }), None),
            (json!(1), None),
        ] {
            assert_eq!(words(&body), expected, "{body}");
        }
    }

    #[test]
    fn answers_are_kept_as_they_were_written() {
        let raw = r#"{"b":1.50,"a":12345678901234567890123}"#;
        let partial = Partial {
            result: Results {
                chat: Some(RawValue::from_string(raw.to_owned()).unwrap()),
                ..Results::default()
            },
            ..Partial::default()
        };
        let read = Partial::from_bytes(&partial.to_bytes()).unwrap();
        assert_eq!(read.result.chat.unwrap().get(), raw);
    }
}
