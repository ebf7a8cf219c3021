//! The paths and what can be done with them.

use keyferry_protocol::catalogue::Unified;
use keyferry_protocol::{Catalogue, header as names};
use serde_json::{Map, Value, json};

use super::{jobs, leases};

/// Every path of the public listener that is not a file of the page.
pub(super) fn paths(catalogue: &Catalogue) -> Value {
    let mut paths = Map::new();
    paths.insert("/providers/{id}/{path}".to_owned(), passthrough(catalogue));
    for route in Unified::ALL {
        let path = format!("/v1{}", route.path());
        let item = match route {
            Unified::Models => models(),
            _ => json!({ "post": unified(route) }),
        };
        paths.insert(path, item);
    }
    paths.insert("/v1/keys/test".to_owned(), key_test());
    paths.insert("/v1/connect/openrouter".to_owned(), connect());
    paths.insert("/connect/openrouter".to_owned(), connect_callback());
    let kept = leases::paths().into_iter().chain(jobs::paths());
    paths.extend(kept.map(|(path, item)| (path.to_owned(), item)));
    paths.insert("/v1/usage".to_owned(), usage());
    paths.insert("/v1/limits".to_owned(), limits());
    paths.insert("/.well-known/keyferry".to_owned(), well_known());
    paths.insert("/healthz".to_owned(), healthz());
    paths.insert("/readyz".to_owned(), readyz());
    paths.insert("/openapi.json".to_owned(), openapi());
    for item in paths.values_mut().filter_map(Value::as_object_mut) {
        for operation in item.values_mut() {
            if let Some(responses) = operation
                .get_mut("responses")
                .and_then(Value::as_object_mut)
            {
                // Made by the HTTP layer before there is a request, so without a document.
                responses.insert(
                    "414".to_owned(),
                    json!({ "description": "The target is too long." }),
                );
                responses.insert(
                    "431".to_owned(),
                    json!({ "description": "The head is too large." }),
                );
            }
        }
    }
    Value::Object(paths)
}

/// Headers that every relaying route reads.
pub(super) fn relay_parameters(fallback: bool) -> Vec<Value> {
    let mut parameters = vec![json!({
        "name": "X-BYOK-Provider",
        "in": "header",
        "description": "The provider the key belongs to. Must not contradict the path or the model's prefix.",
        "schema": { "$ref": "#/components/schemas/ProviderId" },
    })];
    if fallback {
        parameters.push(json!({
            "name": "X-BYOK-Fallback",
            "in": "header",
            "description": "Whether the operator's key may pay when no usable key was sent.",
            "schema": { "enum": ["never", "allow", "allow-any"], "default": "never" },
        }));
    }
    parameters
}

fn security() -> Value {
    // The app token is added where the operator asks for one.
    json!([
        { "byokKey": [] },
        { "byokLease": [] },
        { "byokKey": [], "appToken": [] },
        { "byokLease": [], "appToken": [] },
        { "appToken": [] },
    ])
}

fn passthrough(catalogue: &Catalogue) -> Value {
    let ids: Vec<&str> = catalogue.iter().map(|row| &*row.id).collect();
    let operation = |method: &str, body: bool| {
        let mut operation = json!({
            "tags": ["relay"],
            "operationId": format!("passthrough_{method}"),
            "summary": "A provider's own endpoint, with the caller's key",
            "description": "Method, path below the provider's origin, query, body and answer are the provider's own. Only endpoints listed in x-keyferry-endpoints are relayed. The operator's key never pays here.",
            "security": security(),
            "responses": {
                "default": {
                    "description": "The provider's answer, or the relay's refusal (with X-BYOK-Error).",
                    "headers": relay_headers(),
                    "content": { "*/*": {}, "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
        });
        if body && let Some(fields) = operation.as_object_mut() {
            fields.insert(
                "requestBody".to_owned(),
                json!({ "content": { "*/*": {} } }),
            );
        }
        operation
    };
    json!({
        "parameters": [
            { "name": "id", "in": "path", "required": true, "schema": { "enum": ids } },
            {
                "name": "path", "in": "path", "required": true,
                "description": "The provider's own path, slashes included; dot segments and encoded slashes are refused.",
                "schema": { "type": "string", "minLength": 1, "maxLength": keyferry_protocol::path::MAX_PATH },
            },
        ],
        "get": operation("get", false),
        "post": operation("post", true),
        "put": operation("put", true),
        "patch": operation("patch", true),
        "delete": operation("delete", false),
    })
}

fn relay_headers() -> Value {
    let mut headers = Map::new();
    for name in [
        names::PAID_BY,
        names::PROVIDER,
        names::FALLBACK_REASON,
        names::ERROR,
        names::REQUEST_ID,
        names::PRICE,
    ] {
        headers.insert(
            name.to_owned(),
            json!({ "$ref": format!("#/components/headers/{name}") }),
        );
    }
    Value::Object(headers)
}

/// The `{id}` of a lease or job.
pub(super) fn id_parameter() -> Value {
    json!([{
        "name": "id", "in": "path", "required": true,
        "schema": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
    }])
}

pub(super) fn refused() -> Value {
    json!({ "$ref": "#/components/responses/Refused" })
}

fn unified(route: Unified) -> Value {
    let content = match route {
        Unified::Transcriptions => json!({
            "multipart/form-data": { "schema": { "$ref": "#/components/schemas/TranscriptionRequest" } },
        }),
        _ => json!({
            "application/json": { "schema": { "$ref": "#/components/schemas/ModelRequest" } },
        }),
    };
    json!({
        "tags": ["relay"],
        "operationId": route.path().trim_start_matches('/').replace('/', "_"),
        "summary": "OpenAI-shaped: the provider is found by the model",
        "description": "Sent to the provider's own OpenAI-compatible endpoint. An explicit prefix of the model decides (openai/, anthropic/, …), else its name, else OpenRouter.",
        "security": security(),
        "parameters": relay_parameters(true),
        "requestBody": { "required": true, "content": content },
        "responses": {
            "200": {
                "description": "The provider's answer.",
                "headers": relay_headers(),
                "content": {
                    "application/json": {},
                    "text/event-stream": { "schema": { "type": "string" } },
                    "*/*": {},
                },
            },
            "default": refused(),
        },
    })
}

fn models() -> Value {
    json!({ "get": {
        "tags": ["relay"],
        "operationId": "models",
        "summary": "The models of one provider, or of the catalogue",
        "security": [{}, { "byokKey": [] }, { "byokLease": [] }, { "appToken": [] }],
        "parameters": relay_parameters(false),
        "responses": {
            "200": {
                "description": "Without X-BYOK-Provider what the catalogue knows, else the provider's own list.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ModelList" } } },
            },
            "default": refused(),
        },
    }})
}

