//! The models a request would make a provider run, read from path and body.

use http::{HeaderMap, Method, header};
use keyferry_protocol::json::{Kind, Value};
use keyferry_protocol::multipart::{self, FormScanner};
use keyferry_protocol::{ErrorCode, Provider, path};
use serde::Deserialize;

use crate::body::WholeBody;
use crate::error::ApiError;

/// What a request says about models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// It runs no model: it reads, deletes, uploads.
    Nothing,
    /// It runs one or more of these.
    Models(Vec<String>),
    /// It may run a model and does not say which.
    Unknown,
}

/// What is looked at besides the body.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// Whom it goes to.
    pub provider: &'a Provider,
    /// The request's method.
    pub method: &'a Method,
    /// The raw path below the provider's origin, already checked by [`path::check`].
    pub path: &'a str,
    /// The headers as the client sent them.
    pub headers: &'a HeaderMap,
}

/// Collections that store what is put into them and run nothing.
const STORES: [&str; 3] = ["files", "uploads", "vector_stores"];

/// Fields that decide the model; OpenRouter's `models` are alternatives, its `preset` and the
/// agents and assistants of others are stored settings that hold a model of their own.
const FIELDS: [&str; 7] = [
    "model",
    "models",
    "preset",
    "assistant_id",
    "agent_id",
    "tools",
    "plugins",
];

impl RequestFacts<'_> {
    /// Whether the body has to be read to answer [`named`].
    #[must_use]
    pub fn needs_body(&self) -> bool {
        !matches!(*self.method, Method::GET | Method::HEAD | Method::DELETE) && !self.is_store()
    }

    fn is_store(&self) -> bool {
        let below = self.path.strip_prefix("/upload").unwrap_or(self.path);
        // Google's API has two versions; the catalogue's prefix is one of them.
        let below = [&*self.provider.native_prefix, "/v1"]
            .into_iter()
            .find_map(|prefix| {
                below
                    .strip_prefix(prefix)
                    .filter(|rest| rest.starts_with('/'))
            })
            .unwrap_or(below);
        let mut segments = below.split('/').skip(1);
        segments.next().is_some_and(|first| STORES.contains(&first))
            || (self.path.ends_with("/cancel") && segments.next().is_some())
    }
}

/// Reads every model the request names. `body` is the whole body, as it will be sent on.
///
/// # Errors
/// `bad_json`, `bad_form`, `duplicate_field` or `bad_field` for a body in which two parsers could
/// find different models.
pub fn named(request: &RequestFacts<'_>, body: &WholeBody) -> Result<Named, ApiError> {
    if !request.needs_body() {
        return Ok(Named::Nothing);
    }
    let mut models = Vec::new();
    let in_path = model_in_path(request.path);
    models.extend(in_path);
    match read_body(request.headers, body)? {
        Named::Nothing => {}
        Named::Models(more) => models.extend(more),
        Named::Unknown => return Ok(Named::Unknown),
    }
    Ok(if models.is_empty() {
        Named::Unknown
    } else {
        Named::Models(models)
    })
}

/// The `<model>` of `…/models/<model>:<method>`, decoded as the provider will.
pub(crate) fn model_in_path(path: &str) -> Option<String> {
    let decoded = path::decode(path)?;
    let mut segments = decoded.split('/');
    segments.find(|segment| segment.ends_with("models") || segment.ends_with("Models"))?;
    let last = segments.next()?;
    let model = last.rsplit_once(':').map_or(last, |(model, _)| model);
    (!model.is_empty()).then(|| model.to_owned())
}

fn read_body(headers: &HeaderMap, body: &WholeBody) -> Result<Named, ApiError> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = types.next();
    if types.next().is_some() {
        return Err(ApiError::new(
            ErrorCode::BadHeader,
            "Content-Type was sent more than once",
        ));
    }
    // What is compressed was not read; a provider that unpacks it would see more than we did.
    let packed = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if packed {
        return Ok(Named::Unknown);
    }
    let content_type = match content_type.map(http::HeaderValue::to_str) {
        None => "",
        Some(Ok(text)) => text,
        Some(Err(_)) => return Ok(Named::Unknown),
    };
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if kind.len() >= 10
        && kind
            .get(..10)
            .is_some_and(|k| k.eq_ignore_ascii_case("multipart/"))
    {
        return read_form(content_type, body.bytes());
    }
    // Providers read JSON whatever the type says, or refuse it; so is it read here.
    if body.bytes().iter().all(u8::is_ascii_whitespace) {
        return Ok(Named::Nothing);
    }
    read_json(body)
}

