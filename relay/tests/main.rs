//! The relay from outside: over real TCP, mostly within this process, sometimes as the binary.
//!
//! All of it is one program, which links the relay once. A file here is a module below, named for
//! what it tests; those in [`with_redis`] start Redis servers, the others need none.
//!
//! ```text
//! cargo test --package keyferry-relay --test relay payer::
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, and what helps them, fail by panicking"
)]

mod auth_tokens;
mod cancellation;
mod concurrency;
mod config;
mod conformance;
mod connect;
mod edge;
mod http_limits;
mod jobs_bucket;
mod jobs_http;
mod key_test;
mod leak;
mod leases;
mod limits_http;
mod local_ledger;
mod local_store;
mod metrics_exposition;
mod openapi_document;
mod operation_nginx;
mod operation_process;
mod operation_samples;
mod operation_tls;
mod over_http2;
mod panic;
mod passthrough;
mod payer;
mod sealed;
mod spend_http;
mod streaming;
mod support;
mod tiers_native;
mod tiers_unified;
mod unified;
mod upstream_pool;
mod upstream_tls;
mod with_redis;
