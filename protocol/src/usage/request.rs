//! What a request needs so that its answer reports usage.

use crate::json::{JsonError, Kind, Value, top_level};
#[cfg(feature = "relay")]
use crate::{json::Members, usage::estimate::Counter};
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of a body to be replaced; an empty span inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Range<usize>,
    /// What stands there instead.
    pub text: Cow<'static, [u8]>,
}

/// The body with edits made. Edits must not overlap; their order does not matter.
#[must_use]
pub fn apply(body: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut order: Vec<&Edit> = edits.iter().collect();
    order.sort_unstable_by_key(|edit| (edit.span.start, edit.span.end));
    let growth: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + growth);
    let mut from = 0;
    for edit in order {
        out.extend_from_slice(body.get(from..edit.span.start).unwrap_or_default());
        out.extend_from_slice(&edit.text);
        from = edit.span.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    out
}

/// The edit that makes a streamed chat completion report its usage
/// (`stream_options.include_usage`), for providers whose
/// [`stream_usage`](crate::Provider::stream_usage) says it must be asked for.
///
/// `None` when the body does not stream or asks already. When it is `Some`, the answer has one
/// chunk more than the client expects: [`super::UsageReader`] takes it out.
///
/// # Errors
/// [`JsonError`] when the body is not usable, or `stream_options` has another type.
pub fn ask_for_usage(body: &[u8]) -> Result<Option<Edit>, JsonError> {
    edit_for_usage(body, top_level(body, ["stream", "stream_options"])?)
}

