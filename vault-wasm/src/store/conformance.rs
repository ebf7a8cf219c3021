//! What every store must do. Run natively on memory and in a browser on IndexedDB.

use super::{Batch, Durability, Store, StoreError};
use crate::format::id::{Id, Kind, RecordKey};

const A: RecordKey = RecordKey::new(Kind::Metadata, Id::from_bytes([1; 16]));
const B: RecordKey = RecordKey::new(Kind::Secret, Id::from_bytes([2; 16]));

fn batch(guard: Option<&[u8]>, puts: &[(RecordKey, &[u8])], deletes: &[RecordKey]) -> Batch {
    Batch {
        guard: guard.map(<[u8]>::to_vec),
        clear: false,
        puts: puts
            .iter()
            .map(|(key, bytes)| (*key, bytes.to_vec()))
            .collect(),
        deletes: deletes.to_vec(),
        durability: Durability::Relaxed,
    }
}

#[allow(clippy::expect_used, reason = "a test suite fails by panicking")]
async fn names(store: &impl Store) -> Vec<RecordKey> {
    let mut names: Vec<_> = store
        .read_all()
        .await
        .expect("read")
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    names.sort();
    names
}

/// Runs the suite on an empty store and a second handle on the same records. Leaves it destroyed.
///
/// # Panics
/// When the store does not conform.
#[allow(clippy::expect_used, reason = "a test suite fails by panicking")]
pub async fn run<S: Store>(store: &S, other: &S) {
    // An empty store is empty, not an error.
    assert!(store.read_all().await.expect("read").is_empty());
    assert_eq!(store.read(A).await, Ok(None));

    // Nothing there yet is what the guard asks for, once.
    let first = batch(
        None,
        &[(Batch::GUARD, b"1"), (A, b"a"), (B, &[0, 255, 128])],
        &[],
    );
    assert_eq!(store.write(&first).await, Ok(()));
    assert_eq!(other.write(&first).await, Err(StoreError::Conflict));
    assert_eq!(other.read(B).await, Ok(Some(vec![0, 255, 128])));

    // A write whose guard does not hold changes nothing.
    let stale = batch(Some(b"0"), &[(Batch::GUARD, b"x"), (A, b"x")], &[B]);
    assert_eq!(store.write(&stale).await, Err(StoreError::Conflict));
    assert_eq!(store.read(A).await, Ok(Some(b"a".to_vec())));
    assert_eq!(names(store).await, [Batch::GUARD, A, B]);

    // Puts replace, deletes delete, both handles see it, absent deletes are fine.
    let second = batch(Some(b"1"), &[(Batch::GUARD, b"2"), (A, b"")], &[B, B]);
    assert_eq!(other.write(&second).await, Ok(()));
    assert_eq!(store.read(A).await, Ok(Some(Vec::new())));
    assert_eq!(names(store).await, [Batch::GUARD, A]);

    // Strict commits read back what they wrote.
    let big = vec![7; 100_000];
    let mut strict = batch(Some(b"2"), &[(Batch::GUARD, b"3"), (B, &big)], &[]);
    strict.durability = Durability::Strict;
    assert_eq!(store.write(&strict).await, Ok(()));
    assert_eq!(other.read(B).await, Ok(Some(big)));

    // Clearing and writing are one step.
    let mut fresh = batch(Some(b"3"), &[(Batch::GUARD, b"4")], &[]);
    fresh.clear = true;
    assert_eq!(store.write(&fresh).await, Ok(()));
    assert_eq!(names(other).await, [Batch::GUARD]);

    // Destroyed is empty again, and usable.
    assert_eq!(store.destroy().await, Ok(()));
    assert!(other.read_all().await.expect("read").is_empty());
    assert_eq!(other.write(&first).await, Ok(()));
    assert_eq!(other.destroy().await, Ok(()));
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use crate::{store::memory::MemoryStore, testing::block_on};

    #[test]
    fn memory_conforms() {
        let store = MemoryStore::default();
        block_on(super::run(&store, &store.clone()));
    }
}
