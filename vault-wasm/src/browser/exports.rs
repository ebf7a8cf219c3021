//! What the worker shell calls: one class, plain objects in and out, errors as `{code, message}`.
//!
//! Operations go through one export, [`Vault::call`]; `ops.rs` says which there are.

use std::{pin::Pin, rc::Rc};

use js_sys::{Function, Promise};
use keyferry_protocol::base64url;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use web_sys::{AbortSignal, Response};

use super::{
    convert::{fetch_request, minutes_in_range, refusal_object, snapshot},
    js::{self, Builder},
    meter::metered,
    ops,
    world::Browser,
};
use crate::{
    error::{Arg, Error},
    fetch::{FetchError, Meter, Outcome, Relay},
    format::id::Id,
    lock::{DEFAULT_IDLE_MINUTES, Reason},
    vault::{self, Config},
};

type Outward = Result<JsValue, JsValue>;
type Inner = Rc<vault::Vault<Browser>>;

/// One vault. The shell makes one per WASM instance and throws the instance away after a lock.
#[wasm_bindgen]
pub struct Vault {
    inner: Inner,
}

/// Runs a call as a promise. Takes it boxed, so that the wrapping is compiled once.
fn promise(work: Pin<Box<dyn Future<Output = Outward>>>) -> Promise {
    wasm_bindgen_futures::future_to_promise(work)
}

/// Writes usage and audit events behind a call. What cannot be written stays in memory and is
/// written behind the next.
fn flush_behind(vault: Inner) -> Promise {
    promise(Box::pin(async move {
        drop(vault.flush().await);
        Ok(JsValue::UNDEFINED)
    }))
}

#[wasm_bindgen]
impl Vault {
    /// `{name, relay, relayKey?, autoLockMinutes?, guesses, emit, now?, turn?}` → a vault.
    pub fn open(config: JsValue) -> Promise {
        promise(Box::pin(async move {
            let opened = match settled(&config) {
                Ok((browser, config)) => vault::Vault::open(browser, config).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok(inner) => Ok(Self {
                    inner: Rc::new(inner),
                }
                .into()),
                Err(error) => Err(js::error(&error)),
            }
        }))
    }

    /// Runs one of the operations of `ops.rs`.
    pub fn call(&self, op: &str, args: JsValue) -> Promise {
        let vault = Rc::clone(&self.inner);
        // Begun here and now, so that a lock that comes next ends it.
        let steps = ops::begin(&vault, op, &args);
        promise(Box::pin(async move {
            let outcome = match steps {
                Ok(steps) => vault.run(steps).await,
                Err(error) => Err(error),
            };
            outcome.map_err(|error| js::error(&error))
        }))
    }

    /// `{state, providers, lockAt, warnAt, damaged}`
    pub fn snapshot(&self) -> JsValue {
        snapshot(&self.inner.snapshot())
    }

    /// Locks at once; secrets are wiped when this returns.
    pub fn lock(&self, _reason: JsValue) {
        self.inner.lock(Reason::Requested);
    }

    /// Writes what is not written yet, also what a lock left behind: the shell asks for it once a
    /// call's answer is on its way. Resolves when that is done or has turned out impossible.
    pub fn flush(&self) -> Promise {
        flush_behind(Rc::clone(&self.inner))
    }

    /// Takes over what other tabs wrote, which is no use of the vault.
    pub fn refresh(&self) -> Promise {
        let vault = Rc::clone(&self.inner);
        promise(Box::pin(async move {
            let read = vault.catch_up().await;
            read.map(|()| JsValue::UNDEFINED)
                .map_err(|error| js::error(&error))
        }))
    }

    /// Checks the deadlines → `{lockAt, warnAt}`
    pub fn wake(&self) -> JsValue {
        let (lock_at, warn_at) = self.inner.wake();
        Builder::new()
            .optional_number("lockAt", lock_at)
            .optional_number("warnAt", warn_at)
            .build()
    }

    /// A person was seen.
    pub fn touch(&self) {
        self.inner.touch();
    }

    /// `{hidden}`: the last page became invisible, or one became visible.
    pub fn hidden(&self, args: JsValue) {
        self.inner.hidden(js::get(&args, "hidden").is_truthy());
    }

    /// `{url, method, headers, body, signal, appToken?}` → `{response, keyId}` or `{refusal}`
    pub fn fetch(&self, request: JsValue) -> Promise {
        let vault = Rc::clone(&self.inner);
        promise(Box::pin(async move { fetch(vault, &request).await }))
    }
}

fn with_meter(vault: Inner, response: Response, meter: Option<Box<Meter>>) -> Response {
    let Some(meter) = meter else { return response };
    metered(response, meter, move |meter, interrupted| {
        vault.settle(meter, interrupted);
        drop(flush_behind(Rc::clone(&vault)));
    })
}

/// The arguments of `open`.
fn settled(config: &JsValue) -> Result<(Browser, Config), Error> {
    let relay = Relay::parse(&js::text(config, Arg::Relay)?)?;
    let relay_key = match js::optional_text(config, Arg::RelayKey)? {
        None => None,
        Some(text) => {
            Some(base64url::decode_array(&text).ok_or(Error::BadArgument(Arg::RelayKey))?)
        }
    };
    let auto_lock_minutes = match js::optional_number(config, Arg::AutoLockMinutes)? {
        None => DEFAULT_IDLE_MINUTES,
        Some(minutes) => minutes_in_range(minutes)?,
    };
    let location = js::get(&js_sys::global(), "location");
    let rp_id = js::get(&location, "hostname")
        .as_string()
        .unwrap_or_default();
    let function = |name| js::optional(config, name)?.dyn_into::<Function>().ok();
    let browser = Browser::new(
        &js::text(config, Arg::Name)?,
        function("now"),
        function("emit"),
        function("turn"),
        js::optional(config, "guesses").unwrap_or_else(|| Builder::new().build()),
    );
    let config = Config {
        relay,
        relay_key,
        auto_lock_minutes,
        rp_id,
    };
    Ok((browser, config))
}

async fn fetch(vault: Inner, request: &JsValue) -> Outward {
    let signal = js::optional(request, "signal").and_then(|value| value.dyn_into().ok());
    let parsed = fetch_request(request, signal.clone()).map_err(|error| js::error(&error))?;
    match vault.fetch(&parsed).await {
        Ok(Outcome::Answer { answer, key, meter }) => Ok(Builder::new()
            .set("response", with_meter(vault, answer.0, meter))
            .optional_text("keyId", key.map(Id::to_hex).as_deref())
            .build()),
        Ok(Outcome::Refusal(refusal)) => Ok(Builder::new()
            .set("refusal", refusal_object(&refusal))
            .build()),
        Err(FetchError::Aborted) => {
            Err(signal.map_or(JsValue::UNDEFINED, |signal: AbortSignal| signal.reason()))
        }
        Err(error) => Err(js::error(&error.into())),
    }
}
