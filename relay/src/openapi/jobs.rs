//! Jobs: their paths and shapes.

use serde_json::{Map, Value, json};

use super::operations::{id_parameter, refused, relay_parameters};
use crate::jobs::{Kind, Phase, State};

/// The paths.
pub(super) fn paths() -> [(&'static str, Value); 3] {
    [
        ("/v1/jobs", create()),
        ("/v1/jobs/{id}", one()),
        ("/v1/jobs/{id}/events", events()),
    ]
}

fn create() -> Value {
    json!({ "post": {
        "tags": ["caller"],
        "operationId": "create_job",
        "summary": "Takes work that goes on after its maker has left",
        "description": "A chat as JSON, a transcription as a form. It is paid with the key, kept as a lease of five minutes at most, or with the lease; never with the operator's key. A job that has not begun when its lease ends fails with lease_expired.",
        "security": [
            { "byokKey": [] },
            { "byokLease": [] },
            { "byokKey": [], "appToken": [] },
            { "byokLease": [], "appToken": [] },
        ],
        "parameters": relay_parameters(false),
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": { "$ref": "#/components/schemas/ChatJobRequest" } },
            "multipart/form-data": { "schema": { "$ref": "#/components/schemas/TranscriptionJobRequest" } },
        }},
        "responses": {
            "202": {
                "description": "The job is queued. The handle is shown once.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/JobReceipt" } } },
            },
            "default": refused(),
        },
    }})
}

fn security() -> Value {
    json!([{ "byokJob": [] }, { "byokJob": [], "appToken": [] }])
}

fn one() -> Value {
    json!({
        "parameters": id_parameter(),
        "get": {
            "tags": ["caller"],
            "operationId": "show_job",
            "summary": "How the job stands, and its result",
            "security": security(),
            "responses": {
                "200": {
                    "description": "The job.",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Job" } } },
                },
                "default": refused(),
            },
        },
        "delete": {
            "tags": ["caller"],
            "operationId": "cancel_job",
            "summary": "Cancels the job; forgets it when it has ended",
            "security": security(),
            "responses": {
                "204": { "description": "It will not run on, or is forgotten." },
                "default": refused(),
            },
        },
    })
}

fn events() -> Value {
    json!({
        "parameters": id_parameter(),
        "get": {
            "tags": ["caller"],
            "operationId": "job_events",
            "summary": "The job's changes as they happen",
            "description": "Server-sent events of the name `status`, each with the same JSON as GET /v1/jobs/{id}: one at once, one for each change, the last with the result or error. Then the stream ends.",
            "security": security(),
            "responses": {
                "200": {
                    "description": "The events.",
                    "content": { "text/event-stream": { "schema": { "type": "string" } } },
                },
                "default": refused(),
            },
        },
    })
}

/// The shapes. `model` is that of a model's name.
pub(super) fn schemas(model: &Value) -> Map<String, Value> {
    let kind = json!({ "enum": Kind::ALL.map(Kind::as_str) });
    let states = State::ALL.map(State::as_str);
    let phases = Phase::ALL.map(Phase::as_str);
    let time = json!({ "type": "integer", "description": "Milliseconds since 1970." });
    let shapes = json!({
        "ChatJobRequest": {
            "type": "object",
            "required": ["kind", "request"],
            "properties": {
                "kind": { "const": Kind::Chat.as_str() },
                "request": {
                    "type": "object",
                    "description": "An OpenAI chat completion body, not streamed.",
                    "required": ["model", "messages"],
                    "properties": { "model": model, "messages": { "type": "array" }, "stream": { "const": false } },
                    "additionalProperties": true,
                },
            },
            "additionalProperties": false,
        },
        "TranscriptionJobRequest": {
            "type": "object",
            "required": ["kind", "model", "file"],
            "properties": {
                "kind": { "const": Kind::Transcription.as_str() },
                "model": model,
                "file": { "type": "string", "contentMediaType": "application/octet-stream", "description": "flac, mp3, mp4, mpeg, m4a, ogg, wav or webm." },
                "language": { "type": "string" },
                "prompt": { "type": "string" },
                "response_format": { "enum": ["json", "verbose_json", "text"] },
                "temperature": { "type": "string" },
                "timestamp_granularities[]": { "type": "array", "items": { "type": "string" } },
                "then": { "type": "string", "description": "JSON: an OpenAI chat completion body. The transcript becomes its last user message." },
            },
            "additionalProperties": false,
        },
        "JobReceipt": {
            "type": "object",
            "required": ["id", "handle", "kind", "status", "createdAt", "expiresAt"],
            "properties": {
                "id": { "type": "string" },
                "handle": { "type": "string", "description": "kfj_<id>.<secret>: opens the job and its result." },
                "kind": kind,
                "status": { "const": State::Queued.as_str() },
                "createdAt": time,
                "expiresAt": { "type": "integer", "description": "When the lease that pays ends." },
            },
            "additionalProperties": false,
        },
        "Job": {
            "type": "object",
            "required": ["id", "kind", "status", "progress", "attempts", "createdAt", "updatedAt", "expiresAt", "result", "error", "usage", "paidBy"],
            "properties": {
                "id": { "type": "string" },
                "kind": kind,
                "status": { "enum": states },
                "progress": {
                    "type": "object",
                    "required": ["phase", "percent"],
                    "properties": {
                        "phase": { "enum": phases },
                        "percent": { "type": ["integer", "null"] },
                    },
                    "additionalProperties": false,
                },
                "attempts": { "type": "integer", "minimum": 0 },
                "createdAt": time,
                "updatedAt": time,
                "expiresAt": { "type": "integer", "description": "Until it has ended, when the lease that pays ends; then, when the job is forgotten." },
                "result": {
                    "type": ["object", "null"],
                    "description": "The provider's answers, as it wrote them.",
                    "properties": {
                        "transcription": { "type": "object", "additionalProperties": true },
                        "chat": { "type": "object", "additionalProperties": true },
                    },
                    "additionalProperties": false,
                },
                "error": {
                    "type": ["object", "null"],
                    "required": ["code", "message"],
                    "properties": {
                        "code": { "$ref": "#/components/schemas/ErrorCode" },
                        "message": { "type": "string" },
                        "status": { "type": "integer", "description": "Of the answer that failed the job." },
                    },
                    "additionalProperties": false,
                },
                "usage": { "type": "array", "items": { "type": "object", "additionalProperties": true } },
                "paidBy": { "enum": ["user", null] },
            },
            "additionalProperties": false,
        },
    });
    match shapes {
        Value::Object(shapes) => shapes,
        _ => Map::new(),
    }
}