fn read_form(content_type: &str, body: &[u8]) -> Result<Named, ApiError> {
    let Some(boundary) = multipart::boundary(content_type) else {
        return Ok(Named::Unknown);
    };
    let mut scanner = FormScanner::new(&boundary, &["model"]);
    scanner.feed(body)?;
    scanner.finish()?;
    Ok(match scanner.field("model") {
        Some(field) => Named::Models(vec![field.value.clone()]),
        None => Named::Nothing,
    })
}

fn read_json(body: &WholeBody) -> Result<Named, ApiError> {
    let [
        model,
        alternatives,
        preset,
        assistant,
        agent,
        tools,
        plugins,
    ] = body.fields(FIELDS)?;
    if [&preset, &assistant, &agent]
        .into_iter()
        .flatten()
        .any(|field| !field.is_null())
    {
        return Ok(Named::Unknown);
    }
    let mut models = Vec::new();
    if let Some(model) = model.filter(|model| !model.is_null()) {
        let name = model.as_str().ok_or_else(|| {
            ApiError::new(ErrorCode::BadField, "the field 'model' is not a string")
        })?;
        models.push(name.into_owned());
    }
    if let Some(list) = alternatives.filter(|list| !list.is_null()) {
        let names: Vec<String> = serde_json::from_slice(list.raw).map_err(|_| {
            ApiError::new(
                ErrorCode::BadField,
                "the field 'models' is not a list of strings",
            )
        })?;
        models.extend(names);
    }
    for list in [tools, plugins].into_iter().flatten() {
        models.extend(models_of_tools(&list));
    }
    Ok(if models.is_empty() {
        Named::Nothing
    } else {
        Named::Models(models)
    })
}

