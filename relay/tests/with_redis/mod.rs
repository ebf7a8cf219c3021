//! What needs a Redis server: shared state, several relays and workers, and what happens when it fails.

mod faults;
mod jobs;
mod jobs_secrecy;
mod lease_secrecy;
mod leases;
mod ledger;
mod relay;
mod sealed;
mod store;
