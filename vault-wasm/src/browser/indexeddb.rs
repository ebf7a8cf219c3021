//! Records in IndexedDB.
//!
//! rexie deletes the database. Its builder is not used: it would leave a moment in which another
//! tab's deletion makes a database without the object store, and it is a twelfth of the module's
//! size. Reading and writing needs what rexie does not pass on (the durability of a transaction, the
//! reason of its abort, the event `versionchange`), so that goes through web-sys.
//!
//! The connection is opened on demand and closes itself when another tab deletes or upgrades the
//! database; the browser may close it too (WebKit does). The next operation then opens another.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Array, Function, Promise, Uint8Array};
use rexie::Rexie;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DomException, IdbDatabase, IdbFactory, IdbObjectStore, IdbRequest, IdbTransaction};

use super::js::{self, Builder};
use crate::{
    format::id::RecordKey,
    store::{Batch, Durability, Store, StoreError},
};

const STORE: &str = "records";
/// Version of the database, not of the records in it: it only says that [`STORE`] exists.
const VERSION: u32 = 1;
/// How often an operation is tried when its connection turns out to be gone.
const ATTEMPTS: usize = 2;

#[wasm_bindgen]
extern "C" {
    /// `IDBDatabase`, for the one method web-sys counts as unstable.
    #[wasm_bindgen(extends = IdbDatabase)]
    type DurableDatabase;

    /// Indexed Database API 3.0 §4.4: `transaction(storeNames, mode, {durability})`.
    #[wasm_bindgen(method, catch, js_name = transaction)]
    fn transaction_with(
        this: &DurableDatabase,
        stores: &str,
        mode: &str,
        options: &JsValue,
    ) -> Result<IdbTransaction, JsValue>;
}

/// One database: `keyferry:<name>`.
#[derive(Clone)]
pub struct IndexedDb {
    name: Rc<str>,
    open: Rc<RefCell<Option<IdbDatabase>>>,
    turn: Option<Function>,
}

/// The turn to write: what ends it, where turns are taken.
pub struct Turn(Option<Function>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            // The shell's function does not throw.
            drop(end.call0(&JsValue::UNDEFINED));
        }
    }
}

/// What a transaction does: read, or write a batch.
#[derive(Clone, Copy)]
enum Work<'a> {
    ReadAll,
    Read(RecordKey),
    Write(&'a Batch),
    Clear,
}

enum WorkError {
    /// The transaction did not begin: the connection may be gone.
    NotBegun(StoreError),
    Failed(StoreError),
}

impl From<JsValue> for WorkError {
    fn from(error: JsValue) -> Self {
        Self::Failed(store_error(&error))
    }
}

type Records = Vec<(RecordKey, Vec<u8>)>;

impl IndexedDb {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(vault_name: &str) -> Self {
        Self {
            name: ["keyferry:", vault_name].concat().into(),
            open: Rc::default(),
            turn: None,
        }
    }

    /// Takes turns with other tabs by the shell's function, which resolves with what ends one.
    #[must_use]
    pub(super) fn taking_turns(mut self, turn: Option<Function>) -> Self {
        self.turn = turn;
        self
    }

    async fn connect(&self) -> Result<IdbDatabase, StoreError> {
        if let Some(open) = self.open.borrow().clone() {
            return Ok(open);
        }
        let database = open(&self.name)
            .await
            .map_err(|error| store_error(&error))?;
        // Closing at once lets another tab delete or upgrade the database.
        let close: Function = js::get(&database, "close").unchecked_into();
        database.set_onversionchange(Some(&close.bind0(&database)));
        *self.open.borrow_mut() = Some(database.clone());
        Ok(database)
    }

    fn disconnect(&self) {
        if let Some(open) = self.open.borrow_mut().take() {
            open.close();
        }
    }

    async fn work(&self, work: Work<'_>) -> Result<Records, StoreError> {
        let mut last = StoreError::Failed;
        for _ in 0..ATTEMPTS {
            match work_once(&self.connect().await?, work).await {
                Ok(records) => return Ok(records),
                Err(WorkError::Failed(error)) => return Err(error),
                Err(WorkError::NotBegun(error)) => last = error,
            }
            self.disconnect();
        }
        Err(last)
    }
}

impl Store for IndexedDb {
    type Turn = Turn;

    async fn turn(&self) -> Turn {
        let Some(turn) = &self.turn else {
            return Turn(None);
        };
        let end = js::call(turn, &JsValue::UNDEFINED).await;
        Turn(end.ok().and_then(|end| end.dyn_into().ok()))
    }

    async fn read_all(&self) -> Result<Records, StoreError> {
        self.work(Work::ReadAll).await
    }

    async fn read(&self, key: RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        let records = self.work(Work::Read(key)).await?;
        Ok(records.into_iter().next().map(|(_, bytes)| bytes))
    }

    async fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        self.work(Work::Write(batch)).await.map(drop)
    }

    async fn destroy(&self) -> Result<(), StoreError> {
        // Emptied first: deleting a database waits for connections of other tabs, this does not.
        self.work(Work::Clear).await?;
        self.disconnect();
        Rexie::delete(&self.name)
            .await
            .map_err(|_| StoreError::Failed)
    }
}

