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
mod body;
mod callers;
mod check_report;
mod cli;
pub mod config;
pub mod edge;
mod error;
mod handle;
mod harden;
mod hazmat;
mod idle;
pub mod jobs;
mod keygen;
mod keys;
mod leases;
pub mod limits;
mod metrics;
mod observe;
mod openapi;
mod origin;
mod payer;
mod prices;
mod providers;
mod proxy;
mod reload;
mod request_id;
mod routes;
mod run;
mod sealing;
mod secret;
mod server;
mod signals;
mod state;
pub mod store;
pub mod telemetry;
mod tiers;
mod tls;
mod upstream;
pub mod usage;
mod wishes;
mod worker;

pub use auth::{Auth, AuthError, FetchFuture, Identity, JwksSource, Subject, TokenVerifier};
pub use body::WholeBody;
pub use cli::{Command, HELP, UsageError, parse as parse_arguments};
pub use config::{Config, ConfigError};
pub use edge::EdgeLayer;
pub use error::ApiError;
pub use harden::forbid_core_dumps;
pub use keygen::{NewIdentity, keygen, keygen_identity};
pub use metrics::{FinishedRequest, Metrics, OpenGuard, UpstreamFailure};
pub use observe::{End, Record};
pub use origin::{NotAnOrigin, Origin};
pub use prices::{PriceSettings, Prices};
pub use providers::Providers;
pub use request_id::{RequestId, RequestIds};
pub use routes::{Routes, admin, app, templates};
pub use run::{ServeError, check, healthcheck, serve};
pub use secret::Secret;
pub use server::{Application, ConnectionLimits, Liveness, Server};
pub use state::{Bound, Live, Relay, StartError};
pub use tiers::{Gate, Named, RequestFacts, Tier, Tiers, named};
pub use tls::{CertificateError, Certificates};
#[doc(hidden)] // for fuzzing
pub use upstream::read_answer;
pub use upstream::{
    AnswerBody, BodyError, Broken, Everything, Keep, TlsError, Upstream, UpstreamError,
};
pub use worker::work;
