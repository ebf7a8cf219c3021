//! The browser as the vault's world.

use js_sys::{Date, Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::{
    crypto::{WebKdf, WebRandom},
    indexeddb::IndexedDb,
    js::{self, Builder},
    transport::WebTransport,
};
use crate::platform::{Clock, Event, Events, Guesses, Platform, Text};

/// `Date.now`, or the clock a test gives.
pub(super) struct WebClock {
    now: Option<Function>,
}

impl Clock for WebClock {
    fn now(&self) -> u64 {
        let now = match &self.now {
            Some(now) => now
                .call0(&JsValue::UNDEFINED)
                .ok()
                .and_then(|now| now.as_f64()),
            None => Some(Date::now()),
        };
        now.and_then(js::to_u64).unwrap_or(0)
    }

    async fn sleep(&self, milliseconds: u64) {
        let set_timeout = js::get(&js_sys::global(), "setTimeout").dyn_into::<Function>();
        let Ok(set_timeout) = set_timeout else { return };
        let promise = Promise::new(&mut |resolve, _| {
            let milliseconds = js::from_u64(milliseconds);
            drop(set_timeout.call2(&JsValue::UNDEFINED, &resolve, &milliseconds));
        });
        drop(JsFuture::from(promise).await);
    }
}

/// `String.prototype.normalize`.
pub(super) struct WebText;

impl Text for WebText {
    fn nfkc(&self, text: &str) -> String {
        js_sys::JsString::from(text).normalize("NFKC").into()
    }
}

/// The worker shell's `guesses`: an object of its own, which one vault after the other is given.
pub(super) struct WebGuesses(JsValue);

impl WebGuesses {
    const FAILURES: &str = "failures";
}

impl Guesses for WebGuesses {
    fn failures(&self) -> u32 {
        let failures = js::get(&self.0, Self::FAILURES).as_f64();
        let failures = failures.and_then(js::to_u64).unwrap_or(0);
        u32::try_from(failures).unwrap_or(u32::MAX)
    }

    fn set_failures(&self, failures: u32) {
        js::set(&self.0, Self::FAILURES, &failures.into());
    }
}

/// The worker shell's `emit`.
pub(super) struct WebEvents {
    emit: Option<Function>,
}

impl Events for WebEvents {
    fn emit(&self, event: &Event) {
        let Some(emit) = &self.emit else { return };
        let builder = Builder::new();
        let event = match event {
            Event::Change => builder.set("type", "change"),
            Event::Unlock => builder.set("type", "unlock"),
            Event::Lock(reason) => builder.set("type", "lock").set("reason", reason.name()),
            Event::LockWarning(at) => builder.set("type", "lockwarning").number("lockAt", *at),
            Event::KeyNeeded { provider, reason } => builder
                .set("type", "keyneeded")
                .optional_text("provider", provider.as_deref())
                .set("reason", *reason),
            Event::KeyExpiring { id, expires_at } => builder
                .set("type", "keyexpiring")
                .set("id", id.as_str())
                .number("expiresAt", *expires_at),
        };
        // The shell's function does not throw; if it does, the vault's own work goes on.
        drop(emit.call1(&JsValue::UNDEFINED, &event.build()));
    }
}

/// All of it together.
pub(super) struct Browser {
    clock: WebClock,
    random: WebRandom,
    kdf: WebKdf,
    text: WebText,
    guesses: WebGuesses,
    events: WebEvents,
    store: IndexedDb,
    transport: WebTransport,
}

impl Browser {
    pub(super) fn new(
        name: &str,
        now: Option<Function>,
        emit: Option<Function>,
        turn: Option<Function>,
        guesses: JsValue,
    ) -> Self {
        Self {
            clock: WebClock { now },
            random: WebRandom,
            kdf: WebKdf,
            text: WebText,
            guesses: WebGuesses(guesses),
            events: WebEvents { emit },
            store: IndexedDb::new(name).taking_turns(turn),
            transport: WebTransport,
        }
    }
}

impl Platform for Browser {
    type Clock = WebClock;
    type Random = WebRandom;
    type Kdf = WebKdf;
    type Text = WebText;
    type Guesses = WebGuesses;
    type Events = WebEvents;
    type Store = IndexedDb;
    type Transport = WebTransport;

    fn clock(&self) -> &WebClock {
        &self.clock
    }
    fn random(&self) -> &WebRandom {
        &self.random
    }
    fn kdf(&self) -> &WebKdf {
        &self.kdf
    }
    fn text(&self) -> &WebText {
        &self.text
    }
    fn guesses(&self) -> &WebGuesses {
        &self.guesses
    }
    fn events(&self) -> &WebEvents {
        &self.events
    }
    fn store(&self) -> &IndexedDb {
        &self.store
    }
    fn transport(&self) -> &WebTransport {
        &self.transport
    }
}
