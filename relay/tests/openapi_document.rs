//! The description against the relay it describes.

use std::collections::BTreeSet;

use axum::body::Body;
use serde_json::Value;

use crate::support::{CANARY, Reply, StandIn, TestRelay};

const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "options"];

async fn document(relay: &TestRelay) -> Value {
    let reply = relay.get("/openapi.json").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

/// The path of a template with something in place of its parameters.
fn concrete(path: &str) -> String {
    path.replace("{id}", "openai")
        .replace("{path}", "v1/models")
}

async fn call(relay: &TestRelay, method: &str, path: &str) -> Reply {
    let request = relay
        .request(&method.to_uppercase(), path)
        .header("x-byok-key", CANARY)
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    relay.reply(request).await
}

#[tokio::test]
async fn documented_paths_are_the_routers_own() {
    let relay = TestRelay::start("").await;
    let document = document(&relay).await;
    let documented: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(|path| path.replace("{path}", "{*path}"))
        .collect();
    let routed: BTreeSet<String> = keyferry_relay::templates().map(str::to_owned).collect();
    assert_eq!(documented, routed);
}

#[tokio::test]
async fn documented_methods_exist_and_others_do_not() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let document = document(&relay).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let reply = call(&relay, method, &concrete(path)).await;
            let exists = !["not_found", "method_not_allowed"].contains(&reply.code().as_str());
            // The passthrough's methods are the endpoints': what a provider lacks is refused by
            // another code.
            let documented = item.get(method).is_some() || path.starts_with("/providers/");
            assert_eq!(
                exists,
                documented,
                "{method} {path}: {} {}",
                reply.status,
                reply.code()
            );
        }
    }
}

#[tokio::test]
async fn providers_and_codes_are_the_running_relays() {
    let relay = TestRelay::start("[providers.my-llm]\nbase_url = \"https://llm.example\"\n").await;
    let document = document(&relay).await;
    let schemas = &document["components"]["schemas"];
    let ids = schemas["ProviderId"]["enum"].as_array().unwrap();
    assert_eq!(ids.len(), 10);
    assert!(ids.contains(&"my-llm".into()));
    assert!(
        document["x-keyferry-endpoints"]["my-llm"]
            .as_array()
            .unwrap()
            .len()
            > 1
    );
    let codes = schemas["ErrorCode"]["enum"].as_array().unwrap();
    for code in keyferry_protocol::ErrorCode::ALL {
        assert!(codes.contains(&code.as_str().into()), "{code}");
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(target) if name == "$ref" => found.push(target),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let relay = TestRelay::start("").await;
    let document = document(&relay).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for target in found {
        let pointer = target
            .strip_prefix('#')
            .expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
    let mut operations = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item
            .as_object()
            .unwrap()
            .values()
            .filter_map(|o| o.get("operationId"))
        {
            assert!(
                operations.insert(operation.as_str().unwrap().to_owned()),
                "{operation}"
            );
        }
    }
}

/// Checks what the schemas of this document use: type, required, properties, items, enum, const.
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return conforms(document, document.pointer(&target[1..]).unwrap(), value, at);
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    match schema.get("type") {
        Some(Value::String(name)) => assert!(is(name), "{at} is not {name}: {value}"),
        Some(Value::Array(names)) => {
            assert!(
                names.iter().any(|name| is(name.as_str().unwrap())),
                "{at}: {value}"
            );
        }
        _ => {}
    }
    if let Some(Value::Array(allowed)) = schema.get("enum") {
        assert!(allowed.contains(value), "{at}: {value}");
    }
    if let Some(only) = schema.get("const") {
        assert_eq!(only, value, "{at}");
    }
    for name in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        assert!(
            value.get(name.as_str().unwrap()).is_some(),
            "{at} lacks {name}: {value}"
        );
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, value) in value.as_object().into_iter().flatten() {
        match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => conforms(document, schema, value, &format!("{at}.{name}")),
            None => assert!(
                properties.is_none()
                    || schema.get("additionalProperties") == Some(&Value::Bool(true)),
                "{at}.{name} is not documented"
            ),
        }
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for item in list {
            conforms(document, items, item, &format!("{at}[]"));
        }
    }
}

#[tokio::test]
async fn answers_have_the_documented_shape() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let document = document(&relay).await;
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    for (path, name) in [
        ("/.well-known/keyferry", "Description"),
        ("/healthz", "Health"),
        ("/readyz", "Readiness"),
        ("/v1/models", "ModelList"),
        ("/v1/usage", "Usage"),
        ("/v1/limits", "Limits"),
    ] {
        let reply = relay.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let mut shape = schema(name);
        if name == "ModelList" {
            // Entries are OpenAI's; only their id is promised.
            shape["properties"]["data"]["items"]["additionalProperties"] = true.into();
        }
        conforms(&document, &shape, &reply.json(), path);
    }
    let tested = relay
        .post("/v1/keys/test", r#"{"provider":"openai"}"#)
        .await;
    conforms(
        &document,
        &schema("KeyTest"),
        &tested.json(),
        "/v1/keys/test",
    );
    for (reply, code) in [
        (relay.get("/v1/nothing").await, "not_found"),
        (relay.get("/providers/nobody/x").await, "unknown_provider"),
        (relay.post("/v1/chat/completions", "{").await, "bad_json"),
    ] {
        assert_eq!(reply.code(), code);
        conforms(&document, &schema("Problem"), &reply.json(), code);
    }
}
