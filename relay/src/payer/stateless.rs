//! Whether a body leaves nothing behind at the provider and reaches for nothing that is there.
//!
//! Under the server's key all callers share one account: what one of them stores, another could
//! read by its id, and hosted tools cost what no price list says. Fields are therefore listed, and
//! a body with any other is not paid for.

use serde_json::{Map, Value};

/// Top-level fields whose effect ends with the answer and whose cost is in the token count.
const FIELDS: [&str; 49] = [
    "best_of",
    "dimensions",
    "echo",
    "encoding_format",
    "frequency_penalty",
    "function_call",
    "functions",
    "include",
    "include_reasoning",
    "input",
    "instructions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "min_p",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt",
    "prompt_cache_key",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "background",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "text",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// Fields, at any depth, that name something kept at the provider.
const STORED: [&str; 7] = [
    "file_id",
    "file_ids",
    "vector_store_ids",
    "previous_response_id",
    "conversation",
    "container",
    "container_id",
];

/// Judges a JSON body. `stores_by_default` says that the route stores unless `store` is `false`.
pub(crate) fn is_stateless(body: &[u8], stores_by_default: bool) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let known = fields.keys().all(|name| FIELDS.contains(&name.as_str()));
    let stores = match fields.get("store") {
        None | Some(Value::Null) => stores_by_default,
        Some(Value::Bool(stores)) => *stores,
        Some(_) => true,
    };
    let background = !matches!(
        fields.get("background"),
        None | Some(Value::Null | Value::Bool(false))
    );
    known
        && !stores
        && !background
        && own_tools_only(&fields)
        && ordinary_tier(&fields)
        && text_only(&fields)
        && !matches!(fields.get("prompt"), Some(Value::Object(_)))
        && !refers_to_stored(&Value::Object(fields))
}

/// Tools the caller runs itself; everything else runs at the provider, for a price of its own.
fn own_tools_only(fields: &Map<String, Value>) -> bool {
    match fields.get("tools") {
        None | Some(Value::Null) => true,
        Some(Value::Array(tools)) => tools.iter().all(|tool| {
            matches!(
                tool.get("type").and_then(Value::as_str),
                Some("function" | "custom")
            )
        }),
        Some(_) => false,
    }
}

/// Priority processing costs more than the list says.
fn ordinary_tier(fields: &Map<String, Value>) -> bool {
    matches!(
        fields.get("service_tier").map(Value::as_str),
        None | Some(Some("auto" | "default" | "flex"))
    )
}

/// Audio and images that come out are priced per piece.
fn text_only(fields: &Map<String, Value>) -> bool {
    match fields.get("modalities") {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.iter().all(|item| item == "text"),
        Some(_) => false,
    }
}

/// Looks through the whole tree; `serde_json` limits its depth.
fn refers_to_stored(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            (STORED.contains(&name.as_str()) && !value.is_null())
                || (name == "type" && value == "item_reference")
                || refers_to_stored(value)
        }),
        Value::Array(list) => list.iter().any(refers_to_stored),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_requests_are_stateless() {
        for body in [
            r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"stream":true}"#,
            r#"{"model":"gpt-4o","messages":[],"store":false,"background":false}"#,
            r#"{"model":"gpt-4o","messages":[],"tools":[{"type":"function","function":{}}]}"#,
            r#"{"model":"gpt-4o","messages":[],"service_tier":"default"}"#,
            r#"{"model":"text-embedding-3-small","input":["a"]}"#,
            r#"{"model":"gpt-3.5-turbo-instruct","prompt":"Once"}"#,
        ] {
            assert!(is_stateless(body.as_bytes(), false), "{body}");
        }
    }

    #[test]
    fn anything_stored_hosted_or_unknown_is_not() {
        for body in [
            r#"{"store":true}"#,
            r#"{"store":"true"}"#,
            r#"{"background":true}"#,
            r#"{"background":1}"#,
            r#"{"previous_response_id":"resp_1"}"#,
            r#"{"conversation":"conv_1"}"#,
            r#"{"prompt":{"id":"pmpt_1"}}"#,
            r#"{"tools":[{"type":"web_search"}]}"#,
            r#"{"tools":[{"type":"function"},{"type":"file_search","vector_store_ids":["vs"]}]}"#,
            r#"{"tools":[{}]}"#,
            r#"{"tools":{}}"#,
            r#"{"web_search_options":{}}"#,
            r#"{"plugins":[{"id":"web"}]}"#,
            r#"{"models":["a","b"]}"#,
            r#"{"service_tier":"priority"}"#,
            r#"{"modalities":["text","audio"]}"#,
            r#"{"messages":[{"content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#,
            r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#,
            r#"{"whatever_comes_next":1}"#,
            r#"[]"#,
            r#"not json"#,
        ] {
            assert!(!is_stateless(body.as_bytes(), false), "{body}");
        }
    }

    #[test]
    fn routes_that_store_by_default_need_an_explicit_no() {
        assert!(!is_stateless(br#"{"model":"gpt-4o","input":"hi"}"#, true));
        assert!(!is_stateless(
            br#"{"model":"gpt-4o","input":"hi","store":null}"#,
            true
        ));
        assert!(is_stateless(
            br#"{"model":"gpt-4o","input":"hi","store":false}"#,
            true
        ));
    }
}
