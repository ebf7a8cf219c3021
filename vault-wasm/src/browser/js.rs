//! Plain objects, in and out.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use zeroize::Zeroizing;

use crate::{
    error::{Arg, Error},
    secret::Secret,
};

/// Reads a property; absent is `undefined`.
pub(super) fn get(object: &JsValue, name: &str) -> JsValue {
    // A getter that throws counts as absent: arguments are plain data.
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

fn present(value: JsValue) -> Option<JsValue> {
    if value.is_undefined() || value.is_null() {
        None
    } else {
        Some(value)
    }
}

/// An optional property.
pub(super) fn optional(object: &JsValue, name: &str) -> Option<JsValue> {
    present(get(object, name))
}

/// A string.
pub(super) fn text(object: &JsValue, name: Arg) -> Result<String, Error> {
    get(object, name.name())
        .as_string()
        .ok_or(Error::BadArgument(name))
}

/// A string, or nothing.
pub(super) fn optional_text(object: &JsValue, name: Arg) -> Result<Option<String>, Error> {
    match optional(object, name.name()) {
        None => Ok(None),
        Some(value) => value.as_string().map(Some).ok_or(Error::BadArgument(name)),
    }
}

/// `true`, `false` or nothing.
pub(super) fn optional_bool(object: &JsValue, name: Arg) -> Result<Option<bool>, Error> {
    match optional(object, name.name()) {
        None => Ok(None),
        Some(value) => value.as_bool().map(Some).ok_or(Error::BadArgument(name)),
    }
}

/// A number that is not negative, or nothing; fractions are cut off.
pub(super) fn optional_number(object: &JsValue, name: Arg) -> Result<Option<u64>, Error> {
    match optional(object, name.name()) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) => to_u64(number).map(Some).ok_or(Error::BadArgument(name)),
            None => Err(Error::BadArgument(name)),
        },
    }
}

/// A change of an optional property: absent leaves it, `null` empties it.
pub(super) fn change<T>(
    object: &JsValue,
    name: Arg,
    read: impl Fn(&JsValue, Arg) -> Result<Option<T>, Error>,
) -> Result<Option<Option<T>>, Error> {
    if get(object, name.name()).is_undefined() {
        Ok(None)
    } else {
        read(object, name).map(Some)
    }
}

/// The value of a JSON text.
pub(super) fn parse(json: &[u8]) -> Result<JsValue, Error> {
    let text = std::str::from_utf8(json).map_err(|_| Error::RelayRefused)?;
    js_sys::JSON::parse(text).map_err(|_| Error::RelayRefused)
}

/// A number JavaScript can count to, without its fraction.
pub(super) fn to_u64(number: f64) -> Option<u64> {
    const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
    if !(0.0..=MAX_SAFE).contains(&number) {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^53 - 1, and the fraction is to be cut off"
    )]
    Some(number as u64)
}

/// A count or a time as a JavaScript number.
pub(super) fn from_u64(number: u64) -> JsValue {
    #[allow(
        clippy::cast_precision_loss,
        reason = "times and counts stay below 2^53"
    )]
    JsValue::from_f64(number as f64)
}

/// Bytes.
pub(super) fn bytes(object: &JsValue, name: Arg) -> Result<Vec<u8>, Error> {
    get(object, name.name())
        .dyn_ref::<Uint8Array>()
        .map(Uint8Array::to_vec)
        .ok_or(Error::BadArgument(name))
}

/// Bytes that are a secret: copied once; the caller overwrites its own.
pub(super) fn secret(object: &JsValue, name: Arg) -> Result<Secret, Error> {
    bytes(object, name).map(Secret::new)
}

/// Sets a property of a plain object of ours, which cannot fail.
pub(super) fn set(object: &JsValue, name: &str, value: &JsValue) {
    drop(Reflect::set(object, &JsValue::from_str(name), value));
}

/// Builds a plain object.
pub(super) struct Builder(Object);

impl Builder {
    pub(super) fn new() -> Self {
        Self(Object::new())
    }

    pub(super) fn set(self, name: &str, value: impl Into<JsValue>) -> Self {
        set(&self.0, name, &value.into());
        self
    }

    pub(super) fn number(self, name: &str, value: u64) -> Self {
        self.set(name, from_u64(value))
    }

    /// `null` when there is none.
    pub(super) fn optional_number(self, name: &str, value: Option<u64>) -> Self {
        self.set(name, value.map_or(JsValue::NULL, from_u64))
    }

    /// `null` when there is none.
    pub(super) fn optional_text(self, name: &str, value: Option<&str>) -> Self {
        self.set(name, value.map_or(JsValue::NULL, JsValue::from_str))
    }

    pub(super) fn build(self) -> JsValue {
        self.0.into()
    }
}

/// An array of what `convert` makes of each item.
pub(super) fn array<T>(
    items: impl IntoIterator<Item = T>,
    convert: impl Fn(T) -> JsValue,
) -> JsValue {
    let array = Array::new();
    for item in items {
        array.push(&convert(item));
    }
    array.into()
}

/// `{code, message, field?}`: what every failing call throws.
pub(super) fn error(error: &Error) -> JsValue {
    let builder = Builder::new()
        .set("code", error.code())
        .set("message", message(error));
    match error.field() {
        Some(field) => builder.set("field", field).build(),
        None => builder.build(),
    }
}

/// Messages are constants of the error list: nothing secret can be in them.
fn message(error: &Error) -> &'static str {
    Error::CODES
        .iter()
        .find(|(code, _)| *code == error.code())
        .map_or("", |(_, message)| message)
}

/// Copies a secret text into a JavaScript string, where one has to be shown.
pub(super) fn shown(text: &Zeroizing<String>) -> JsValue {
    JsValue::from_str(text)
}

/// Calls a function that may return a promise, and waits for it.
pub(super) async fn call(function: &Function, argument: &JsValue) -> Result<JsValue, JsValue> {
    let returned = function.call1(&JsValue::UNDEFINED, argument)?;
    match returned.dyn_into::<Promise>() {
        Ok(promise) => wasm_bindgen_futures::JsFuture::from(promise).await,
        Err(value) => Ok(value),
    }
}
