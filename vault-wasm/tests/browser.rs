//! The vault in a real browser: IndexedDB, WebCrypto and the exports the worker shell calls.
//!
//! `wasm-pack test --headless --chrome vault-wasm`
#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, reason = "tests")]

use std::cell::Cell;

use js_sys::{Array, Date, Function, Object, Promise, Reflect, Uint8Array};
use vault_wasm::{
    browser::{IndexedDb, Vault, derive_in_wasm, derive_in_webcrypto},
    store::{Store, StoreError, conformance},
};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const PASSWORD: &[u8] = b"correct horse battery staple";
const KEY: &[u8] = b"sk-proj-canary0123456789abcdefghijklmnopqrstuvwxyz";

fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value).unwrap();
    }
    object.into()
}

fn get(value: &JsValue, path: &str) -> JsValue {
    path.split('.').fold(value.clone(), |value, name| {
        Reflect::get(&value, &name.into()).unwrap()
    })
}

fn text(value: &JsValue, path: &str) -> String {
    get(value, path).as_string().unwrap_or_default()
}

fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn fresh_name() -> String {
    format!("test-{}-{}", Date::now(), js_sys::Math::random())
}

struct Opened(JsValue);

impl Opened {
    /// Calls an exported method, or runs an operation, as the worker shell does.
    async fn call(&self, name: &str, args: JsValue) -> Result<JsValue, JsValue> {
        let method = get(&self.0, name);
        let returned = match method.dyn_ref::<Function>() {
            Some(method) => method.call1(&self.0, &args)?,
            None => {
                let call: Function = get(&self.0, "call").unchecked_into();
                call.call2(&self.0, &name.into(), &args)?
            }
        };
        match returned.dyn_into::<Promise>() {
            Ok(promise) => JsFuture::from(promise).await,
            Err(value) => Ok(value),
        }
    }

    async fn state(&self) -> String {
        text(
            &self.call("snapshot", JsValue::UNDEFINED).await.unwrap(),
            "state",
        )
    }
}

async fn open(name: &str) -> Opened {
    let config = object(&[
        ("name", name.into()),
        ("relay", "https://relay.example".into()),
    ]);
    Opened(JsFuture::from(Vault::open(config)).await.unwrap())
}

fn password() -> JsValue {
    object(&[("password", bytes(PASSWORD))])
}

fn openai_key() -> JsValue {
    object(&[("provider", "openai".into()), ("key", bytes(KEY))])
}

