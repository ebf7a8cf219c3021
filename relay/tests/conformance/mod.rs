//! What every implementation of a trait must do, run on each of them.

pub(crate) mod ledger;
pub(crate) mod store;
