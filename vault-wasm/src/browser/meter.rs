//! A response whose body is metered as it streams: a `TransformStream` around the vault's meter, so
//! that backpressure stays the browser's.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::Response;

use super::js::Builder;
use crate::fetch::Meter;

#[wasm_bindgen]
extern "C" {
    /// Streams Standard §6.2.
    type TransformStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(transformer: &JsValue) -> Result<TransformStream, JsValue>;

    /// `ReadableStream` (§4.2), for `pipeThrough`.
    type Readable;

    #[wasm_bindgen(method, catch, js_name = pipeThrough)]
    fn pipe_through(this: &Readable, through: &TransformStream) -> Result<JsValue, JsValue>;

    /// `TransformStreamDefaultController` (§6.3).
    type Controller;

    #[wasm_bindgen(method, catch)]
    fn enqueue(this: &Controller, chunk: &JsValue) -> Result<(), JsValue>;

    /// The constructor of `Response` (Fetch Standard §5.5).
    #[wasm_bindgen(js_name = Response)]
    type PlainResponse;

    #[wasm_bindgen(constructor, js_class = "Response", catch)]
    fn new(body: &JsValue, init: &JsValue) -> Result<PlainResponse, JsValue>;
}

/// The same response, its body read by `meter` on the way. `settle` is called once, when the body
/// has ended (`false`) or was given up (`true`).
pub(super) fn metered(
    response: Response,
    meter: Box<Meter>,
    settle: impl Fn(&Meter, bool) + 'static,
) -> Response {
    let Some(body) = response.body() else {
        settle(&meter, false);
        return response;
    };
    match wrap(&response, &body, meter, settle) {
        Ok(wrapped) => wrapped,
        // Nothing has been read yet: the answer itself is still whole.
        Err(_) => response,
    }
}

fn wrap(
    response: &Response,
    body: &JsValue,
    meter: Box<Meter>,
    settle: impl Fn(&Meter, bool) + 'static,
) -> Result<Response, JsValue> {
    let running = Rc::new(RefCell::new(Some(meter)));
    let settle = Rc::new(settle);

    let shared = Rc::clone(&running);
    let transform = Closure::<dyn FnMut(Uint8Array, Controller)>::new(
        move |chunk: Uint8Array, controller: Controller| {
            let bytes = chunk.to_vec();
            let passed = match shared.borrow_mut().as_mut() {
                Some(meter) => meter.feed(&bytes).into_owned(),
                None => bytes,
            };
            pass(&controller, &passed);
        },
    );
    let (shared, done) = (Rc::clone(&running), Rc::clone(&settle));
    let flush = Closure::<dyn FnMut(Controller)>::new(move |controller: Controller| {
        let ended = shared.borrow_mut().take();
        if let Some(mut meter) = ended {
            pass(&controller, &meter.finish());
            done(&meter, false);
        }
    });
    let cancel = Closure::<dyn FnMut(JsValue)>::new(move |_: JsValue| {
        let given_up = running.borrow_mut().take();
        if let Some(meter) = given_up {
            settle(&meter, true);
        }
    });
    let transformer = Builder::new()
        .set("transform", transform.into_js_value())
        .set("flush", flush.into_js_value())
        .set("cancel", cancel.into_js_value())
        .build();
    let through = TransformStream::new(&transformer)?;
    let init = Builder::new()
        .set("status", response.status())
        .set("statusText", response.status_text())
        .set("headers", response.headers())
        .build();
    // The stream is locked from here on: what can fail has been done.
    let piped = body.unchecked_ref::<Readable>().pipe_through(&through)?;
    let wrapped: Response = PlainResponse::new(&piped, &init)?.unchecked_into();
    // A constructed response has no URL of its own.
    let url = Builder::new().set("value", response.url()).build();
    Reflect::define_property(&wrapped, &"url".into(), url.unchecked_ref::<Object>())?;
    Ok(wrapped)
}

fn pass(controller: &Controller, bytes: &[u8]) {
    if !bytes.is_empty() {
        // Fails only when the reader is gone; the stream is told so by itself.
        drop(controller.enqueue(&Uint8Array::from(bytes)));
    }
}