/// Opens a database, and makes it and its store where there is none: both in the one request, so
/// that no database is ever left without its store.
async fn open(name: &str) -> Result<IdbDatabase, JsValue> {
    let request = factory()?.open_with_u32(name, VERSION)?;
    let opening = Promise::new(&mut |resolve, reject| {
        request.set_onupgradeneeded(Some(&resolve));
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    drop(JsFuture::from(opening).await);
    // Only while a database is being made does the request have a transaction (§4.4), and that
    // stays active for the microtasks of its event, of which this is one.
    if let Some(making) = request.transaction() {
        let made = finished(&request);
        let database: IdbDatabase = request.result()?.unchecked_into();
        if let Err(error) = database.create_object_store(STORE) {
            // Without its store it must not come to be: undone, this request fails.
            making.abort()?;
            return Err(error);
        }
        made.await?;
    }
    finished_result(&request).map(JsCast::unchecked_into)
}

/// One transaction: committed whole, or aborted.
async fn work_once(database: &IdbDatabase, work: Work<'_>) -> Result<Records, WorkError> {
    let (mode, durability) = match work {
        Work::ReadAll | Work::Read(_) => ("readonly", "default"),
        Work::Write(batch) if batch.durability == Durability::Relaxed => ("readwrite", "relaxed"),
        Work::Write(_) | Work::Clear => ("readwrite", "strict"),
    };
    let transaction = database
        .unchecked_ref::<DurableDatabase>()
        .transaction_with(
            STORE,
            mode,
            &Builder::new().set("durability", durability).build(),
        )
        .map_err(|error| WorkError::NotBegun(store_error(&error)))?;
    let committed = Promise::new(&mut |resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
    });
    let outcome = requests(&transaction, work).await;
    if outcome.is_err() {
        // Already aborted when a request failed by itself; then this throws and changes nothing.
        drop(transaction.abort());
    }
    let committed = JsFuture::from(committed).await;
    match (outcome, committed) {
        (Ok(records), Ok(_)) => Ok(records),
        (Err(error), _) => Err(error),
        (Ok(_), Err(_)) => {
            let reason = transaction
                .error()
                .map_or(JsValue::UNDEFINED, JsValue::from);
            Err(WorkError::Failed(store_error(&reason)))
        }
    }
}

async fn requests(transaction: &IdbTransaction, work: Work<'_>) -> Result<Records, WorkError> {
    let store = transaction.object_store(STORE)?;
    let mut records = Records::new();
    match work {
        Work::ReadAll => {
            let names = store.get_all_keys()?;
            let values = store.get_all()?;
            let names: Array = finished(&names).await?.unchecked_into();
            let values: Array = finished(&values).await?.unchecked_into();
            for (name, value) in names.iter().zip(values.iter()) {
                // What this program never names is not its own.
                let key = name
                    .as_string()
                    .and_then(|name| RecordKey::parse_name(&name));
                if let Some(key) = key {
                    records.push((key, to_bytes(&value)));
                }
            }
        }
        Work::Read(key) => {
            if let Some(bytes) = get(&store, key).await? {
                records.push((key, bytes));
            }
        }
        Work::Write(batch) => write(&store, batch).await?,
        Work::Clear => {
            store.clear()?;
        }
    }
    Ok(records)
}

async fn write(store: &IdbObjectStore, batch: &Batch) -> Result<(), WorkError> {
    if get(store, Batch::GUARD).await? != batch.guard {
        return Err(WorkError::Failed(StoreError::Conflict));
    }
    if batch.clear {
        store.clear()?;
    }
    for key in &batch.deletes {
        store.delete(&name_of(*key))?;
    }
    for (key, bytes) in &batch.puts {
        store.put_with_key(&Uint8Array::from(bytes.as_slice()), &name_of(*key))?;
    }
    if batch.durability == Durability::Strict {
        for (key, bytes) in &batch.puts {
            if get(store, *key).await?.as_ref() != Some(bytes) {
                return Err(WorkError::Failed(StoreError::Failed));
            }
        }
    }
    Ok(())
}

async fn get(store: &IdbObjectStore, key: RecordKey) -> Result<Option<Vec<u8>>, WorkError> {
    let value = finished(&store.get(&name_of(key))?.unchecked_into()).await?;
    Ok((!value.is_undefined()).then(|| to_bytes(&value)))
}

fn name_of(key: RecordKey) -> JsValue {
    JsValue::from_str(&key.to_name())
}

/// The bytes of a stored value; what is none of ours is no bytes, and fails to open later.
fn to_bytes(value: &JsValue) -> Vec<u8> {
    value
        .dyn_ref::<Uint8Array>()
        .map(Uint8Array::to_vec)
        .unwrap_or_default()
}

fn factory() -> Result<IdbFactory, JsValue> {
    js::get(&js_sys::global(), "indexedDB").dyn_into()
}

/// Waits for a request: its result, or the `DOMException` it failed with.
async fn finished(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    drop(JsFuture::from(promise).await);
    finished_result(request)
}

/// What a request ended with.
fn finished_result(request: &IdbRequest) -> Result<JsValue, JsValue> {
    match request.error()? {
        None => request.result(),
        Some(error) => Err(error.into()),
    }
}

/// By the name of the `DOMException` (Indexed Database API 3.0 §3).
fn store_error(error: &JsValue) -> StoreError {
    let name = error.dyn_ref::<DomException>().map(DomException::name);
    match name.as_deref() {
        Some("QuotaExceededError") => StoreError::Quota,
        Some("VersionError") => StoreError::Newer,
        Some("NotFoundError") => StoreError::Lost,
        _ => StoreError::Failed,
    }
}