fn edit_for_usage(
    body: &[u8],
    [stream, options]: [Option<Value<'_>>; 2],
) -> Result<Option<Edit>, JsonError> {
    if stream.and_then(|stream| stream.as_bool()) != Some(true) {
        return Ok(None);
    }
    let Some(options) = options else {
        // `stream` is there, so the object has a member for the comma to stand before.
        let brace = body
            .iter()
            .position(|&byte| byte == b'{')
            .map_or(0, |at| at + 1);
        let text: &[u8] = br#""stream_options":{"include_usage":true},"#;
        return Ok(Some(Edit {
            span: brace..brace,
            text: Cow::Borrowed(text),
        }));
    };
    match options.kind {
        Kind::Null => Ok(Some(Edit {
            span: options.span,
            text: Cow::Borrowed(br#"{"include_usage":true}"#),
        })),
        Kind::Object => {
            let [asked] = top_level(options.raw, ["include_usage"])?;
            let base = options.span.start;
            let Some(asked) = asked else {
                let empty = options
                    .raw
                    .get(1..options.raw.len().saturating_sub(1))
                    .is_some_and(|inside| inside.iter().all(u8::is_ascii_whitespace));
                let text: &[u8] = if empty {
                    br#""include_usage":true"#
                } else {
                    br#""include_usage":true,"#
                };
                return Ok(Some(Edit {
                    span: base + 1..base + 1,
                    text: Cow::Borrowed(text),
                }));
            };
            match asked.as_bool() {
                Some(true) => Ok(None),
                Some(false) => Ok(Some(Edit {
                    span: base + asked.span.start..base + asked.span.end,
                    text: Cow::Borrowed(b"true"),
                })),
                None => Err(JsonError::WrongType(base + asked.span.start)),
            }
        }
        _ => Err(JsonError::WrongType(options.span.start)),
    }
}

/// Top-level fields of a request that its route, its price or its model hang on.
#[cfg(feature = "relay")]
pub const REQUEST_FIELDS: [&str; 20] = [
    "model",
    "models",
    "preset",
    "assistant_id",
    "agent_id",
    "tools",
    "plugins",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "best_of",
    "generationConfig",
    "api_key",
    "apiKey",
    "x-byok-key",
    "byok_key",
    "authorization",
];

/// A request's JSON body, read in one pass for everything that is asked of it.
#[cfg(feature = "relay")]
#[derive(Clone, Debug)]
pub struct RequestBody {
    members: Members<{ REQUEST_FIELDS.len() }>,
    tokens: u64,
}

#[cfg(feature = "relay")]
impl RequestBody {
    /// Reads a whole body.
    ///
    /// # Errors
    /// As [`top_level()`], but for fields that occur twice: [`RequestBody::fields`] tells of them.
    pub fn read(body: &[u8]) -> Result<Self, JsonError> {
        let mut counter = Counter::default();
        let members = Members::read(body, &REQUEST_FIELDS, &mut counter)?;
        Ok(Self {
            members,
            tokens: counter.tokens(),
        })
    }

    /// The fields with these names, each one of [`REQUEST_FIELDS`]. `body` is what was read.
    ///
    /// # Errors
    /// As [`top_level()`].
    pub fn fields<'a, const M: usize>(
        &self,
        body: &'a [u8],
        names: [&str; M],
    ) -> Result<[Option<Value<'a>>; M], JsonError> {
        self.members.of(body, names)
    }

    /// [`super::request_tokens`] of the body.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// [`ask_for_usage`] for the body, which is what was read.
    ///
    /// # Errors
    /// As [`ask_for_usage`].
    pub fn ask_for_usage(&self, body: &[u8]) -> Result<Option<Edit>, JsonError> {
        edit_for_usage(body, self.fields(body, ["stream", "stream_options"])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asked(body: &str) -> Option<String> {
        let edit = ask_for_usage(body.as_bytes()).unwrap()?;
        Some(String::from_utf8(apply(body.as_bytes(), &[edit])).unwrap())
    }

    #[test]
    fn usage_is_asked_for_once_and_only_of_streams() {
        for body in [
            "{}",
            r#"{"stream":false}"#,
            r#"{"stream":null}"#,
            r#"{"messages":[{"stream":true}]}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
        ] {
            assert_eq!(asked(body), None, "{body}");
        }
        for body in [
            r#"{"stream":true}"#,
            r#" { "model" : "x", "stream" : true } "#,
            r#"{"stream":true,"stream_options":null}"#,
            r#"{"stream":true,"stream_options":{}}"#,
            r#"{"stream":true,"stream_options":{ }}"#,
            r#"{"stream":true,"stream_options":{"include_obfuscation":false}}"#,
            r#"{"stream_options":{"include_usage":false},"stream":true}"#,
            r#"{"stream_options":{"x":{},"include_usage" : false},"stream":true}"#,
        ] {
            let mut expected: Value = serde_json::from_str(body).unwrap();
            if !expected["stream_options"].is_object() {
                expected["stream_options"] = json!({});
            }
            expected["stream_options"]["include_usage"] = json!(true);
            let changed: Value = serde_json::from_str(&asked(body).unwrap()).unwrap();
            assert_eq!(changed, expected, "{body}");
        }
    }

    #[test]
    fn ambiguous_options_are_refused() {
        for body in [
            r#"{"stream":true,"stream":false}"#,
            r#"{"stream":true,"stream_options":{},"stream_options":{}}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}"#,
            r#"{"stream":true,"stream_options":7}"#,
            r#"{"stream":true,"stream_options":{"include_usage":"yes"}}"#,
        ] {
            assert!(ask_for_usage(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn one_pass_finds_what_many_do() {
        let long = "QUJD".repeat(2_000);
        for body in [
            "{}".to_owned(),
            r#"{"model":"m","stream":true,"messages":[{"model":"inner","content":"a b"}]}"#.into(),
            r#"{"stream":true,"stream_options":{"x":[1,null]},"n":2,"max_tokens":7}"#.into(),
            r#"{"model":"a","model":"b","stream":true}"#.into(),
            r#"{"\u006dodel":"a","Stream":true,"n":-1.5e3}"#.into(),
            r#"{"\u006dodel":"a","model":"b"}"#.into(),
            r#"{"to\u212aens":"a","\u212a":1,"mode\ud800":2,"tool\u017f":[]}"#.into(),
            format!(r#"{{"image":"{long}","tools":[{{"a":{{}}}}]}}"#),
        ] {
            let body = body.as_bytes();
            let read = RequestBody::read(body).unwrap();
            assert_eq!(read.tokens(), super::super::request_tokens(body));
            assert_eq!(read.ask_for_usage(body), ask_for_usage(body));
            for name in REQUEST_FIELDS {
                assert_eq!(read.fields(body, [name]), top_level(body, [name]), "{name}");
            }
        }
        for body in [
            "",
            "[]",
            "1",
            "{\"a\":}",
            "{\"a\":truth}",
            "{\"a\":nullify}",
        ] {
            let body = body.as_bytes();
            assert_eq!(
                RequestBody::read(body).map(|_| ()),
                top_level(body, ["model"]).map(|_| ())
            );
        }
    }

    #[test]
    fn edits_are_applied_in_any_order() {
        let edit = |span, text: &'static [u8]| Edit {
            span,
            text: Cow::Borrowed(text),
        };
        let edits = [edit(4..5, b"FF"), edit(0..0, b">"), edit(1..3, b"")];
        assert_eq!(apply(b"abcdef", &edits), b">adFFf");
    }
}
