//! The world in memory: a clock that is told the time, seeded randomness, a store with faults, a
//! transport that answers from a list. For tests only.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::{
    error::Error,
    fetch::{Answer, Outgoing, SendError, Transport},
    hazmat,
    platform::{Clock, Event, Events, Guesses, Kdf, Platform, Random, Text},
    secret::Key,
    store::memory::MemoryStore,
};

/// Runs a future that only waits for things in memory.
///
/// # Panics
/// When it still waits after a thousand polls.
#[allow(clippy::panic, reason = "a test that hangs must fail")]
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future never finished");
}

/// Lets every other future run once.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut yielded, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// A clock that stands still until told.
#[derive(Debug, Clone)]
pub struct TestClock {
    now: Rc<Cell<u64>>,
    slept: Rc<Cell<u64>>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self {
            now: Rc::new(Cell::new(1_800_000_000_000)),
            slept: Rc::default(),
        }
    }
}

impl TestClock {
    /// Sets the time, in either direction.
    pub fn set(&self, now: u64) {
        self.now.set(now);
    }

    /// Moves the time.
    pub fn advance(&self, milliseconds: u64) {
        self.now.set(self.now.get() + milliseconds);
    }

    /// How long has been slept altogether.
    #[must_use]
    pub fn slept(&self) -> u64 {
        self.slept.get()
    }
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.now.get()
    }

    async fn sleep(&self, milliseconds: u64) {
        self.advance(milliseconds);
        self.slept.set(self.slept.get() + milliseconds);
        yield_now().await;
    }
}

/// Reproducible bytes, all different: SHA-256 of a counter.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    counter: Cell<u64>,
}

impl SeededRandom {
    /// The same seed gives the same bytes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            counter: Cell::new(0),
        }
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        for chunk in bytes.chunks_mut(32) {
            let counter = self.counter.get();
            self.counter.set(counter + 1);
            let block = hazmat::sha256(&[&self.seed.to_be_bytes(), &counter.to_be_bytes()]);
            for (target, source) in chunk.iter_mut().zip(block) {
                *target = source;
            }
        }
        Ok(())
    }
}

/// The real derivation, at a fraction of the iterations so that tests take no minutes: the count
/// still matters, because it is mixed in.
#[derive(Debug, Clone, Default)]
pub struct FastKdf {
    calls: Rc<RefCell<Vec<u32>>>,
    target: Rc<Cell<Option<u32>>>,
    real: Rc<Cell<bool>>,
}

impl FastKdf {
    /// From here on every iteration is done.
    pub fn make_real(&self) {
        self.real.set(true);
    }

    /// Another policy for new slots.
    pub fn set_target(&self, iterations: u32) {
        self.target.set(Some(iterations));
    }

    /// Iteration counts asked for so far.
    #[must_use]
    pub fn calls(&self) -> Vec<u32> {
        self.calls.borrow().clone()
    }
}

impl Kdf for FastKdf {
    fn target_iterations(&self) -> u32 {
        self.target
            .get()
            .unwrap_or(crate::format::slot::KdfPolicy::ITERATIONS)
    }

    async fn derive_pbkdf2(
        &self,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Result<Key, Error> {
        self.calls.borrow_mut().push(iterations);
        yield_now().await;
        if self.real.get() {
            return Ok(Key::filled(|out| {
                hazmat::derive_pbkdf2_sha256(password, salt, iterations, out)
            })?);
        }
        let salt = [salt, &iterations.to_be_bytes()].concat();
        Ok(Key::filled(|out| {
            hazmat::derive_pbkdf2_sha256(password, &salt, 2, out)
        })?)
    }
}

/// NFKC by the `unicode-normalization` crate where there is no browser.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostText;

impl Text for HostText {
    #[cfg(not(target_arch = "wasm32"))]
    fn nfkc(&self, text: &str) -> String {
        use unicode_normalization::UnicodeNormalization as _;
        text.nfkc().collect()
    }

    #[cfg(target_arch = "wasm32")]
    fn nfkc(&self, text: &str) -> String {
        js_sys::JsString::from(text).normalize("NFKC").into()
    }
}

/// In memory.
#[derive(Debug, Clone, Default)]
pub struct GuessCount(Rc<Cell<u32>>);

impl Guesses for GuessCount {
    fn failures(&self) -> u32 {
        self.0.get()
    }

    fn set_failures(&self, failures: u32) {
        self.0.set(failures);
    }
}

/// Keeps what was told.
#[derive(Debug, Clone, Default)]
pub struct EventLog(Rc<RefCell<Vec<Event>>>);

impl EventLog {
    /// What was told since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.borrow_mut())
    }
}

impl Events for EventLog {
    fn emit(&self, event: &Event) {
        self.0.borrow_mut().push(event.clone());
    }
}

/// A request as the network would have seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRequest {
    /// Method.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Vec<u8>,
}

impl SentRequest {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An answer to give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CannedAnswer {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Vec<u8>,
}

impl CannedAnswer {
    /// An answer with this status and body.
    #[must_use]
    pub fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Answer for CannedAnswer {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }

