//! The log of the relays in this process.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use keyferry_relay::telemetry::{dependency_cap, env_filter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

/// Everything that was logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What every relay of this process has logged since a test first called this, at the finest
    /// level and with the names of the tests. Whoever searches it searches it all: no relay may
    /// show a key, and none of its lines is anyone else's business.
    pub(crate) fn capture() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            let writer = log.clone();
            let layer = tracing_subscriber::fmt::layer()
                .with_thread_names(true)
                .with_writer(move || writer.clone())
                .with_filter(dependency_cap())
                .with_filter(env_filter(Some("trace")));
            let subscriber = tracing_subscriber::registry().with(layer);
            tracing::subscriber::set_global_default(subscriber).unwrap();
            log
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of this test's own relays, which run on its thread.
    pub(crate) fn own(&self) -> String {
        let name = format!(" {} ", std::thread::current().name().unwrap());
        let text = self.text();
        let own: Vec<_> = text.lines().filter(|line| line.contains(&name)).collect();
        own.join("\n")
    }
}
