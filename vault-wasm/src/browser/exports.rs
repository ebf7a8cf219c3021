//! What the worker shell calls: one class, plain objects in and out, errors as `{code, message}`.

use std::{pin::Pin, rc::Rc};

use js_sys::{Array, Function, Promise};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use web_sys::AbortSignal;

use super::{
    js::{self, Builder},
    transport::{Body, Context, WebTransport},
    world::Browser,
};
use crate::{
    error::Error,
    fetch::{FetchError, Outcome, Refusal, Relay, Request},
    format::id::Id,
    lock::{DEFAULT_IDLE_MINUTES, MAX_IDLE_MINUTES, Reason},
    vault::{self, Config, KeyInfo, NewKey, Snapshot, Unlock},
};

type Outward = Result<JsValue, JsValue>;

/// One vault. The shell makes one per WASM instance and throws the instance away after a lock.
#[wasm_bindgen]
pub struct Vault {
    inner: Rc<vault::Vault<Browser>>,
}

/// Runs a call as a promise. Boxed, so that the machinery around a promise is compiled once and not
/// for every call: it is the larger part of a small call's size.
fn promise(work: impl Future<Output = Outward> + 'static) -> Promise {
    let work: Pin<Box<dyn Future<Output = Outward>>> = Box::pin(work);
    wasm_bindgen_futures::future_to_promise(work)
}

impl Vault {
    fn call<F>(&self, work: impl FnOnce(Rc<vault::Vault<Browser>>) -> F) -> Promise
    where
        F: Future<Output = Result<JsValue, Error>> + 'static,
    {
        let work = work(Rc::clone(&self.inner));
        promise(async move { work.await.map_err(|error| js::error(&error)) })
    }
}

fn nothing() -> JsValue {
    Builder::new().build()
}

#[wasm_bindgen]
impl Vault {
    /// `{name, relay, relayKey?, autoLockMinutes?, emit, now?}` → a vault.
    pub fn open(config: JsValue) -> Promise {
        promise(async move {
            match open(&config).await {
                Ok(inner) => Ok(Self {
                    inner: Rc::new(inner),
                }
                .into()),
                Err(error) => Err(js::error(&error)),
            }
        })
    }

    /// `{state, providers, lockAt, warnAt, damaged}`
    pub fn snapshot(&self) -> JsValue {
        snapshot(&self.inner.snapshot())
    }

    /// `{password}` → `{recoveryCode}`
    pub fn create(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let created = vault.create(&js::secret(&args, "password")?).await?;
            Ok(Builder::new()
                .set("recoveryCode", js::shown(&created.recovery_code))
                .build())
        })
    }

    /// `{password}`, `{recoveryCode}` or `{passkey: {credentialId, prf}}` → `{}`
    pub fn unlock(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            vault.unlock(&way(&args)?).await?;
            Ok(nothing())
        })
    }

    /// Locks at once; secrets are wiped when this returns.
    pub fn lock(&self, _reason: JsValue) {
        self.inner.lock(Reason::Requested);
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

    /// `{provider, key, name?, expiresAt?, dailyCapUsd?}` → `KeyInfo`
    #[wasm_bindgen(js_name = keysAdd)]
    pub fn keys_add(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let new = NewKey {
                provider: js::text(&args, "provider")?,
                key: js::secret(&args, "key")?,
                name: js::optional_text(&args, "name")?,
                expires_at: js::optional_number(&args, "expiresAt")?,
                daily_cap_micros: micros(&args, "dailyCapUsd")?,
            };
            Ok(key_info(&vault.add_key(&new).await?))
        })
    }

    /// `{}` → `{keys}`
    #[wasm_bindgen(js_name = keysList)]
    pub fn keys_list(&self, _args: JsValue) -> Promise {
        self.call(async move |vault| {
            let keys = vault.list_keys().await?;
            Ok(Builder::new()
                .set("keys", js::array(&keys, key_info))
                .build())
        })
    }

    /// `{id}` → `{}`
    #[wasm_bindgen(js_name = keysRemove)]
    pub fn keys_remove(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            vault.remove_key(id(&args)?).await?;
            Ok(nothing())
        })
    }

    /// `{url, method, headers, body, signal, appToken?}` → `{response, keyId}` or `{refusal}`
    pub fn fetch(&self, request: JsValue) -> Promise {
        let vault = Rc::clone(&self.inner);
        promise(async move { fetch(vault, &request).await })
    }
}

async fn open(config: &JsValue) -> Result<vault::Vault<Browser>, Error> {
    let relay = Relay::parse(&js::text(config, "relay")?)?;
    let auto_lock_minutes = match js::optional_number(config, "autoLockMinutes")? {
        None => DEFAULT_IDLE_MINUTES,
        Some(minutes) => minutes_in_range(minutes)?,
    };
    let function = |name| js::optional(config, name)?.dyn_into::<Function>().ok();
    let browser = Browser::new(
        &js::text(config, "name")?,
        function("now"),
        function("emit"),
    );
    vault::Vault::open(
        browser,
        Config {
            relay,
            relay_key: None,
            auto_lock_minutes,
        },
    )
    .await
}

