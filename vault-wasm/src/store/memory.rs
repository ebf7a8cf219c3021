//! A store in memory, with faults on demand.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use super::{Batch, Store, StoreError};
use crate::format::id::RecordKey;

/// Records in memory. Clones share them, as tabs share a database.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    records: Rc<RefCell<BTreeMap<RecordKey, Vec<u8>>>>,
    write_fault: Rc<Cell<Option<StoreError>>>,
    read_fault: Rc<Cell<Option<StoreError>>>,
    writes: Rc<Cell<u32>>,
    slow: Rc<Cell<bool>>,
    slow_reads: Rc<Cell<bool>>,
}

impl MemoryStore {
    /// Makes every write fail until told otherwise.
    pub fn fail_writes(&self, fault: Option<StoreError>) {
        self.write_fault.set(fault);
    }

    /// Makes every read fail until told otherwise.
    pub fn fail_reads(&self, fault: Option<StoreError>) {
        self.read_fault.set(fault);
    }

    /// Makes every write tell of its success late, until told otherwise.
    pub fn delay_writes(&self, slow: bool) {
        self.slow.set(slow);
    }

    /// Makes every read tell late what it found, until told otherwise.
    pub fn delay_reads(&self, slow: bool) {
        self.slow_reads.set(slow);
    }

    /// How many transactions have been committed.
    #[must_use]
    pub fn writes(&self) -> u32 {
        self.writes.get()
    }

    /// Everything at rest, to look at or to tamper with.
    pub fn with<R>(&self, look: impl FnOnce(&mut BTreeMap<RecordKey, Vec<u8>>) -> R) -> R {
        look(&mut self.records.borrow_mut())
    }
}

impl MemoryStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut records = self.records.borrow_mut();
        if records.get(&Batch::GUARD) != batch.guard.as_ref() {
            return Err(StoreError::Conflict);
        }
        if batch.clear {
            records.clear();
        }
        for (key, bytes) in &batch.puts {
            records.insert(*key, bytes.clone());
        }
        for key in &batch.deletes {
            records.remove(key);
        }
        self.writes.set(self.writes.get() + 1);
        Ok(())
    }
}

impl MemoryStore {
    async fn told(&self) {
        if self.slow_reads.get() {
            crate::testing::yield_now().await;
        }
    }
}

impl Store for MemoryStore {
    type Turn = ();

    async fn turn(&self) {}

    async fn read_all(&self) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        if let Some(fault) = self.read_fault.get() {
            return Err(fault);
        }
        let found = self
            .records
            .borrow()
            .iter()
            .map(|(key, bytes)| (*key, bytes.clone()))
            .collect();
        self.told().await;
        Ok(found)
    }

    async fn read(&self, key: RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(fault) = self.read_fault.get() {
            return Err(fault);
        }
        let found = self.records.borrow().get(&key).cloned();
        self.told().await;
        Ok(found)
    }

    async fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(fault) = self.write_fault.get() {
            return Err(fault);
        }
        self.commit(batch)?;
        if self.slow.get() {
            crate::testing::yield_now().await;
        }
        Ok(())
    }

    async fn destroy(&self) -> Result<(), StoreError> {
        if let Some(fault) = self.write_fault.get() {
            return Err(fault);
        }
        self.records.borrow_mut().clear();
        Ok(())
    }
}
