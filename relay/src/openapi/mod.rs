//! The OpenAPI 3.1 description of the relay, made from what the code knows: the catalogue's
//! providers and endpoints, the unified routes, the error codes, the header names.
//!
//! The document says what the relay promises. Bodies of providers are theirs: of those it says
//! only what the relay itself reads.

mod jobs;
mod leases;
mod operations;
mod schemas;

use keyferry_protocol::Catalogue;
use keyferry_protocol::catalogue::Methods;
use serde_json::{Map, Value, json};

/// The document for a relay with these providers.
#[must_use]
pub(crate) fn document(catalogue: &Catalogue) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keyferry relay",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Relays calls to AI providers with the caller's own key, which it receives with each request and forgets.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "relay", "description": "Calls to providers." },
            { "name": "caller", "description": "What a caller may ask about itself." },
            { "name": "service", "description": "What the relay says of itself." },
        ],
        "paths": operations::paths(catalogue),
        "components": {
            "securitySchemes": schemas::security(),
            "headers": schemas::headers(),
            "responses": schemas::responses(),
            "schemas": schemas::schemas(catalogue),
        },
        "x-keyferry-endpoints": endpoints(catalogue),
    })
}

/// The endpoints each provider's passthrough relays, as `METHODS /path` with `*` for one segment
/// and `**` for any number of them.
fn endpoints(catalogue: &Catalogue) -> Value {
    let mut by_provider = Map::new();
    for provider in catalogue.iter() {
        let list: Vec<String> = provider
            .allow
            .iter()
            .map(|endpoint| {
                let methods = match endpoint.methods {
                    Methods::Get => "GET",
                    Methods::Post => "POST",
                    Methods::GetPost => "GET,POST",
                    Methods::Delete => "DELETE",
                    Methods::Any => "GET,POST,PUT,PATCH,DELETE",
                };
                format!("{methods} {}", endpoint.path)
            })
            .collect();
        by_provider.insert(provider.id.to_string(), json!(list));
    }
    Value::Object(by_provider)
}
