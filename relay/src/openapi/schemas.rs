//! The shapes that operations refer to.

use keyferry_protocol::catalogue::is_provider_id;
use keyferry_protocol::routing::MAX_MODEL;
use keyferry_protocol::{Catalogue, ErrorCode, Verdict, header as names};
use serde_json::{Map, Value, json};

use super::{jobs, leases};

pub(super) fn security() -> Value {
    json!({
        "byokKey": {
            "type": "apiKey", "in": "header", "name": "X-BYOK-Key",
            "description": "The caller's own provider key, plain or sealed (kf1.…).",
        },
        "byokLease": {
            "type": "apiKey", "in": "header", "name": "X-BYOK-Lease",
            "description": "A handle (kfl_…) in place of the key.",
        },
        "byokJob": {
            "type": "apiKey", "in": "header", "name": "X-BYOK-Job",
            "description": "The handle of a job (kfj_…).",
        },
        "appToken": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The app's token, where the operator asks for one.",
        },
    })
}

pub(super) fn headers() -> Value {
    let mut headers = Map::new();
    for (name, description, schema) in [
        (
            names::PAID_BY,
            "Whose key paid.",
            json!({ "enum": ["user", "server"] }),
        ),
        (
            names::PROVIDER,
            "The provider that answered.",
            json!({ "$ref": "#/components/schemas/ProviderId" }),
        ),
        (
            names::FALLBACK_REASON,
            "Why the operator's key paid.",
            json!({ "enum": ["no_user_key", "user_key_invalid", "provider_unreachable"] }),
        ),
        (
            names::PRICE,
            "What the model costs, in pico-dollars per token; absent when unknown.",
            json!({ "type": "string", "pattern": "^input=[0-9]+;output=[0-9]+$" }),
        ),
        (
            names::ERROR,
            "Code of an error the relay made; absent on the provider's own errors.",
            json!({ "$ref": "#/components/schemas/ErrorCode" }),
        ),
        (
            names::REQUEST_ID,
            "Joins the answer with the relay's logs.",
            json!({ "type": "string" }),
        ),
    ] {
        headers.insert(
            name.to_owned(),
            json!({ "description": description, "schema": schema }),
        );
    }
    Value::Object(headers)
}

pub(super) fn responses() -> Value {
    json!({
        "Refused": {
            "description": "The relay's refusal as a problem document (RFC 9457), which also carries the error object provider SDKs read; or, where X-BYOK-Error is absent, the provider's own.",
            "headers": {
                names::ERROR: { "$ref": format!("#/components/headers/{}", names::ERROR) },
                names::REQUEST_ID: { "$ref": format!("#/components/headers/{}", names::REQUEST_ID) },
            },
            "content": {
                "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
                "*/*": {},
            },
        },
    })
}