    fn discard(self) {}

    async fn bytes(self, max: usize) -> Result<Vec<u8>, SendError> {
        if self.body.len() > max {
            Err(SendError::Network)
        } else {
            Ok(self.body)
        }
    }
}

/// Answers from a list and keeps what was sent.
#[derive(Debug, Clone, Default)]
pub struct ScriptedTransport {
    answers: Rc<RefCell<VecDeque<Result<CannedAnswer, SendError>>>>,
    sent: Rc<RefCell<Vec<SentRequest>>>,
    token: Rc<RefCell<Option<String>>>,
}

impl ScriptedTransport {
    /// The app's token; one that is asked for afresh gets `-fresh` appended.
    pub fn set_token(&self, token: &str) {
        *self.token.borrow_mut() = Some(token.to_owned());
    }

    /// The next answer.
    pub fn answer(&self, answer: CannedAnswer) {
        self.answers.borrow_mut().push_back(Ok(answer));
    }

    /// The next failure.
    pub fn fail(&self, error: SendError) {
        self.answers.borrow_mut().push_back(Err(error));
    }

    /// What was sent since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<SentRequest> {
        std::mem::take(&mut *self.sent.borrow_mut())
    }
}

impl Transport for ScriptedTransport {
    type Body = Vec<u8>;
    type Context = ();
    type Answer = CannedAnswer;

    async fn send(
        &self,
        request: &Outgoing<'_>,
        body: Option<&Self::Body>,
        _context: Option<&Self::Context>,
    ) -> Result<CannedAnswer, SendError> {
        let mut headers = request.headers.clone();
        if let Some(credential) = &request.credential {
            // The test looks at what the network would see.
            let value = String::from_utf8_lossy(credential.expose()).into_owned();
            headers.push((keyferry_protocol::header::KEY.to_owned(), value));
        }
        self.sent.borrow_mut().push(SentRequest {
            method: request.method.clone(),
            url: request.url.clone(),
            headers,
            body: body.cloned().unwrap_or_default(),
        });
        yield_now().await;
        self.answers
            .borrow_mut()
            .pop_front()
            .unwrap_or(Err(SendError::Network))
    }

    async fn app_token(
        &self,
        _context: Option<&()>,
        fresh: bool,
    ) -> Result<Option<String>, SendError> {
        let suffix = if fresh { "-fresh" } else { "" };
        Ok(self
            .token
            .borrow()
            .as_ref()
            .map(|token| [token.as_str(), suffix].concat()))
    }

    fn body(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn len(&self, body: &Vec<u8>) -> usize {
        body.len()
    }

    async fn read(&self, body: &Vec<u8>, start: usize, end: usize) -> Result<Vec<u8>, SendError> {
        Ok(body
            .get(start..end.min(body.len()))
            .unwrap_or_default()
            .to_vec())
    }
}

/// All of it together.
#[derive(Debug)]
pub struct World {
    /// Told the time.
    pub clock: TestClock,
    /// Seeded.
    pub random: SeededRandom,
    /// Fast.
    pub kdf: FastKdf,
    /// Of this tab, whatever becomes of its vault objects.
    pub guesses: GuessCount,
    /// Kept.
    pub events: EventLog,
    /// Faulty on demand.
    pub store: MemoryStore,
    /// Scripted.
    pub transport: ScriptedTransport,
    text: HostText,
}

impl World {
    /// A fresh world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            clock: TestClock::default(),
            random: SeededRandom::new(seed),
            kdf: FastKdf::default(),
            guesses: GuessCount::default(),
            events: EventLog::default(),
            store: MemoryStore::default(),
            transport: ScriptedTransport::default(),
            text: HostText,
        }
    }

    /// This tab after a lock, when its vault object has been thrown away.
    #[must_use]
    pub fn next_instance(&self, seed: u64) -> Self {
        Self {
            guesses: self.guesses.clone(),
            ..self.another_tab(seed)
        }
    }

    /// Another tab: the same store and clock, its own everything else.
    #[must_use]
    pub fn another_tab(&self, seed: u64) -> Self {
        Self {
            clock: self.clock.clone(),
            store: self.store.clone(),
            ..Self::new(seed)
        }
    }
}

impl Platform for World {
    type Clock = TestClock;
    type Random = SeededRandom;
    type Kdf = FastKdf;
    type Text = HostText;
    type Guesses = GuessCount;
    type Events = EventLog;
    type Store = MemoryStore;
    type Transport = ScriptedTransport;

    fn clock(&self) -> &TestClock {
        &self.clock
    }
    fn random(&self) -> &SeededRandom {
        &self.random
    }
    fn kdf(&self) -> &FastKdf {
        &self.kdf
    }
    fn text(&self) -> &HostText {
        &self.text
    }
    fn guesses(&self) -> &GuessCount {
        &self.guesses
    }
    fn events(&self) -> &EventLog {
        &self.events
    }
    fn store(&self) -> &MemoryStore {
        &self.store
    }
    fn transport(&self) -> &ScriptedTransport {
        &self.transport
    }
}
