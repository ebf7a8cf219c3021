//! Leases: their paths and shapes.

use serde_json::{Map, Value, json};

use super::operations::{id_parameter, refused, relay_parameters};
use crate::store::MAX_LEASE_TTL;

/// The paths.
pub(super) fn paths() -> [(&'static str, Value); 2] {
    [("/v1/leases", create()), ("/v1/leases/{id}", one())]
}

fn create() -> Value {
    json!({ "post": {
        "tags": ["caller"],
        "operationId": "create_lease",
        "summary": "Keeps the key for minutes, and answers with a handle in its place",
        "description": "The handle is good wherever a key is, for calls to the lease's provider within its limits, and stands for its maker: no app token is needed with it. No answer holds the key.",
        "security": [{ "byokKey": [] }, { "byokKey": [], "appToken": [] }],
        "parameters": relay_parameters(false),
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/LeaseRequest" } } },
        },
        "responses": {
            "201": {
                "description": "The lease. The handle is shown once.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Lease" } } },
            },
            "default": refused(),
        },
    }})
}

fn one() -> Value {
    let security = json!([{ "byokLease": [] }, { "byokLease": [], "appToken": [] }]);
    json!({
        "parameters": id_parameter(),
        "get": {
            "tags": ["caller"],
            "operationId": "show_lease",
            "summary": "What the lease is good for",
            "security": security,
            "responses": {
                "200": {
                    "description": "Its terms, without key and handle.",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/LeaseTerms" } } },
                },
                "default": refused(),
            },
        },
        "delete": {
            "tags": ["caller"],
            "operationId": "clear_lease",
            "summary": "Ends the lease",
            "security": security,
            "responses": {
                "204": { "description": "The key is gone from the store." },
                "default": refused(),
            },
        },
    })
}

/// The shapes. `model` is that of a model's name.
pub(super) fn schemas(model: &Value) -> Map<String, Value> {
    let shapes = json!({
        "LeaseRequest": {
            "type": "object",
            "required": ["provider"],
            "properties": {
                "provider": { "$ref": "#/components/schemas/ProviderId" },
                "ttlSeconds": { "type": "integer", "minimum": 1, "maximum": MAX_LEASE_TTL.as_secs(), "default": MAX_LEASE_TTL.as_secs() },
                "maxUsd": { "type": "number", "exclusiveMinimum": 0, "description": "What all calls with it may cost together. Models without a known price are then refused." },
                "models": { "type": "array", "minItems": 1, "maxItems": 32, "items": model, "description": "The only models it runs." },
            },
            "additionalProperties": false,
        },
        "Lease": {
            "type": "object",
            "required": ["id", "handle", "provider", "expiresAt"],
            "properties": {
                "id": { "type": "string" },
                "handle": { "type": "string", "description": "kfl_<id>.<secret>: worth as much as the lease." },
                "provider": { "$ref": "#/components/schemas/ProviderId" },
                "expiresAt": { "type": "integer", "description": "Milliseconds since 1970." },
            },
            "additionalProperties": false,
        },
        "LeaseTerms": {
            "type": "object",
            "required": ["id", "provider", "expiresAt"],
            "properties": {
                "id": { "type": "string" },
                "provider": { "$ref": "#/components/schemas/ProviderId" },
                "expiresAt": { "type": "integer", "description": "Milliseconds since 1970." },
                "maxUsd": { "type": "number" },
                "models": { "type": "array", "items": { "type": "string" } },
            },
            "additionalProperties": false,
        },
    });
    match shapes {
        Value::Object(shapes) => shapes,
        _ => Map::new(),
    }
}
