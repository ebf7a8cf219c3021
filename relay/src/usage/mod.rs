//! Use and cost of calls: measured before, read from the answer, counted after, reported.
//!
//! ```text
//! request ─► measure ─► Quote ─► limits::admit ─► Ticket ─► Meter ◄─ answer's bytes
//!                                                             │
//!                            GET /v1/usage ◄─ store ◄─ settle ┘
//! ```

mod begin;
mod meter;
mod quote;
mod report;
pub(crate) mod routes;

pub(crate) use begin::{Costing, Metering, asking_for_usage, wants_usage};
pub use meter::Meter;
pub use quote::{Quote, Size, measure};
pub use report::{LimitsReport, UsageReport, limits_report, usage_report};
