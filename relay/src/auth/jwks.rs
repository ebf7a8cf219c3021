//! The issuer's published keys, cached and refreshed so that rotation is noticed at once and an
//! issuer that is down for a while locks nobody out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::AuthError;
use super::jwk::KeySet;
use super::token::Token;

/// Age at which a set is fetched anew while the old one still serves: no request waits for it.
const REFRESH_AHEAD: Duration = Duration::from_secs(8 * 60);

/// Age beyond which no request is served without asking the issuer first: a withdrawn key is
/// accepted no longer than this.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// Age at which a set no longer counts although the issuer does not answer.
const USABLE: Duration = Duration::from_secs(60 * 60);

/// Least time between two fetches: tokens with made-up key ids must not turn into requests to the
/// issuer.
const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// What [`JwksSource::fetch`] returns: the document, or why it could not be had, in words that are
/// fit for a log.
pub type FetchFuture = Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>>;

/// Where a key set comes from. The implementation bounds time and size.
pub trait JwksSource: Send + Sync {
    /// Fetches the document once.
    fn fetch(&self) -> FetchFuture;
}

pub(super) struct JwksCache {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn JwksSource>,
    current: ArcSwapOption<Fetched>,
    /// When the last fetch began. Held while one runs, so that there is one at a time.
    last_attempt: Mutex<Option<Instant>>,
}

/// A key set and when its fetch began.
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    at: Instant,
}

impl JwksCache {
    pub(super) fn new(source: Arc<dyn JwksSource>) -> Self {
        let shared = Shared {
            source,
            current: ArcSwapOption::empty(),
            last_attempt: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) async fn warm_up(&self) {
        self.refresh().await;
    }

    /// The set to verify `token` under, fetched if it must be.
    pub(super) async fn set_for(&self, token: &Token<'_>) -> Result<Arc<Fetched>, AuthError> {
        if let Some(set) = self.shared.current.load_full() {
            let age = set.at.elapsed();
            if age < FRESH && set.keys.key_for(token).is_some() {
                if age >= REFRESH_AHEAD {
                    drop(tokio::spawn(Arc::clone(&self.shared).refresh()));
                }
                return Ok(set);
            }
        }
        self.refresh().await;
        self.shared
            .current
            .load_full()
            .filter(|set| set.at.elapsed() < USABLE)
            .ok_or(AuthError::KeysUnavailable)
    }

    /// Runs on a task of its own: a client that goes away must not take the answer from others
    /// who wait for it.
    async fn refresh(&self) {
        // An error here is a panic of the task, which leaves the old set in place.
        let _ = tokio::spawn(Arc::clone(&self.shared).refresh()).await;
    }
}

impl Shared {
    async fn refresh(self: Arc<Self>) {
        let mut last_attempt = self.last_attempt.lock().await;
        // Those who waited for a fetch use its result.
        if last_attempt.is_some_and(|at| at.elapsed() < MIN_INTERVAL) {
            return;
        }
        let started = Instant::now();
        *last_attempt = Some(started);
        let keys = match self.source.fetch().await {
            Ok(document) => KeySet::parse(&document).map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        match keys {
            Ok(keys) => {
                tracing::debug!("token issuer's keys fetched");
                self.current
                    .store(Some(Arc::new(Fetched { keys, at: started })));
            }
            Err(error) => tracing::warn!(%error, "token issuer's keys not fetched"),
        }
    }
}
