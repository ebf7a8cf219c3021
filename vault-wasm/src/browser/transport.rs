//! The network: the worker's own `fetch`.

use js_sys::{Array, Function, Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, Response};

use super::js::{self, Builder};
use crate::fetch::{Answer, Outgoing, SendError, Transport};
use keyferry_protocol::header;

#[wasm_bindgen]
extern "C" {
    /// The global `fetch` (Fetch Standard §5.6).
    #[wasm_bindgen(js_name = fetch, catch)]
    fn global_fetch(url: &str, init: &JsValue) -> Result<Promise, JsValue>;
}

/// What belongs to one call of `vault.fetch`.
pub(super) struct Context {
    pub(super) signal: Option<AbortSignal>,
    pub(super) app_token: Option<Function>,
}

/// A body that can be sent again: bytes or a blob.
pub(super) struct Body(JsValue);

impl Body {
    /// `null`, `undefined`, a `Uint8Array` or a `Blob`.
    pub(super) fn from_js(value: JsValue) -> Option<Self> {
        (!value.is_null() && !value.is_undefined()).then_some(Self(value))
    }
}

/// An answer as the browser gave it.
pub(super) struct WebAnswer(pub(super) Response);

impl Answer for WebAnswer {
    fn status(&self) -> u16 {
        self.0.status()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name).ok().flatten()
    }

    fn discard(self) {
        if let Some(body) = self.0.body() {
            // Cancelling lets the relay drop the provider's connection; its outcome is of no use.
            let cancelled = body.cancel();
            wasm_bindgen_futures::spawn_local(async move {
                drop(JsFuture::from(cancelled).await);
            });
        }
    }

    async fn bytes(self, max: usize) -> Result<Vec<u8>, SendError> {
        let too_long = |len: usize| len > max;
        let declared = self
            .header("content-length")
            .and_then(|length| length.parse().ok());
        if declared.is_some_and(too_long) {
            self.discard();
            return Err(SendError::Network);
        }
        let buffer = self.0.array_buffer().map_err(|_| SendError::Network)?;
        let buffer = JsFuture::from(buffer)
            .await
            .map_err(|_| SendError::Network)?;
        let bytes = Uint8Array::new(&buffer).to_vec();
        if too_long(bytes.len()) {
            Err(SendError::Network)
        } else {
            Ok(bytes)
        }
    }
}

/// The worker's `fetch`.
pub(super) struct WebTransport;

impl Transport for WebTransport {
    type Body = Body;
    type Context = Context;
    type Answer = WebAnswer;

    async fn send(
        &self,
        request: &Outgoing<'_>,
        body: Option<&Body>,
        context: Option<&Context>,
    ) -> Result<WebAnswer, SendError> {
        let signal = context.and_then(|context| context.signal.as_ref());
        if signal.is_some_and(AbortSignal::aborted) {
            return Err(SendError::Aborted);
        }
        let pairs = Array::new();
        let add = |name: &str, value: &str| {
            pairs.push(&Array::of2(&JsValue::from_str(name), &JsValue::from_str(value)).into());
        };
        for (name, value) in &request.headers {
            add(name, value);
        }
        if let Some(credential) = request.credential {
            // The header has to be a string of the browser's: the one place a key becomes one.
            let value = std::str::from_utf8(credential.expose()).map_err(|_| SendError::Network)?;
            add(header::KEY, value);
        }
        let mut init = Builder::new()
            .set("method", request.method.as_str())
            .set("headers", pairs)
            // A redirect would take the key to wherever it points.
            .set("redirect", "error")
            .set("credentials", "omit")
            .set("cache", "no-store")
            .set("referrerPolicy", "no-referrer");
        if let Some(body) = body {
            init = init.set("body", body.0.clone());
        }
        if let Some(signal) = signal {
            init = init.set("signal", signal.clone());
        }
        let failed = |_: JsValue| match signal {
            Some(signal) if signal.aborted() => SendError::Aborted,
            _ => SendError::Network,
        };
        let promise = global_fetch(&request.url, &init.build()).map_err(failed)?;
        let response = JsFuture::from(promise).await.map_err(failed)?;
        response
            .dyn_into()
            .map(WebAnswer)
            .map_err(|_| SendError::Network)
    }

    async fn app_token(
        &self,
        context: Option<&Context>,
        fresh: bool,
    ) -> Result<Option<String>, SendError> {
        let Some(function) = context.and_then(|context| context.app_token.as_ref()) else {
            return Ok(None);
        };
        match js::call(function, &JsValue::from_bool(fresh)).await {
            Ok(token) => Ok(token.as_string().filter(|token| !token.is_empty())),
            Err(_) => Err(SendError::AppToken),
        }
    }

    fn body(&self, bytes: &[u8]) -> Body {
        Body(Uint8Array::from(bytes).into())
    }

    fn len(&self, body: &Body) -> usize {
        let len = match body.0.dyn_ref::<Blob>() {
            Some(blob) => js::to_u64(blob.size()),
            None => body
                .0
                .dyn_ref::<Uint8Array>()
                .map(|bytes| u64::from(bytes.length())),
        };
        len.and_then(|len| usize::try_from(len).ok()).unwrap_or(0)
    }

    async fn read(&self, body: &Body, start: usize, end: usize) -> Result<Vec<u8>, SendError> {
        let at = |at: usize| u32::try_from(at).map_err(|_| SendError::Network);
        if let Some(bytes) = body.0.dyn_ref::<Uint8Array>() {
            return Ok(bytes.subarray(at(start)?, at(end)?).to_vec());
        }
        let blob = body.0.dyn_ref::<Blob>().ok_or(SendError::Network)?;
        let part = blob
            .slice_with_f64_and_f64(f64::from(at(start)?), f64::from(at(end)?))
            .map_err(|_| SendError::Network)?;
        let buffer = JsFuture::from(part.array_buffer())
            .await
            .map_err(|_| SendError::Network)?;
        Ok(Uint8Array::new(&buffer).to_vec())
    }
}