#[wasm_bindgen_test]
async fn indexeddb_conforms() {
    let name = fresh_name();
    conformance::run(&IndexedDb::new(&name), &IndexedDb::new(&name)).await;
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_program_asks_for_a_reload() {
    let name = fresh_name();
    let factory: web_sys::IdbFactory = get(&js_sys::global(), "indexedDB").unchecked_into();
    let request = factory
        .open_with_u32(&format!("keyferry:{name}"), 99)
        .unwrap();
    let opened = Promise::new(&mut |resolve, _| {
        let done = Closure::once_into_js(move || drop(resolve.call0(&JsValue::NULL)));
        request.set_onsuccess(Some(done.unchecked_ref::<Function>()));
    });
    JsFuture::from(opened).await.unwrap();
    request
        .result()
        .unwrap()
        .unchecked_into::<web_sys::IdbDatabase>()
        .close();
    let store = IndexedDb::new(&name);
    assert_eq!(store.read_all().await.unwrap_err(), StoreError::Newer);
}

/// Another tab that deletes the database just before this one opens it.
struct DeletingTab {
    prototype: JsValue,
    open: JsValue,
}

impl DeletingTab {
    fn install(times: u32) -> Self {
        let prototype = get(&js_sys::global(), "IDBFactory.prototype");
        let open = get(&prototype, "open");
        let original: Function = open.clone().unchecked_into();
        let left = Cell::new(times);
        let deleting = move |name: JsValue, version: JsValue| {
            let factory = get(&js_sys::global(), "indexedDB");
            if left.get() > 0 {
                left.set(left.get() - 1);
                let delete: Function = get(&factory, "deleteDatabase").unchecked_into();
                delete.call1(&factory, &name).unwrap();
            }
            let args = if version.is_undefined() {
                Array::of1(&name)
            } else {
                Array::of2(&name, &version)
            };
            original.apply(&factory, &args).unwrap()
        };
        let deleting = Closure::<dyn Fn(JsValue, JsValue) -> JsValue>::new(deleting);
        Reflect::set(&prototype, &"open".into(), &deleting.into_js_value()).unwrap();
        Self { prototype, open }
    }
}

impl Drop for DeletingTab {
    fn drop(&mut self) {
        Reflect::set(&self.prototype, &"open".into(), &self.open).unwrap();
    }
}

#[wasm_bindgen_test]
async fn a_database_deleted_while_it_is_opened_is_made_whole() {
    let name = fresh_name();
    let deleting = DeletingTab::install(4);
    assert_eq!(IndexedDb::new(&name).read_all().await, Ok(Vec::new()));
    drop(deleting);
    let vault = open(&name).await;
    vault.call("create", password()).await.unwrap();
    assert_eq!(open(&name).await.state().await, "locked");

    // Deleted under the vault: it is gone, and not half there.
    let deleting = DeletingTab::install(1);
    assert_eq!(IndexedDb::new(&name).read_all().await, Ok(Vec::new()));
    drop(deleting);
    assert_eq!(open(&name).await.state().await, "empty");
    vault.call("destroy", object(&[])).await.unwrap();
}

#[wasm_bindgen_test]
async fn webcrypto_and_webassembly_derive_the_same_bytes() {
    for (password, salt, iterations) in [
        (b"password".as_slice(), b"salt".as_slice(), 1),
        (b"", b"0123456789abcdef", 2),
        (&[0xc3, 0xa9, 0, 0xff], b"0123456789abcdef", 4096),
        (&[b'x'; 200], &[7; 16], 600_000),
    ] {
        let in_browser = derive_in_webcrypto(password, salt, iterations)
            .await
            .unwrap();
        let in_wasm = derive_in_wasm(password, salt, iterations).unwrap();
        assert!(in_browser == in_wasm, "{iterations}");
    }
}

#[wasm_bindgen_test]
async fn a_vault_survives_a_new_instance() {
    let name = fresh_name();
    let vault = open(&name).await;
    assert_eq!(vault.state().await, "empty");
    let created = vault.call("create", password()).await.unwrap();
    let code = text(&created, "recoveryCode");
    assert_eq!(code.len(), 35);
    let info = vault.call("keysAdd", openai_key()).await.unwrap();
    assert_eq!(text(&info, "preview"), "sk-p\u{2026}wxyz");
    vault.call("lock", "test".into()).await.unwrap();
    assert_eq!(vault.state().await, "locked");
    let error = vault
        .call("keysList", JsValue::UNDEFINED)
        .await
        .unwrap_err();
    assert_eq!(text(&error, "code"), "locked");

    let again = open(&name).await;
    let wrong = object(&[("password", bytes(b"not the password"))]);
    let error = again.call("unlock", wrong).await.unwrap_err();
    assert_eq!(
        (text(&error, "code"), text(&error, "field")),
        ("wrong_password".into(), "password".into())
    );
    again
        .call("unlock", object(&[("recoveryCode", code.as_str().into())]))
        .await
        .unwrap();
    let keys = again.call("keysList", JsValue::UNDEFINED).await.unwrap();
    assert_eq!(get(&keys, "keys.length").as_f64(), Some(1.0));
    again
        .call("keysRemove", object(&[("id", get(&keys, "keys.0.id"))]))
        .await
        .unwrap();
    let keys = again.call("keysList", JsValue::UNDEFINED).await.unwrap();
    assert_eq!(get(&keys, "keys.length").as_f64(), Some(0.0));
    IndexedDb::new(&name).destroy().await.unwrap();
}

#[wasm_bindgen_test]
async fn two_instances_share_one_database() {
    let name = fresh_name();
    let (first, second) = (open(&name).await, open(&name).await);
    first.call("create", password()).await.unwrap();
    assert_eq!(
        text(
            &second.call("create", password()).await.unwrap_err(),
            "code"
        ),
        "vault_exists"
    );
    second.call("unlock", password()).await.unwrap();
    let added = Array::of2(
        &wasm_bindgen_futures::future_to_promise({
            let first = std::rc::Rc::new(first);
            async move { first.call("keysAdd", openai_key()).await }
        }),
        &wasm_bindgen_futures::future_to_promise({
            let second = open(&name).await;
            async move {
                second.call("unlock", password()).await?;
                let key = object(&[
                    ("provider", "groq".into()),
                    ("key", bytes(b"gsk_0123456789")),
                ]);
                second.call("keysAdd", key).await
            }
        }),
    );
    JsFuture::from(Promise::all(&added)).await.unwrap();
    let keys = second.call("keysList", JsValue::UNDEFINED).await.unwrap();
    assert_eq!(get(&keys, "keys.length").as_f64(), Some(2.0));
    IndexedDb::new(&name).destroy().await.unwrap();
    assert_eq!(
        text(
            &second
                .call("keysList", JsValue::UNDEFINED)
                .await
                .unwrap_err(),
            "code"
        ),
        "storage_lost"
    );
}

#[wasm_bindgen_test]
async fn fetch_sends_the_key_to_the_relay_and_nowhere_else() {
    let name = fresh_name();
    let vault = open(&name).await;
    let request = |url: &str| {
        object(&[
            ("url", url.into()),
            ("method", "POST".into()),
            (
                "headers",
                Array::of1(&Array::of2(&"authorization".into(), &"Bearer sdk".into())).into(),
            ),
            ("body", bytes(br#"{"model":"gpt-4o"}"#)),
        ])
    };
    let refused = vault
        .call(
            "fetch",
            request("https://api.openai.com/v1/chat/completions"),
        )
        .await
        .unwrap();
    assert_eq!(text(&refused, "refusal.code"), "missing_key");

    vault.call("create", password()).await.unwrap();
    let info = vault.call("keysAdd", openai_key()).await.unwrap();

    // The browser's fetch, replaced to see what it is given.
    let global = js_sys::global();
    let real = get(&global, "fetch");
    let seen = Array::new();
    let log = seen.clone();
    let fake =
        Closure::<dyn Fn(JsValue, JsValue) -> Promise>::new(move |url: JsValue, init: JsValue| {
            log.push(&Array::of2(&url, &init));
            let init = web_sys::ResponseInit::new();
            // A relay that publishes nothing of itself.
            let known = !url.as_string().unwrap_or_default().contains(".well-known");
            init.set_status(if known { 200 } else { 404 });
            let response = web_sys::Response::new_with_opt_str_and_init(Some("ok"), &init);
            Promise::resolve(&JsValue::from(response.unwrap()))
        });
    Reflect::set(&global, &"fetch".into(), fake.as_ref()).unwrap();
    let answered = vault
        .call(
            "fetch",
            request("https://api.openai.com/v1/chat/completions?key=x"),
        )
        .await;
    let foreign = vault
        .call("fetch", request("https://evil.example/v1"))
        .await;
    vault.call("lock", JsValue::UNDEFINED).await.unwrap();
    let locked = vault
        .call(
            "fetch",
            request("https://relay.example/v1/chat/completions"),
        )
        .await;
    Reflect::set(&global, &"fetch".into(), &real).unwrap();

    let answered = answered.unwrap();
    assert_eq!(text(&answered, "keyId"), text(&info, "id"));
    assert!(get(&answered, "response").is_instance_of::<web_sys::Response>());
    assert_eq!(text(&foreign.unwrap_err(), "code"), "foreign_url");
    assert_eq!(
        get(&locked.unwrap(), "refusal.status").as_f64(),
        Some(423.0)
    );
    assert_eq!(
        seen.length(),
        2,
        "the well-known document, then the request"
    );
    let sent = seen.get(1);
    assert_eq!(
        text(&sent, "0"),
        "https://relay.example/providers/openai/v1/chat/completions"
    );
    assert_eq!(text(&sent, "1.redirect"), "error");
    assert_eq!(text(&sent, "1.credentials"), "omit");
    assert_eq!(text(&sent, "1.cache"), "no-store");
    assert_eq!(text(&sent, "1.referrerPolicy"), "no-referrer");
    let headers: Vec<String> = get(&sent, "1.headers")
        .unchecked_into::<Array>()
        .iter()
        .map(|pair| format!("{}: {}", text(&pair, "0"), text(&pair, "1")))
        .collect();
    let key = format!("x-byok-key: {}", std::str::from_utf8(KEY).unwrap());
    assert_eq!(headers, ["x-byok-provider: openai", &key]);
    IndexedDb::new(&name).destroy().await.unwrap();
}

/// Replaces the browser's fetch for the duration of a test.
struct FakeFetch {
    real: JsValue,
    _fake: Closure<dyn Fn(JsValue, JsValue) -> Promise>,
}

impl FakeFetch {
    fn install(answer: impl Fn(String) -> web_sys::Response + 'static) -> Self {
        let global = js_sys::global();
        let real = get(&global, "fetch");
        let fake = Closure::<dyn Fn(JsValue, JsValue) -> Promise>::new(move |url: JsValue, _| {
            Promise::resolve(&JsValue::from(answer(url.as_string().unwrap_or_default())))
        });
        Reflect::set(&global, &"fetch".into(), fake.as_ref()).unwrap();
        Self { real, _fake: fake }
    }
}

impl Drop for FakeFetch {
    fn drop(&mut self) {
        Reflect::set(&js_sys::global(), &"fetch".into(), &self.real).unwrap();
    }
}

fn response(status: u16, content_type: &str, body: &str) -> web_sys::Response {
    let init = web_sys::ResponseInit::new();
    init.set_status(status);
    init.set_headers(&Array::of1(&Array::of2(
        &"content-type".into(),
        &content_type.into(),
    )));
    web_sys::Response::new_with_opt_str_and_init(Some(body), &init).unwrap()
}

const STREAM: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\n\
    data: [DONE]\n\n";

#[wasm_bindgen_test]
async fn a_streamed_answer_is_metered_on_its_way() {
    let name = fresh_name();
    let vault = open(&name).await;
    vault.call("create", password()).await.unwrap();
    vault.call("keysAdd", openai_key()).await.unwrap();
    let fake = FakeFetch::install(|url| {
        if url.contains(".well-known") {
            response(404, "text/plain", "")
        } else {
            response(200, "text/event-stream; charset=utf-8", STREAM)
        }
    });
    let request = object(&[
        ("url", "https://api.openai.com/v1/chat/completions".into()),
        ("method", "POST".into()),
        ("headers", Array::new().into()),
        ("body", bytes(br#"{"model":"gpt-4o","stream":true}"#)),
    ]);
    let answered = vault.call("fetch", request).await.unwrap();
    drop(fake);
    let metered: web_sys::Response = get(&answered, "response").unchecked_into();
    assert_eq!(metered.status(), 200);
    assert_eq!(
        metered.headers().get("content-type").unwrap().unwrap(),
        "text/event-stream; charset=utf-8"
    );
    let body = JsFuture::from(metered.text().unwrap())
        .await
        .unwrap()
        .as_string()
        .unwrap();
    assert!(
        body.contains("Hi") && body.contains("[DONE]") && !body.contains("usage"),
        "{body}"
    );
    let usage = vault.call("usage", object(&[])).await.unwrap();
    assert_eq!(get(&usage, "rows.0.inputTokens").as_f64(), Some(9.0));
    assert_eq!(get(&usage, "rows.0.outputTokens").as_f64(), Some(3.0));
    assert_eq!(get(&usage, "rows.0.requests").as_f64(), Some(1.0));
    IndexedDb::new(&name).destroy().await.unwrap();
}

#[wasm_bindgen_test]
async fn everything_an_owner_does_works_through_the_exports() {
    let name = fresh_name();
    let vault = open(&name).await;
    vault.call("create", password()).await.unwrap();
    let info = vault.call("keysAdd", openai_key()).await.unwrap();
    let id = get(&info, "id");

    let changes = object(&[
        ("id", id.clone()),
        ("name", "work".into()),
        ("dailyCapUsd", 2.5.into()),
        ("expiresAt", JsValue::NULL),
    ]);
    let info = vault.call("keysUpdate", changes).await.unwrap();
    assert_eq!(text(&info, "name"), "work");
    assert_eq!(get(&info, "dailyCapUsd").as_f64(), Some(2.5));

    let reveal = object(&[("id", id.clone()), ("password", bytes(PASSWORD))]);
    let revealed = vault.call("keysReveal", reveal).await.unwrap();
    assert_eq!(
        get(&revealed, "key")
            .unchecked_into::<Uint8Array>()
            .to_vec(),
        KEY
    );

    let passkey = vault.call("passkeyRequest", object(&[])).await.unwrap();
    assert_eq!(
        get(&passkey, "userId")
            .unchecked_into::<Uint8Array>()
            .length(),
        16
    );
    let add = object(&[
        ("password", bytes(PASSWORD)),
        ("name", "laptop".into()),
        ("credentialId", bytes(&[7; 20])),
        ("prf", bytes(&[8; 32])),
        ("prfSalt", get(&passkey, "prfSalt")),
    ]);
    vault.call("passkeysAdd", add).await.unwrap();

    let tapped = object(&[("credentialId", bytes(&[7; 20])), ("prf", bytes(&[8; 32]))]);
    let change = object(&[
        ("old", bytes(PASSWORD)),
        ("next", bytes(b"another good password")),
        ("passkeys", Array::of1(&tapped).into()),
    ]);
    let code = text(
        &vault.call("changePassword", change).await.unwrap(),
        "recoveryCode",
    );
    vault.call("lock", "test".into()).await.unwrap();
    vault
        .call("unlock", object(&[("passkey", tapped)]))
        .await
        .unwrap();
    vault.call("lock", "test".into()).await.unwrap();
    vault
        .call(
            "unlock",
            object(&[("recoveryCode", bytes(code.as_bytes()))]),
        )
        .await
        .unwrap();

    let file_password = bytes(b"a password for the file");
    let file = vault
        .call(
            "exportBackup",
            object(&[
                ("filePassword", file_password.clone()),
                ("password", bytes(b"another good password")),
            ]),
        )
        .await
        .unwrap();
    let import = object(&[("file", get(&file, "file")), ("password", file_password)]);
    let imported = vault.call("importBackup", import).await.unwrap();
    assert_eq!(get(&imported, "known").as_f64(), Some(1.0));

    let settings = object(&[
        ("password", bytes(b"another good password")),
        ("autoLockMinutes", 5.into()),
    ]);
    let settings = vault.call("settings", settings).await.unwrap();
    assert_eq!(get(&settings, "autoLockMinutes").as_f64(), Some(5.0));

    let audit = vault.call("audit", object(&[])).await.unwrap();
    assert_eq!(text(&audit, "events.0.action"), "settings_changed");
    let env = object(&[("text", bytes(b"GROQ_API_KEY=gsk_0123456789abcdefghijklmn"))]);
    let imported = vault.call("keysImportEnv", env).await.unwrap();
    assert_eq!(text(&imported, "added.0.provider"), "groq");
    let bad = vault
        .call("keysUpdate", object(&[("id", id), ("active", 1.into())]))
        .await
        .unwrap_err();
    assert_eq!(
        (text(&bad, "code"), text(&bad, "field")),
        ("bad_argument".into(), "active".into())
    );
    vault.call("destroy", object(&[])).await.unwrap();
    assert_eq!(vault.state().await, "empty");
}

#[wasm_bindgen_test]
async fn a_lock_is_in_the_log_of_the_next_instance() {
    let name = fresh_name();
    let vault = open(&name).await;
    vault.call("create", password()).await.unwrap();
    vault.call("lock", "test".into()).await.unwrap();
    vault.call("flush", JsValue::UNDEFINED).await.unwrap();
    let next = open(&name).await;
    next.call("unlock", password()).await.unwrap();
    let audit = next.call("audit", object(&[])).await.unwrap();
    assert_eq!(text(&audit, "events.1.action"), "locked");
    assert_eq!(get(&audit, "events.1.number").as_f64(), Some(1.0));
    next.call("destroy", object(&[])).await.unwrap();
}

/// The operations apps may call, as TypeScript declares them.
fn declared() -> impl Iterator<Item = &'static str> {
    include_str!("../js/src/ops.ts")
        .lines()
        .skip_while(|line| !line.starts_with("export const OPS"))
        .skip(1)
        .take_while(|line| !line.starts_with('}'))
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(name, _)| name)
}

#[wasm_bindgen_test]
async fn every_declared_operation_is_known() {
    let vault = open(&fresh_name()).await;
    let unknown = |error: &JsValue| text(error, "field") == "op";
    let mut count = 0;
    for op in declared() {
        // Without a vault and without arguments all of them but deleting it fail, for other reasons.
        let outcome = vault.call(op, object(&[])).await;
        assert!(!outcome.is_err_and(|error| unknown(&error)), "{op}");
        count += 1;
    }
    assert_eq!(count, 27);
    let error = vault.call("keysSteal", object(&[])).await.unwrap_err();
    assert!(unknown(&error));
}