fn minutes_in_range(minutes: u64) -> Result<u16, Error> {
    u16::try_from(minutes)
        .ok()
        .filter(|minutes| (1..=MAX_IDLE_MINUTES).contains(minutes))
        .ok_or(Error::BadArgument("autoLockMinutes"))
}

async fn fetch(vault: Rc<vault::Vault<Browser>>, request: &JsValue) -> Outward {
    let signal = js::optional(request, "signal").and_then(|value| value.dyn_into().ok());
    let parsed = fetch_request(request, signal.clone()).map_err(|error| js::error(&error))?;
    let outcome = vault.fetch(&parsed).await;
    // What could not be written stays in memory and is written with the next request.
    drop(promise(async move {
        drop(vault.flush().await);
        Ok(JsValue::UNDEFINED)
    }));
    match outcome {
        Ok(Outcome::Answer { answer, key }) => Ok(Builder::new()
            .set("response", answer.0)
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

fn way(args: &JsValue) -> Result<Unlock, Error> {
    if js::optional(args, "password").is_some() {
        return Ok(Unlock::Password(js::secret(args, "password")?));
    }
    if let Some(code) = js::optional(args, "recoveryCode") {
        return Ok(Unlock::RecoveryCode(match code.as_string() {
            Some(text) => crate::Secret::new(text.into_bytes()),
            None => js::secret(args, "recoveryCode")?,
        }));
    }
    let passkey = js::optional(args, "passkey").ok_or(Error::BadArgument("password"))?;
    Ok(Unlock::Passkey {
        credential_id: js::bytes(&passkey, "credentialId")?,
        prf: js::secret(&passkey, "prf")?,
    })
}

fn id(args: &JsValue) -> Result<Id, Error> {
    Id::parse_hex(&js::text(args, "id")?).ok_or(Error::NotFound)
}

/// US dollars as millionths.
fn micros(args: &JsValue, name: &'static str) -> Result<Option<u64>, Error> {
    match js::optional(args, name) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .and_then(|usd| js::to_u64((usd * 1e6).round()))
            .map(Some)
            .ok_or(Error::BadArgument(name)),
    }
}

fn usd(micros: u64) -> JsValue {
    #[allow(
        clippy::cast_precision_loss,
        reason = "nobody spends 2^53 millionths of a dollar"
    )]
    JsValue::from_f64(micros as f64 / 1e6)
}

fn snapshot(snapshot: &Snapshot) -> JsValue {
    let providers = js::array(&snapshot.providers, |provider| {
        Builder::new()
            .set("id", provider.id.as_str())
            .set("name", provider.name.as_str())
            .set("origin", provider.origin.as_str())
            .set("keyPage", provider.key_page.as_str())
            .set("hasKey", provider.has_key)
            .build()
    });
    let damaged = js::array(&snapshot.damaged, |damage| {
        Builder::new()
            .set("id", damage.record.id.to_hex())
            .set("kind", damage.kind.name())
            .build()
    });
    Builder::new()
        .set("state", snapshot.status.name())
        .set("providers", providers)
        .optional_number("lockAt", snapshot.lock_at)
        .optional_number("warnAt", snapshot.warn_at)
        .set("damaged", damaged)
        .build()
}

fn key_info(info: &KeyInfo) -> JsValue {
    let record = &info.record;
    Builder::new()
        .set("id", record.id.to_hex())
        .set("provider", record.provider.as_str())
        .set("name", record.name.as_str())
        .set("preview", record.preview.as_str())
        .set("active", record.active)
        .set("knownShape", record.known_shape)
        .number("createdAt", record.created_at)
        .number("updatedAt", record.updated_at)
        .optional_number("lastUsedAt", info.last_used_at)
        .optional_number("lastTestedAt", record.tested_at)
        .set("status", record.status.name())
        .optional_number("expiresAt", record.expires_at)
        .set(
            "dailyCapUsd",
            record.daily_cap_micros.map_or(JsValue::NULL, usd),
        )
        .optional_text("refusal", info.refusal)
        .optional_text("damaged", info.damaged)
        .build()
}

fn refusal_object(refusal: &Refusal) -> JsValue {
    Builder::new()
        .number("status", u64::from(refusal.code.status()))
        .set("code", refusal.code.as_str())
        .set("message", refusal.code.title())
        .set("kind", refusal.code.kind())
        .optional_text("provider", refusal.provider.as_deref())
        .build()
}

fn fetch_request(
    request: &JsValue,
    signal: Option<AbortSignal>,
) -> Result<Request<WebTransport>, Error> {
    let mut headers = Vec::new();
    for pair in js::get(request, "headers")
        .dyn_into::<Array>()
        .unwrap_or_default()
    {
        let pair = pair
            .dyn_into::<Array>()
            .map_err(|_| Error::BadArgument("headers"))?;
        match (pair.get(0).as_string(), pair.get(1).as_string()) {
            (Some(name), Some(value)) => headers.push((name, value)),
            _ => return Err(Error::BadArgument("headers")),
        }
    }
    let app_token = js::optional(request, "appToken").and_then(|value| value.dyn_into().ok());
    Ok(Request {
        url: js::text(request, "url")?,
        method: js::text(request, "method")?,
        headers,
        body: Body::from_js(js::get(request, "body")),
        context: Some(Context { signal, app_token }),
    })
}
