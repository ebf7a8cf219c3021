//! The relay: receives a person's provider key with each request, calls the provider with it,
//! streams the answer back and forgets it.
//!
//! ```text
//! client ─► server ─► edge ─► routes ─► proxy ─► upstream ─► provider
//!                      │        │         │
//!                      │        │         └ bodies both ways, nothing held
//!                      │        └ auth, keys, providers: who calls, with which key, where to
//!                      └ credentials out of the headers, Host, Origin, hardening, access record
//! ```

mod auth;
mod cli;
pub mod config;
pub mod edge;
mod error;
mod harden;
mod keygen;
mod keys;
mod observe;
mod origin;
mod providers;
mod proxy;
mod request_id;
mod routes;
mod run;
mod secret;
mod server;
mod state;
pub mod telemetry;
mod upstream;

pub use auth::{Auth, Identity};
pub use cli::{Command, HELP, UsageError, parse as parse_arguments};
pub use config::{Config, ConfigError};
pub use error::ApiError;
pub use harden::forbid_core_dumps;
pub use keygen::keygen;
pub use observe::{End, Record};
pub use origin::{NotAnOrigin, Origin};
pub use providers::Providers;
pub use request_id::{RequestId, RequestIds};
pub use routes::app;
pub use run::{ServeError, healthcheck, serve};
pub use secret::Secret;
pub use server::{ConnectionLimits, Server};
pub use state::{Bound, Live, Relay, StartError};
pub use upstream::{TlsError, Upstream, UpstreamError};
