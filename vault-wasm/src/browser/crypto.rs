//! Randomness, and PBKDF2 where it runs fastest: WebCrypto when the page has it (secure contexts
//! only), the Rust crate otherwise. Both give the same bytes.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::js::Builder;
use crate::{error::Error, hazmat, platform, secret::Key};

#[wasm_bindgen]
extern "C" {
    /// `SubtleCrypto` (W3C Web Cryptography API §14).
    type Subtle;

    #[wasm_bindgen(method, catch, js_name = importKey)]
    fn import_key(
        this: &Subtle,
        format: &str,
        key: &Uint8Array,
        algorithm: &str,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deriveBits)]
    fn derive_bits(
        this: &Subtle,
        algorithm: &JsValue,
        key: &JsValue,
        length: u32,
    ) -> Result<Promise, JsValue>;
}

fn subtle() -> Option<Subtle> {
    let crypto = Reflect::get(&js_sys::global(), &"crypto".into()).ok()?;
    let subtle = Reflect::get(&crypto, &"subtle".into()).ok()?;
    subtle.is_object().then(|| subtle.unchecked_into())
}

/// `crypto.getRandomValues`.
pub(super) struct WebRandom;

impl platform::Random for WebRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(bytes).map_err(|_| Error::Random)
    }
}

/// WebCrypto, or WebAssembly.
pub(super) struct WebKdf;

impl platform::Kdf for WebKdf {
    async fn derive_pbkdf2(
        &self,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Result<Key, Error> {
        match derive_in_webcrypto(password, salt, iterations).await {
            Some(key) => Ok(key),
            None => derive_in_wasm(password, salt, iterations),
        }
    }
}

/// PBKDF2-HMAC-SHA256 in WebCrypto (§30); `None` where there is none.
pub async fn derive_in_webcrypto(password: &[u8], salt: &[u8], iterations: u32) -> Option<Key> {
    let subtle = subtle()?;
    let usages = Array::of1(&"deriveBits".into());
    // WebCrypto copies the password when it imports it; this copy is wiped at once.
    let copy = Uint8Array::from(password);
    let imported = subtle.import_key("raw", &copy, "PBKDF2", false, &usages);
    copy.fill(0, 0, copy.length());
    let key = JsFuture::from(imported.ok()?).await.ok()?;
    let algorithm: Object = Builder::new()
        .set("name", "PBKDF2")
        .set("hash", "SHA-256")
        .set("salt", Uint8Array::from(salt))
        .set("iterations", iterations)
        .build()
        .unchecked_into();
    let bits = JsFuture::from(subtle.derive_bits(&algorithm, &key, 256).ok()?)
        .await
        .ok()?;
    let bits = Uint8Array::new(&bits);
    let key = Key::filled(|target| {
        if bits.length() != 32 {
            return Err(());
        }
        bits.copy_to(target);
        Ok(())
    });
    bits.fill(0, 0, bits.length());
    key.ok()
}

/// The same in WebAssembly.
///
/// # Errors
/// None in practice.
pub fn derive_in_wasm(password: &[u8], salt: &[u8], iterations: u32) -> Result<Key, Error> {
    Ok(Key::filled(|out| {
        hazmat::derive_pbkdf2_sha256(password, salt, iterations, out)
    })?)
}
