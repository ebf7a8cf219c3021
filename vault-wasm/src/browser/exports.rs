//! What the worker shell calls: one class, plain objects in and out, errors as `{code, message}`.

use std::{pin::Pin, rc::Rc};

use js_sys::{Array, Function, Promise, Uint8Array};
use keyferry_protocol::base64url;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use web_sys::{AbortSignal, Response};

use super::{
    convert::{
        context, created, fetch_request, id, key_info, micros, minutes_in_range, nothing,
        passkey_info, proofs, refusal_object, snapshot, usage_row, way,
    },
    js::{self, Builder},
    meter::metered,
    world::Browser,
};
use crate::{
    error::Error,
    fetch::{FetchError, Meter, Outcome, Relay},
    format::id::Id,
    lock::{DEFAULT_IDLE_MINUTES, Reason},
    vault::{self, Config, KeyChanges, NewKey, NewLease, NewPasskey},
};

type Outward = Result<JsValue, JsValue>;

/// One vault. The shell makes one per WASM instance and throws the instance away after a lock.
#[wasm_bindgen]
pub struct Vault {
    inner: Rc<vault::Vault<Browser>>,
}

/// Runs a call as a promise.
fn promise(work: Pin<Box<dyn Future<Output = Outward>>>) -> Promise {
    wasm_bindgen_futures::future_to_promise(work)
}

impl Vault {
    fn call<F>(&self, work: impl FnOnce(Rc<vault::Vault<Browser>>) -> F) -> Promise
    where
        F: Future<Output = Result<JsValue, Error>> + 'static,
    {
        answer(&self.inner, Box::pin(work(Rc::clone(&self.inner))))
    }
}

/// Runs a call of an open vault. Takes it boxed, so that everything around it is compiled once and
/// not for every call.
fn answer(
    vault: &Rc<vault::Vault<Browser>>,
    work: Pin<Box<dyn Future<Output = Result<JsValue, Error>>>>,
) -> Promise {
    let vault = Rc::clone(vault);
    promise(Box::pin(async move {
        let outcome = work.await.map_err(|error| js::error(&error));
        flush_behind(vault);
        outcome
    }))
}

/// Writes usage and audit events behind a call. What cannot be written stays in memory and is
/// written behind the next.
fn flush_behind(vault: Rc<vault::Vault<Browser>>) {
    drop(promise(Box::pin(async move {
        drop(vault.flush().await);
        Ok(JsValue::UNDEFINED)
    })));
}

#[wasm_bindgen]
impl Vault {
    /// `{name, relay, relayKey?, autoLockMinutes?, emit, now?}` → a vault.
    pub fn open(config: JsValue) -> Promise {
        promise(Box::pin(async move {
            match open(&config).await {
                Ok(inner) => Ok(Self {
                    inner: Rc::new(inner),
                }
                .into()),
                Err(error) => Err(js::error(&error)),
            }
        }))
    }

    /// `{state, providers, lockAt, warnAt, damaged}`
    pub fn snapshot(&self) -> JsValue {
        snapshot(&self.inner.snapshot())
    }

