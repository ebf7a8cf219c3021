//! What a job is to do, and the bodies it sends: pure.

use keyferry_protocol::json::{self, Kind as JsonKind};
use serde::{Deserialize, Serialize};

/// The work. Stored encrypted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(super) enum Payload {
    /// An OpenAI chat completion body.
    Chat(String),
    /// A form without its file, and the chat that follows.
    Transcription { form: Form, then: Option<String> },
}

/// The fields of a transcription form.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) model: String,
    pub(super) language: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) response_format: Option<String>,
    pub(super) temperature: Option<String>,
    #[serde(default)]
    pub(super) timestamp_granularities: Vec<String>,
    /// Of the file, as [`super::audio::Format`] tells it.
    pub(super) extension: String,
}

impl Payload {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl Form {
    /// The form around a file: what precedes it and what follows it. `boundary` stands nowhere in
    /// them, being random.
    pub(super) fn frame(&self, boundary: &str, mime: &str) -> (String, String) {
        let mut head = String::new();
        let mut field = |name: &str, value: &str| {
            head.push_str(&format!(
                "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        };
        field("model", &self.model);
        for (name, value) in [
            ("language", &self.language),
            ("prompt", &self.prompt),
            ("response_format", &self.response_format),
            ("temperature", &self.temperature),
        ] {
            if let Some(value) = value {
                field(name, value);
            }
        }
        for value in &self.timestamp_granularities {
            field("timestamp_granularities[]", value);
        }
        head.push_str(&format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"audio.{}\"\r\ncontent-type: {mime}\r\n\r\n",
            self.extension
        ));
        (head, format!("\r\n--{boundary}--\r\n"))
    }
}

/// What a transcription's answer says was said.
pub(super) fn transcript(answer: &serde_json::Value) -> Option<&str> {
    answer.get("text").and_then(serde_json::Value::as_str)
}

/// The chat body with `text` as its last user message; only bytes are added. `None` when it has no
/// list of messages.
pub(super) fn with_message(body: &[u8], text: &str) -> Option<Vec<u8>> {
    let [messages] = json::top_level(body, ["messages"]).ok()?;
    let messages = messages.filter(|value| value.kind == JsonKind::Array)?;
    let end = messages.span.end.checked_sub(1)?;
    let empty = messages
        .raw
        .get(1..messages.raw.len().checked_sub(1)?)?
        .iter()
        .all(u8::is_ascii_whitespace);
    let comma = if empty { "" } else { "," };
    let message = format!(
        "{comma}{{\"role\":\"user\",\"content\":{}}}",
        json::quote(text)
    );
    let (before, after) = body.split_at_checked(end)?;
    Some([before, message.as_bytes(), after].concat())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_message_is_added_at_the_end_and_nothing_else_changes() {
        for (body, before) in [
            (r#"{"model":"m","messages":[]}"#, 0),
            (r#"{"messages": [ ] ,"model":"m"}"#, 0),
            (
                r#"{"messages":[{"role":"system","content":"[\"]"}],"n":1.50}"#,
                1,
            ),
        ] {
            let out = with_message(body.as_bytes(), "so \"it\"\nis ]").unwrap();
            let read: Value = serde_json::from_slice(&out).unwrap();
            let messages = read["messages"].as_array().unwrap();
            assert_eq!(messages.len(), before + 1);
            assert_eq!(
                messages[before],
                json!({ "role": "user", "content": "so \"it\"\nis ]" })
            );
        }
        assert!(with_message(br#"{"messages":"x"}"#, "a").is_none());
        assert!(with_message(br#"{}"#, "a").is_none());
        let kept = with_message(br#"{"messages":[],"n":1.50}"#, "a").unwrap();
        assert!(String::from_utf8(kept).unwrap().contains("1.50"));
    }

    #[test]
    fn a_form_is_framed() {
        let form = Form {
            model: "whisper-1".to_owned(),
            prompt: Some("two\r\nlines".to_owned()),
            timestamp_granularities: vec!["word".to_owned(), "segment".to_owned()],
            extension: "flac".to_owned(),
            ..Form::default()
        };
        let (head, tail) = form.frame("B", "audio/flac");
        assert_eq!(head.matches("--B\r\n").count(), 5);
        assert!(
            head.contains("name=\"file\"; filename=\"audio.flac\"\r\ncontent-type: audio/flac")
        );
        assert!(head.ends_with("\r\n\r\n"));
        assert_eq!(tail, "\r\n--B--\r\n");
    }

    #[test]
    fn payloads_read_back() {
        let payload = Payload::Transcription {
            form: Form {
                model: "whisper-1".to_owned(),
                ..Form::default()
            },
            then: Some("{}".to_owned()),
        };
        let Some(Payload::Transcription { form, then }) = Payload::from_bytes(&payload.to_bytes())
        else {
            panic!("another payload");
        };
        assert_eq!(
            (form.model.as_str(), then.as_deref()),
            ("whisper-1", Some("{}"))
        );
    }
}
