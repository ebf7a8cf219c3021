//! Records in IndexedDB.
//!
//! rexie opens the database, makes its one object store and reads. Writing needs what rexie does not
//! pass on (the durability of a transaction, the reason of its abort, the events `versionchange` and
//! `close`), so a second connection to the same database does that through web-sys.
//!
//! Both connections are opened on demand and given up when the browser says so: another tab deletes
//! or upgrades the database, or the browser closed the connection by itself (WebKit does).

use std::{cell::RefCell, rc::Rc};

use js_sys::{Promise, Uint8Array};
use rexie::{ObjectStore, Rexie, TransactionMode};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DomException, Event, IdbDatabase, IdbObjectStore, IdbRequest, IdbTransaction};

use super::js::Builder;
use crate::{
    format::id::RecordKey,
    store::{Batch, Durability, Store, StoreError},
};

const STORE: &str = "records";
/// Version of the database, not of the records in it: it only says that [`STORE`] exists.
const VERSION: u32 = 1;
/// How often an operation is tried when its connection turns out to be gone.
const ATTEMPTS: usize = 2;

/// One database: `keyferry:<name>`.
#[derive(Clone)]
pub struct IndexedDb {
    name: Rc<str>,
    open: Rc<RefCell<Option<Connections>>>,
}

#[derive(Clone)]
struct Connections(Rc<ConnectionsInner>);

struct ConnectionsInner {
    reader: RefCell<Option<Rexie>>,
    writer: IdbDatabase,
    /// Kept alive as long as the connection.
    _gone: Closure<dyn FnMut(Event)>,
}

impl Drop for ConnectionsInner {
    fn drop(&mut self) {
        self.writer.set_onversionchange(None);
        self.writer.set_onclose(None);
        self.writer.close();
        if let Some(reader) = self.reader.take() {
            reader.close();
        }
    }
}

impl IndexedDb {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(vault_name: &str) -> Self {
        let name = ["keyferry:", vault_name].concat();
        Self {
            name: name.into(),
            open: Rc::default(),
        }
    }

    async fn connect(&self) -> Result<Connections, StoreError> {
        if let Some(open) = self.open.borrow().clone() {
            return Ok(open);
        }
        let reader = Rexie::builder(&self.name)
            .version(VERSION)
            .add_object_store(ObjectStore::new(STORE))
            .build()
            .await
            .map_err(|error| rexie_error(&error))?;
        let writer = open_database(&self.name).await?;

        let slot = Rc::downgrade(&self.open);
        let gone = Closure::new(move |_: Event| {
            // Taken out first: dropping closes, and a borrow must not be held meanwhile.
            let taken = slot.upgrade().and_then(|slot| slot.borrow_mut().take());
            drop(taken);
        });
        writer.set_onversionchange(Some(gone.as_ref().unchecked_ref()));
        writer.set_onclose(Some(gone.as_ref().unchecked_ref()));
        let connections = Connections(Rc::new(ConnectionsInner {
            reader: RefCell::new(Some(reader)),
            writer,
            _gone: gone,
        }));
        *self.open.borrow_mut() = Some(connections.clone());
        Ok(connections)
    }

    fn disconnect(&self) {
        let taken = self.open.borrow_mut().take();
        drop(taken);
    }

    async fn read_with<R>(
        &self,
        read: impl AsyncFn(&rexie::Store) -> rexie::Result<R>,
    ) -> Result<R, StoreError> {
        let mut last = StoreError::Failed;
        for _ in 0..ATTEMPTS {
            let connections = self.connect().await?;
            let store = {
                let reader = connections.0.reader.borrow();
                match reader.as_ref() {
                    Some(reader) => reader
                        .transaction(&[STORE], TransactionMode::ReadOnly)
                        .and_then(|transaction| transaction.store(STORE)),
                    None => return Err(StoreError::Failed),
                }
            };
            let result = match store {
                Ok(store) => read(&store).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(result) => return Ok(result),
                Err(error) => last = rexie_error(&error),
            }
            self.disconnect();
        }
        Err(last)
    }