pub(super) fn schemas(catalogue: &Catalogue) -> Value {
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let ids: Vec<&str> = catalogue.iter().map(|row| &*row.id).collect();
    debug_assert!(ids.iter().all(|id| is_provider_id(id)));
    let model = json!({ "type": "string", "minLength": 1, "maxLength": MAX_MODEL, "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]+$" });
    let mut schemas = json!({
        "ProviderId": { "type": "string", "enum": ids },
        "ErrorCode": { "type": "string", "enum": codes },
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail", "code", "error"],
            "properties": {
                "type": { "type": "string" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "code": { "$ref": "#/components/schemas/ErrorCode" },
                "provider": { "$ref": "#/components/schemas/ProviderId" },
                "limit": { "type": "string", "description": "Name of the limit that was reached." },
                "error": {
                    "type": "object",
                    "required": ["message", "type", "code"],
                    "properties": {
                        "message": { "type": "string" },
                        "type": { "type": "string" },
                        "code": { "$ref": "#/components/schemas/ErrorCode" },
                    },
                },
            },
        },
        "ModelRequest": {
            "type": "object",
            "description": "What the provider takes; the relay reads only what is named here.",
            "required": ["model"],
            "properties": { "model": model, "stream": { "type": "boolean" } },
            "additionalProperties": true,
        },
        "TranscriptionRequest": {
            "type": "object",
            "required": ["file", "model"],
            "properties": {
                "file": { "type": "string", "contentMediaType": "application/octet-stream" },
                "model": model,
            },
            "additionalProperties": true,
        },
        "ModelList": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "object": { "const": "list" },
                "data": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["id"],
                        "properties": { "id": { "type": "string" } },
                    },
                },
            },
        },
        "ConnectRequest": {
            "type": "object",
            "required": ["code", "codeVerifier", "publicKey"],
            "properties": {
                "code": { "type": "string", "minLength": 1, "maxLength": 1024 },
                "codeVerifier": { "type": "string", "pattern": "^[A-Za-z0-9._~-]{43,128}$" },
                "publicKey": { "type": "string", "pattern": "^[A-Za-z0-9_-]{87}$", "description": "base64url of an uncompressed point of P-256." },
            },
            "additionalProperties": false,
        },
        "ConnectedKey": {
            "type": "object",
            "required": ["publicKey", "ciphertext"],
            "properties": {
                "publicKey": { "type": "string", "description": "base64url of the relay's one-time point of P-256." },
                "ciphertext": { "type": "string", "description": "base64url of ciphertext and tag." },
            },
            "additionalProperties": false,
        },
        "KeyTestRequest": {
            "type": "object",
            "required": ["provider"],
            "properties": {
                "provider": { "$ref": "#/components/schemas/ProviderId" },
                "deep": { "type": "boolean", "default": false, "description": "Also asks for one token of an answer." },
            },
            "additionalProperties": false,
        },
        "KeyTest": {
            "type": "object",
            "required": ["verdict", "latencyMs"],
            "properties": {
                "verdict": { "enum": verdicts() },
                "latencyMs": { "type": "integer", "minimum": 0 },
                "detail": { "type": "string" },
                "models": { "type": "array", "items": { "type": "string" } },
                "credit": {
                    "type": "object",
                    "required": ["currency"],
                    "properties": {
                        "remaining": { "type": "number" },
                        "used": { "type": "number" },
                        "limit": { "type": "number" },
                        "currency": { "type": "string" },
                    },
                },
            },
            "additionalProperties": false,
        },
        "Usage": {
            "type": "object",
            "required": ["from", "until", "usage", "totals"],
            "properties": {
                "from": { "type": "string", "format": "date" },
                "until": { "type": "string", "format": "date" },
                "usage": { "type": "array", "items": { "type": "object" } },
                "totals": { "type": "object", "required": ["user", "server"] },
            },
        },
        "Limits": {
            "type": "object",
            "required": ["degraded", "perProvider", "standing"],
            "properties": {
                "plan": { "type": ["string", "null"] },
                "degraded": { "type": "boolean" },
                "perProvider": { "type": "object", "required": ["user", "server"] },
                "standing": { "type": "array", "items": { "type": "object" } },
            },
        },
        "Description": {
            "type": "object",
            "required": ["version", "now", "providers", "features"],
            "properties": {
                "version": { "type": "string" },
                "now": { "type": "integer", "description": "Milliseconds since 1970, for clock skew." },
                "providers": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["id", "name", "origin", "serverKey", "unified"],
                        "properties": {
                            "id": { "$ref": "#/components/schemas/ProviderId" },
                            "name": { "type": "string" },
                            "origin": { "type": "string" },
                            "serverKey": { "type": "boolean" },
                            "unified": { "type": "array", "items": { "type": "string" } },
                        },
                    },
                },
                "features": { "type": "array", "items": { "type": "string" } },
                "sealing": {
                    "type": "object",
                    "required": ["keySet", "signature", "identity", "required"],
                    "properties": {
                        "keySet": { "type": "string" },
                        "signature": { "type": "string" },
                        "identity": { "type": "string" },
                        "required": { "type": "boolean" },
                    },
                },
                "connect": {
                    "type": "object",
                    "properties": { "openrouter": { "type": "string", "description": "Where a sign-in begins." } },
                },
                "vaultOrigin": { "type": "string" },
            },
        },
        "Health": {
            "type": "object",
            "required": ["status"],
            "properties": { "status": { "const": "ok" } },
        },
        "Readiness": {
            "type": "object",
            "required": ["status"],
            "properties": {
                "status": { "enum": ["ready", "draining"] },
                "degraded": { "type": "array", "items": { "type": "string" } },
            },
        },
    });
    if let Some(schemas) = schemas.as_object_mut() {
        schemas.append(&mut leases::schemas(&model));
        schemas.append(&mut jobs::schemas(&model));
    }
    schemas
}

fn verdicts() -> Vec<&'static str> {
    Verdict::ALL
        .iter()
        .map(|verdict| verdict.as_str())
        .collect()
}