    /// `{password}` → `{recoveryCode}`
    pub fn create(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            Ok(created(
                &vault.create(&js::secret(&args, "password")?).await?,
            ))
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

    /// `{id, name?, active?, expiresAt?: number | null, dailyCapUsd?: number | null}` → `KeyInfo`
    #[wasm_bindgen(js_name = keysUpdate)]
    pub fn keys_update(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let changes = KeyChanges {
                name: js::optional_text(&args, "name")?,
                active: js::optional_bool(&args, "active")?,
                expires_at: js::change(&args, "expiresAt", js::optional_number)?,
                daily_cap_micros: js::change(&args, "dailyCapUsd", micros)?,
            };
            Ok(key_info(&vault.update_key(id(&args)?, &changes).await?))
        })
    }

    /// `{id, key, appToken?}` → `KeyInfo`
    #[wasm_bindgen(js_name = keysRotate)]
    pub fn keys_rotate(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let key = js::secret(&args, "key")?;
            let context = context(&args, None);
            Ok(key_info(
                &vault.rotate_key(id(&args)?, &key, Some(&context)).await?,
            ))
        })
    }

    /// `{id, deep?, appToken?}` → `{verdict, latencyMs, detail?, models?, credit?}`
    #[wasm_bindgen(js_name = keysTest)]
    pub fn keys_test(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let deep = js::optional_bool(&args, "deep")?.unwrap_or(false);
            let context = context(&args, None);
            let report = vault.test_key(id(&args)?, deep, Some(&context)).await?;
            js::parse(&report.answer)
        })
    }

    /// `{id, password}` → `{key: Uint8Array}`; the caller overwrites it after showing it.
    #[wasm_bindgen(js_name = keysReveal)]
    pub fn keys_reveal(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let key = vault
                .reveal_key(id(&args)?, &js::secret(&args, "password")?)
                .await?;
            // Revealing is what this is for.
            Ok(Builder::new()
                .set("key", Uint8Array::from(key.expose()))
                .build())
        })
    }

    /// `{text: Uint8Array}` → `{added: KeyInfo[], skipped: {line, reason}[]}`
    #[wasm_bindgen(js_name = keysImportEnv)]
    pub fn keys_import_env(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let imported = vault.import_env(&js::secret(&args, "text")?).await?;
            let skipped = js::array(&imported.skipped, |skipped| {
                Builder::new()
                    .number("line", u64::try_from(skipped.line).unwrap_or(u64::MAX))
                    .set("reason", skipped.reason)
                    .build()
            });
            let added = js::array(&imported.added, key_info);
            Ok(Builder::new()
                .set("added", added)
                .set("skipped", skipped)
                .build())
        })
    }

    /// `{old, next, passkeys?: {credentialId, prf}[]}` → `{recoveryCode}`; passkeys not given are gone.
    #[wasm_bindgen(js_name = changePassword)]
    pub fn change_password(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let (old, next) = (js::secret(&args, "old")?, js::secret(&args, "next")?);
            Ok(created(
                &vault.change_password(&old, &next, &proofs(&args)?).await?,
            ))
        })
    }

    /// `{password, passkeys?}` → `{recoveryCode}`
    #[wasm_bindgen(js_name = recoveryRenew)]
    pub fn recovery_renew(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let password = js::secret(&args, "password")?;
            Ok(created(
                &vault.renew_recovery(&password, &proofs(&args)?).await?,
            ))
        })
    }

    /// `{}` → `{rpId, userId, prfSalt, passkeys: {id, name, createdAt, credentialId, prfSalt}[]}`,
    /// locked or not: what a ceremony needs.
    #[wasm_bindgen(js_name = passkeyRequest)]
    pub fn passkey_request(&self, _args: JsValue) -> Promise {
        self.call(async move |vault| {
            let request = vault.passkey_request().await?;
            Ok(Builder::new()
                .set("rpId", request.rp_id.as_str())
                .set(
                    "userId",
                    Uint8Array::from(request.user_id.as_bytes().as_slice()),
                )
                .set("prfSalt", Uint8Array::from(request.prf_salt.as_slice()))
                .set("passkeys", js::array(&request.passkeys, passkey_info))
                .build())
        })
    }

    /// `{password, name, credentialId, prf, prfSalt}` → `{id, name, createdAt, …}`
    #[wasm_bindgen(js_name = passkeysAdd)]
    pub fn passkeys_add(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let new = NewPasskey {
                name: js::optional_text(&args, "name")?.unwrap_or_default(),
                credential_id: js::bytes(&args, "credentialId")?,
                prf_salt: js::bytes(&args, "prfSalt")?
                    .try_into()
                    .map_err(|_| Error::BadArgument("prfSalt"))?,
                prf: js::secret(&args, "prf")?,
            };
            Ok(passkey_info(
                &vault
                    .add_passkey(&js::secret(&args, "password")?, &new)
                    .await?,
            ))
        })
    }

    /// `{}` → `{passkeys}`
    #[wasm_bindgen(js_name = passkeysList)]
    pub fn passkeys_list(&self, _args: JsValue) -> Promise {
        self.call(async move |vault| {
            let passkeys = vault.list_passkeys().await?;
            Ok(Builder::new()
                .set("passkeys", js::array(&passkeys, passkey_info))
                .build())
        })
    }

    /// `{id, password, passkeys?}` → `{recoveryCode}`
    #[wasm_bindgen(js_name = passkeysRemove)]
    pub fn passkeys_remove(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let password = js::secret(&args, "password")?;
            Ok(created(
                &vault
                    .remove_passkey(id(&args)?, &password, &proofs(&args)?)
                    .await?,
            ))
        })
    }

    /// `{password}` → `{file: Uint8Array}`
    #[wasm_bindgen(js_name = exportBackup)]
    pub fn export_backup(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let file = vault.export(&js::secret(&args, "password")?).await?;
            Ok(Builder::new()
                .set("file", Uint8Array::from(file.as_slice()))
                .build())
        })
    }

    /// `{file: Uint8Array, password}` → `{added, known}`
    #[wasm_bindgen(js_name = importBackup)]
    pub fn import_backup(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let file = js::bytes(&args, "file")?;
            let imported = vault.import(&file, &js::secret(&args, "password")?).await?;
            let count = |count| u64::try_from(count).unwrap_or(u64::MAX);
            Ok(Builder::new()
                .number("added", count(imported.added))
                .number("known", count(imported.known))
                .build())
        })
    }

    /// `{relay, password, passkeys?}` → `{recoveryCode}`; works on a locked vault.
    pub fn rebind(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let relay = Relay::parse(&js::text(&args, "relay")?)?;
            let password = js::secret(&args, "password")?;
            Ok(created(
                &vault.rebind(&relay, &password, &proofs(&args)?).await?,
            ))
        })
    }

    /// `{}` → `{}`: deletes the vault, locked or not.
    pub fn destroy(&self, _args: JsValue) -> Promise {
        self.call(async move |vault| {
            vault.destroy().await?;
            Ok(nothing())
        })
    }

    /// `{since?}` → `{rows: {keyId, provider, day, requests, errors, estimated, inputTokens,
    /// outputTokens, costUsd}[]}`; `day` is the start of the UTC day in Unix milliseconds.
    pub fn usage(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let since = js::optional_number(&args, "since")?.unwrap_or(0);
            let rows = vault.usage_report(since).await?;
            Ok(Builder::new()
                .set("rows", js::array(&rows, usage_row))
                .build())
        })
    }

    /// `{limit?}` → `{events: {at, action, id, number}[]}`, newest first
    pub fn audit(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let limit = js::optional_number(&args, "limit")?.unwrap_or(100);
            let events = vault
                .audit(usize::try_from(limit).unwrap_or(usize::MAX))
                .await?;
            let events = js::array(&events, |event| {
                let id = (event.id != Id::ONLY).then(|| event.id.to_hex());
                Builder::new()
                    .number("at", event.at)
                    .set("action", event.action.name())
                    .optional_text("id", id.as_deref())
                    .number("number", u64::from(event.number))
                    .build()
            });
            Ok(Builder::new().set("events", events).build())
        })
    }

    /// `{}` or `{password, autoLockMinutes?, lockOnHide?}` → `{autoLockMinutes, lockOnHide,
    /// createdAt, exportedAt, relayPinned}`
    pub fn settings(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let settings = if js::optional(&args, "password").is_none() {
                vault.settings()?
            } else {
                let minutes = js::optional_number(&args, "autoLockMinutes")?
                    .map(minutes_in_range)
                    .transpose()?;
                let hide = js::optional_bool(&args, "lockOnHide")?;
                vault
                    .change_settings(&js::secret(&args, "password")?, minutes, hide)
                    .await?
            };
            Ok(Builder::new()
                .number("autoLockMinutes", u64::from(settings.auto_lock_minutes))
                .set("lockOnHide", settings.lock_on_hide)
                .number("createdAt", settings.created_at)
                .optional_number("exportedAt", settings.exported_at)
                .set("relayPinned", settings.relay_key.is_some())
                .build())
        })
    }

    /// `{provider, ttlSeconds?, maxUsd?, models?, appToken?}` → the relay's answer
    pub fn lease(&self, args: JsValue) -> Promise {
        self.call(async move |vault| {
            let models = js::optional(&args, "models").map(|list| {
                let list = list.dyn_into::<Array>().unwrap_or_default();
                list.iter().filter_map(|model| model.as_string()).collect()
            });
            let new = NewLease {
                provider: js::text(&args, "provider")?,
                ttl_seconds: js::optional_number(&args, "ttlSeconds")?,
                max_micros: micros(&args, "maxUsd")?,
                models,
            };
            js::parse(&vault.lease(&new, Some(&context(&args, None))).await?)
        })
    }

    /// `{url, method, headers, body, signal, appToken?}` → `{response, keyId}` or `{refusal}`
    pub fn fetch(&self, request: JsValue) -> Promise {
        let vault = Rc::clone(&self.inner);
        promise(Box::pin(async move { fetch(vault, &request).await }))
    }
}