    async fn write_once(&self, batch: &Batch) -> Result<(), WriteError> {
        let connections = self.connect().await.map_err(WriteError::Store)?;
        let transaction = begin(&connections.0.writer, batch.durability)?;
        let done = settled(&transaction);
        let outcome = run(&transaction, batch).await;
        if outcome.is_err() {
            // Already aborted when a request failed by itself; then this throws and changes nothing.
            drop(transaction.abort());
        }
        let settled = JsFuture::from(done).await;
        match (outcome, settled) {
            (Ok(()), Ok(_)) => Ok(()),
            (Err(WriteError::Store(error)), _) => Err(WriteError::Store(error)),
            (_, Err(reason)) => Err(WriteError::Store(js_error(&reason))),
            (Err(error), Ok(_)) => Err(error),
        }
    }
}

enum WriteError {
    /// The transaction did not begin: the connection may be gone.
    NotBegun(StoreError),
    Store(StoreError),
}

impl Store for IndexedDb {
    async fn read_all(&self) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        let (names, values) = self
            .read_with(async |store| {
                // Both requests are of one transaction: one moment.
                let names = store.get_all_keys(None, None).await?;
                let values = store.get_all(None, None).await?;
                Ok((names, values))
            })
            .await?;
        let mut records = Vec::with_capacity(names.len());
        for (name, value) in names.into_iter().zip(values) {
            let key = name
                .as_string()
                .and_then(|name| RecordKey::parse_name(&name));
            // What this program never names is not its own.
            if let Some(key) = key {
                records.push((key, to_bytes(&value)));
            }
        }
        Ok(records)
    }

    async fn read(&self, key: RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        let name = JsValue::from_str(&key.to_name());
        let value = self
            .read_with(async |store| store.get(name.clone()).await)
            .await?;
        Ok(value.map(|value| to_bytes(&value)))
    }

    async fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut last = StoreError::Failed;
        for _ in 0..ATTEMPTS {
            match self.write_once(batch).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Store(error)) => return Err(error),
                Err(WriteError::NotBegun(error)) => last = error,
            }
            self.disconnect();
        }
        Err(last)
    }

    async fn destroy(&self) -> Result<(), StoreError> {
        // Emptied first: deleting a database waits for connections of other tabs, this does not.
        let connections = self.connect().await?;
        let transaction = begin(&connections.0.writer, Durability::Strict).map_err(store_error)?;
        let done = settled(&transaction);
        let store = transaction
            .object_store(STORE)
            .map_err(|error| js_error(&error))?;
        store.clear().map_err(|error| js_error(&error))?;
        JsFuture::from(done)
            .await
            .map_err(|reason| js_error(&reason))?;
        drop(connections);
        self.disconnect();
        Rexie::delete(&self.name)
            .await
            .map_err(|error| rexie_error(&error))
    }
}

fn store_error(error: WriteError) -> StoreError {
    match error {
        WriteError::NotBegun(error) | WriteError::Store(error) => error,
    }
}

/// Opens the existing database at whatever version it has.
async fn open_database(name: &str) -> Result<IdbDatabase, StoreError> {
    let factory = js_sys::Reflect::get(&js_sys::global(), &"indexedDB".into())
        .ok()
        .and_then(|factory| factory.dyn_into::<web_sys::IdbFactory>().ok())
        .ok_or(StoreError::Failed)?;
    let request = factory.open(name).map_err(|error| js_error(&error))?;
    let opened = finished(&request).await.map_err(|error| js_error(&error))?;
    opened.dyn_into().map_err(|_| StoreError::Failed)
}

#[wasm_bindgen]
extern "C" {
    /// `IDBDatabase`, for the one method web-sys counts as unstable.
    #[wasm_bindgen(extends = IdbDatabase)]
    type DurableDatabase;

    /// Indexed Database API 3.0 §4.4: `transaction(storeNames, mode, {durability})`.
    #[wasm_bindgen(method, catch, js_name = transaction)]
    fn transaction_with(
        this: &DurableDatabase,
        stores: &JsValue,
        mode: &str,
        options: &JsValue,
    ) -> Result<IdbTransaction, JsValue>;
}

fn begin(database: &IdbDatabase, durability: Durability) -> Result<IdbTransaction, WriteError> {
    let durability = match durability {
        Durability::Relaxed => "relaxed",
        Durability::Strict => "strict",
    };
    database
        .unchecked_ref::<DurableDatabase>()
        .transaction_with(
            &JsValue::from_str(STORE),
            "readwrite",
            &Builder::new().set("durability", durability).build(),
        )
        .map_err(|error| WriteError::NotBegun(js_error(&error)))
}