/// Hosted tools may run a model of their own (image generation, advisers). A `model` that is not
/// a string belongs to some tool's parameter schema.
fn models_of_tools(list: &Value<'_>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Tool {
        #[serde(default)]
        model: Option<serde_json::Value>,
    }
    if list.kind != Kind::Array {
        return Vec::new();
    }
    let tools: Vec<serde_json::Value> = serde_json::from_slice(list.raw).unwrap_or_default();
    tools
        .into_iter()
        .filter_map(|tool| serde_json::from_value::<Tool>(tool).ok()?.model)
        .filter_map(|model| model.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use keyferry_protocol::Catalogue;

    use super::*;

    fn read(
        provider: &str,
        path: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Named, ErrorCode> {
        let catalogue = Catalogue::builtin();
        let mut headers = HeaderMap::new();
        if let Some(value) = content_type {
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
        }
        let request = RequestFacts {
            provider: catalogue.get(provider).unwrap(),
            method: &Method::POST,
            path,
            headers: &headers,
        };
        let body = WholeBody::new(body.to_vec().into());
        named(&request, &body).map_err(|error| error.code())
    }

    fn models(names: &[&str]) -> Result<Named, ErrorCode> {
        Ok(Named::Models(
            names.iter().map(|name| (*name).to_owned()).collect(),
        ))
    }

    const CHAT: &str = "/v1/chat/completions";

    #[test]
    fn json_is_read_whatever_the_content_type_says() {
        for content_type in [
            None,
            Some("application/json"),
            Some("Application/JSON; charset=UTF-8"),
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
        ] {
            assert_eq!(
                read("openai", CHAT, content_type, br#" {"model":"gpt-4o"} "#),
                models(&["gpt-4o"]),
                "{content_type:?}"
            );
        }
    }

    #[test]
    fn two_readings_of_a_body_are_refused() {
        for (body, code) in [
            (
                &br#"{"model":"a","model":"b"}"#[..],
                ErrorCode::DuplicateField,
            ),
            (
                br#"{"model":"a","\u006dodel":"b"}"#,
                ErrorCode::DuplicateField,
            ),
            (br#"{"model":"a","Model":"b"}"#, ErrorCode::DuplicateField),
            (
                br#"{"model":"a","models":["b"],"models":["c"]}"#,
                ErrorCode::DuplicateField,
            ),
            (br#"{"model":["a"]}"#, ErrorCode::BadField),
            (br#"{"models":"a"}"#, ErrorCode::BadField),
            (b"model=gpt-4o", ErrorCode::BadJson),
            (b"\xef\xbb\xbf{\"model\":\"a\"}", ErrorCode::BadJson),
            (b"\xff\xfe{\0", ErrorCode::BadJson),
            (br#"[{"model":"a"}]"#, ErrorCode::BadJson),
            (br#"{"model":"a"}{"model":"b"}"#, ErrorCode::BadJson),
        ] {
            let text = String::from_utf8_lossy(body);
            assert_eq!(read("openai", CHAT, None, body), Err(code), "{text}");
        }
    }

    #[test]
    fn every_model_is_found() {
        for (body, expected) in [
            (r#"{"model":"a","models":["b","c"]}"#, &["a", "b", "c"][..]),
            (
                r#"{"models":["b"],"tools":[{"type":"image_generation","model":"c"}]}"#,
                &["b", "c"],
            ),
            (
                r#"{"model":"a","tools":[{"function":{"parameters":{"model":{}}}}]}"#,
                &["a"],
            ),
            (
                r#"{"model":"a","plugins":[{"id":"web","model":"d"}]}"#,
                &["a", "d"],
            ),
            ("{\"model\":\"\\u0067pt-4o\"}", &["gpt-4o"]),
        ] {
            assert_eq!(
                read("openrouter", CHAT, None, body.as_bytes()),
                models(expected),
                "{body}"
            );
        }
    }

    #[test]
    fn a_hidden_model_is_unknown() {
        for body in [
            r#"{"messages":[]}"#,
            r#"{"model":null}"#,
            r#"{"model":"a","preset":"x"}"#,
            r#"{"assistant_id":"asst_1","model":"a"}"#,
            r#"{"agent_id":"ag_1"}"#,
            r#"{"requests":[{"params":{"model":"claude-opus-4-1"}}]}"#,
            "",
        ] {
            assert_eq!(
                read("openai", CHAT, None, body.as_bytes()),
                Ok(Named::Unknown),
                "{body}"
            );
        }
        let catalogue = Catalogue::builtin();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        let request = RequestFacts {
            provider: catalogue.get("openai").unwrap(),
            method: &Method::POST,
            path: CHAT,
            headers: &headers,
        };
        assert_eq!(
            named(&request, &WholeBody::from(br#"{"model":"a"}"#.as_slice())).unwrap(),
            Named::Unknown
        );
    }

    #[test]
    fn gemini_paths_name_the_model() {
        for (path, expected) in [
            (
                "/v1beta/models/gemini-2.5-pro:generateContent",
                "gemini-2.5-pro",
            ),
            (
                "/v1beta/models/gemini%2D2.5-pro%3AgenerateContent",
                "gemini-2.5-pro",
            ),
            (
                "/v1/models/gemini-2.5-pro:streamGenerateContent",
                "gemini-2.5-pro",
            ),
            ("/v1beta/tunedModels/mine:generateContent", "mine"),
        ] {
            assert_eq!(
                read("google", path, None, b"{}"),
                models(&[expected]),
                "{path}"
            );
        }
        assert_eq!(
            read(
                "google",
                "/v1beta/models/gemini-2.5-flash:generateContent",
                None,
                br#"{"model":"models/gemini-2.5-pro"}"#
            ),
            models(&["gemini-2.5-flash", "models/gemini-2.5-pro"])
        );
    }

    #[test]
    fn forms_are_read_whatever_the_letter_case() {
        let body =
            b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x--\r\n";
        for content_type in [
            "multipart/form-data; boundary=x",
            "Multipart/Form-Data;BOUNDARY=\"x\"",
        ] {
            assert_eq!(
                read(
                    "openai",
                    "/v1/audio/transcriptions",
                    Some(content_type),
                    body
                ),
                models(&["whisper-1"]),
                "{content_type}"
            );
        }
        let twice = [&body[..body.len() - 7], &body[..]].concat();
        assert!(
            read(
                "openai",
                "/v1/audio/transcriptions",
                Some("multipart/form-data; boundary=x"),
                &twice
            )
            .is_err()
        );
        assert_eq!(
            read(
                "openai",
                "/v1/audio/transcriptions",
                Some("multipart/mixed; boundary=x"),
                body
            ),
            Ok(Named::Unknown)
        );
    }

    #[test]
    fn what_runs_no_model_is_free() {
        for (provider, path) in [
            ("openai", "/v1/files"),
            ("openai", "/v1/uploads/u1/parts"),
            ("openai", "/v1/responses/r1/cancel"),
            ("google", "/upload/v1beta/files"),
            ("google", "/upload/v1/files"),
            ("google", "/v1/files/f1"),
            ("groq", "/openai/v1/files"),
        ] {
            assert_eq!(
                read(provider, path, None, b"raw"),
                Ok(Named::Nothing),
                "{path}"
            );
        }
        for (provider, path) in [
            ("openai", "/v1/batches"),
            ("mistral", "/v1/conversations/files"),
        ] {
            assert_eq!(
                read(provider, path, None, b"{}"),
                Ok(Named::Unknown),
                "{path}"
            );
        }
        let catalogue = Catalogue::builtin();
        let headers = HeaderMap::new();
        for method in [Method::GET, Method::HEAD, Method::DELETE] {
            let request = RequestFacts {
                provider: catalogue.get("openai").unwrap(),
                method: &method,
                path: "/v1/models",
                headers: &headers,
            };
            let body = WholeBody::from(b"".as_slice());
            assert_eq!(named(&request, &body).unwrap(), Named::Nothing);
        }
    }
}