fn with_meter(
    vault: Rc<vault::Vault<Browser>>,
    response: Response,
    meter: Option<Box<Meter>>,
) -> Response {
    let Some(meter) = meter else { return response };
    metered(response, meter, move |meter, interrupted| {
        vault.settle(meter, interrupted);
        flush_behind(Rc::clone(&vault));
    })
}

async fn open(config: &JsValue) -> Result<vault::Vault<Browser>, Error> {
    let relay = Relay::parse(&js::text(config, "relay")?)?;
    let relay_key = match js::optional_text(config, "relayKey")? {
        None => None,
        Some(text) => Some(base64url::decode_array(&text).ok_or(Error::BadArgument("relayKey"))?),
    };
    let auto_lock_minutes = match js::optional_number(config, "autoLockMinutes")? {
        None => DEFAULT_IDLE_MINUTES,
        Some(minutes) => minutes_in_range(minutes)?,
    };
    let location = js::get(&js_sys::global(), "location");
    let rp_id = js::get(&location, "hostname")
        .as_string()
        .unwrap_or_default();
    let function = |name| js::optional(config, name)?.dyn_into::<Function>().ok();
    let browser = Browser::new(
        &js::text(config, "name")?,
        function("now"),
        function("emit"),
    );
    let config = Config {
        relay,
        relay_key,
        auto_lock_minutes,
        rp_id,
    };
    vault::Vault::open(browser, config).await
}

async fn fetch(vault: Rc<vault::Vault<Browser>>, request: &JsValue) -> Outward {
    let signal = js::optional(request, "signal").and_then(|value| value.dyn_into().ok());
    let parsed = fetch_request(request, signal.clone()).map_err(|error| js::error(&error))?;
    let outcome = vault.fetch(&parsed).await;
    flush_behind(Rc::clone(&vault));
    match outcome {
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