/// The requests of one write, in one transaction that the caller aborts on an error.
async fn run(transaction: &IdbTransaction, batch: &Batch) -> Result<(), WriteError> {
    let failed = |error: JsValue| WriteError::Store(js_error(&error));
    let store = transaction.object_store(STORE).map_err(failed)?;

    let guard = store
        .get(&JsValue::from_str(&Batch::GUARD.to_name()))
        .map_err(failed)?;
    let guard = finished(&guard).await.map_err(failed)?;
    let guard = (!guard.is_undefined()).then(|| to_bytes(&guard));
    if guard != batch.guard {
        return Err(WriteError::Store(StoreError::Conflict));
    }

    if batch.clear {
        store.clear().map_err(failed)?;
    }
    for key in &batch.deletes {
        store
            .delete(&JsValue::from_str(&key.to_name()))
            .map_err(failed)?;
    }
    for (key, bytes) in &batch.puts {
        let value = Uint8Array::from(bytes.as_slice());
        store
            .put_with_key(&value, &JsValue::from_str(&key.to_name()))
            .map_err(failed)?;
    }
    if batch.durability == Durability::Strict {
        for (key, bytes) in &batch.puts {
            read_back(&store, *key, bytes).await?;
        }
    }
    Ok(())
}

async fn read_back(store: &IdbObjectStore, key: RecordKey, bytes: &[u8]) -> Result<(), WriteError> {
    let failed = |error: JsValue| WriteError::Store(js_error(&error));
    let request = store
        .get(&JsValue::from_str(&key.to_name()))
        .map_err(failed)?;
    let value = finished(&request).await.map_err(failed)?;
    if to_bytes(&value) == bytes {
        Ok(())
    } else {
        Err(WriteError::Store(StoreError::Failed))
    }
}

/// The bytes of a stored value; what is none of ours is no bytes, and fails to open later.
fn to_bytes(value: &JsValue) -> Vec<u8> {
    value
        .dyn_ref::<Uint8Array>()
        .map(Uint8Array::to_vec)
        .unwrap_or_default()
}

/// A request's result, or the `DOMException` it failed with.
async fn finished(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        let done = request.clone();
        let success = Closure::once_into_js(move |_: Event| {
            let result = done.result().unwrap_or(JsValue::UNDEFINED);
            drop(resolve.call1(&JsValue::UNDEFINED, &result));
        });
        let done = request.clone();
        let failure = Closure::once_into_js(move |_: Event| {
            let error = done
                .error()
                .ok()
                .flatten()
                .map_or(JsValue::UNDEFINED, JsValue::from);
            drop(reject.call1(&JsValue::UNDEFINED, &error));
        });
        request.set_onsuccess(Some(success.unchecked_ref()));
        request.set_onerror(Some(failure.unchecked_ref()));
    });
    JsFuture::from(promise).await
}

/// Resolves when the transaction has been committed, rejects with its error when it was aborted.
fn settled(transaction: &IdbTransaction) -> Promise {
    Promise::new(&mut |resolve, reject| {
        let complete = Closure::once_into_js(move |_: Event| {
            drop(resolve.call0(&JsValue::UNDEFINED));
        });
        let aborted = transaction.clone();
        let abort = Closure::once_into_js(move |_: Event| {
            let error = aborted.error().map_or(JsValue::UNDEFINED, JsValue::from);
            drop(reject.call1(&JsValue::UNDEFINED, &error));
        });
        transaction.set_oncomplete(Some(complete.unchecked_ref()));
        transaction.set_onabort(Some(abort.unchecked_ref()));
    })
}

fn rexie_error(error: &rexie::Error) -> StoreError {
    use std::error::Error as _;
    // rexie wraps idb's error, which keeps the exception only as part of its message.
    let message = error.source().map(ToString::to_string).unwrap_or_default();
    classify(&message)
}

fn js_error(error: &JsValue) -> StoreError {
    match error.dyn_ref::<DomException>() {
        Some(exception) => classify(&exception.name()),
        None => StoreError::Failed,
    }
}

/// By the name of the `DOMException` (Indexed Database API 3.0 §3).
fn classify(text: &str) -> StoreError {
    for (name, error) in [
        ("QuotaExceededError", StoreError::Quota),
        ("VersionError", StoreError::Newer),
        ("NotFoundError", StoreError::Lost),
    ] {
        if text.contains(name) {
            return error;
        }
    }
    StoreError::Failed
}
