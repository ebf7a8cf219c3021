//! Records at rest: one trait, two implementations (memory here, IndexedDB in `browser/`), and one
//! conformance suite that both pass.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
pub mod memory;

use std::future::Future;

use crate::format::id::RecordKey;

/// Why a store refused. A failed write has changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The guard no longer holds: somebody else wrote since.
    #[error("the stored vault changed meanwhile")]
    Conflict,
    /// The browser gives no more room.
    #[error("no storage space left")]
    Quota,
    /// The database was deleted or its connection is gone for good.
    #[error("the stored vault is gone")]
    Lost,
    /// The database belongs to a newer version of this program.
    #[error("the database belongs to a newer version")]
    Newer,
    /// The browser cannot read or write it.
    #[error("the storage failed")]
    Failed,
}

/// How hard a commit is pushed to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Fast; a power cut may undo the last moments.
    Relaxed,
    /// On the disk before it is reported done; what was written is read back in the same
    /// transaction.
    Strict,
}

/// Everything one transaction does.
#[derive(Debug)]
pub struct Batch {
    /// What [`Self::GUARD`] must hold for the transaction to go ahead; `None`: must not exist.
    pub guard: Option<Vec<u8>>,
    /// Empties the store first.
    pub clear: bool,
    /// Written in order.
    pub puts: Vec<(RecordKey, Vec<u8>)>,
    /// Deleted.
    pub deletes: Vec<RecordKey>,
    /// How hard.
    pub durability: Durability,
}

impl Batch {
    /// The record every write changes: comparing it is comparing the whole vault.
    pub const GUARD: RecordKey = RecordKey::MANIFEST;
}

/// A store of records.
pub trait Store {
    /// Ends the turn when it is dropped.
    type Turn;

    /// Waits for the turn to write. What is written outside of one is as whole, since the guard is
    /// compared in any case; within one nobody else writes between reading, planning and writing,
    /// so that nothing need be planned again and again.
    fn turn(&self) -> impl Future<Output = Self::Turn>;

    /// All records, as of one moment. An empty store is empty; one that cannot be read is an error.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read_all(&self) -> impl Future<Output = Result<Vec<(RecordKey, Vec<u8>)>, StoreError>>;

    /// One record.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read(&self, key: RecordKey) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>>;

    /// All or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    fn write(&self, batch: &Batch) -> impl Future<Output = Result<(), StoreError>>;

    /// Removes everything, the database included.
    ///
    /// # Errors
    /// [`StoreError`].
    fn destroy(&self) -> impl Future<Output = Result<(), StoreError>>;
}