fn key_test() -> Value {
    json!({ "post": {
        "tags": ["caller"],
        "operationId": "test_key",
        "summary": "Asks the provider whether the key works",
        "security": [{ "byokKey": [] }, { "byokLease": [] }, { "byokKey": [], "appToken": [] }],
        "parameters": relay_parameters(false),
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/KeyTestRequest" } } },
        },
        "responses": {
            "200": {
                "description": "The verdict. Nothing the provider said is repeated.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/KeyTest" } } },
            },
            "default": refused(),
        },
    }})
}

fn connect() -> Value {
    json!({ "post": {
        "tags": ["caller"],
        "operationId": "connect_openrouter",
        "summary": "Trades the code of an OpenRouter sign-in (OAuth with PKCE) for a key",
        "description": "The key is encrypted to publicKey: ECDH on P-256, HKDF-SHA256 with info = 'keyferry connect openrouter v1' followed by both public keys, the asker's first, AES-256-GCM with a nonce of zeros.",
        "security": [],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ConnectRequest" } } },
        },
        "responses": {
            "200": {
                "description": "The key, for the asker's eyes only.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ConnectedKey" } } },
            },
            "default": refused(),
        },
    }})
}

fn connect_callback() -> Value {
    json!({ "get": {
        "tags": ["service"],
        "operationId": "connect_callback",
        "summary": "The page an OpenRouter sign-in comes back to",
        "security": [],
        "parameters": [
            { "name": "code", "in": "query", "schema": { "type": "string" } },
            { "name": "state", "in": "query", "schema": { "type": "string" } },
        ],
        "responses": {
            "200": { "description": "Hands both to the window that opened it.", "content": { "text/html": {} } },
            "default": refused(),
        },
    }})
}

fn usage() -> Value {
    json!({ "get": {
        "tags": ["caller"],
        "operationId": "usage",
        "summary": "What the caller has used",
        "security": [{ "byokKey": [] }, { "appToken": [] }],
        "parameters": [{
            "name": "days", "in": "query",
            "description": "UTC days to look back, today included.",
            "schema": { "type": "integer", "minimum": 1, "maximum": crate::store::RETENTION_DAYS, "default": 7 },
        }],
        "responses": {
            "200": {
                "description": "Calls, tokens and cost by day, provider, payer and model.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Usage" } } },
            },
            "default": refused(),
        },
    }})
}

fn limits() -> Value {
    json!({ "get": {
        "tags": ["caller"],
        "operationId": "limits",
        "summary": "What is left to the caller",
        "security": [{}, { "byokKey": [] }, { "appToken": [] }],
        "responses": {
            "200": {
                "description": "The limits that hold, and where the caller stands.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Limits" } } },
            },
            "default": refused(),
        },
    }})
}

fn well_known() -> Value {
    json!({ "get": {
        "tags": ["service"],
        "operationId": "description",
        "summary": "What a vault or an app must know before it uses this relay",
        "security": [],
        "responses": {
            "200": {
                "description": "The description.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Description" } } },
            },
            "default": refused(),
        },
    }})
}

fn healthz() -> Value {
    json!({ "get": {
        "tags": ["service"],
        "operationId": "live",
        "summary": "The process answers",
        "security": [],
        "responses": {
            "200": {
                "description": "It does.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Health" } } },
            },
            "default": refused(),
        },
    }})
}

fn readyz() -> Value {
    let document = |description: &str| {
        json!({
            "description": description,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Readiness" } } },
        })
    };
    json!({ "get": {
        "tags": ["service"],
        "operationId": "ready",
        "summary": "Whether a load balancer should send requests here",
        "security": [],
        "responses": {
            "200": document("It should; degraded names what is missing."),
            "503": document("The relay is shutting down."),
            "default": refused(),
        },
    }})
}

fn openapi() -> Value {
    json!({ "get": {
        "tags": ["service"],
        "operationId": "openapi",
        "summary": "This document",
        "security": [],
        "responses": {
            "200": {
                "description": "OpenAPI 3.1.",
                "content": { "application/json": { "schema": { "type": "object" } } },
            },
            "default": refused(),
        },
    }})
}
