//! Where log lines go, written to in batches: a system call per line costs a busy relay more than
//! making the line does.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long lines may wait for company.
const GATHER: Duration = Duration::from_millis(5);
/// Beyond this many bytes whoever logs writes by itself: a slow reader of the logs slows the relay
/// down instead of filling its memory.
const ENOUGH: usize = 1 << 20;

/// Takes whole lines; a thread of its own writes them. Clones share it.
#[derive(Clone)]
pub(super) struct Sink {
    shared: Arc<Shared>,
}

struct Shared {
    lines: Mutex<Vec<u8>>,
    /// Held while writing, so that batches stay in order while lines go on being taken.
    writer: Mutex<Box<dyn Write + Send>>,
    some: Condvar,
}

impl Sink {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn start(writer: Box<dyn Write + Send>) -> io::Result<Self> {
        let sink = Self {
            shared: Arc::new(Shared {
                lines: Mutex::default(),
                writer: Mutex::new(writer),
                some: Condvar::new(),
            }),
        };
        let own = sink.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || own.run())?;
        Ok(sink)
    }

    fn run(&self) {
        loop {
            let waiting = self
                .shared
                .some
                .wait_while(lock(&self.shared.lines), |lines| lines.is_empty());
            drop(waiting);
            thread::sleep(GATHER);
            self.flush();
        }
    }

    /// Takes a line, its line break included.
    pub(super) fn take(&self, line: &[u8]) {
        let mut lines = lock(&self.shared.lines);
        let first = lines.is_empty();
        lines.extend_from_slice(line);
        let full = lines.len() >= ENOUGH;
        drop(lines);
        if full {
            self.flush();
        } else if first {
            self.shared.some.notify_one();
        }
    }

    /// Writes what has been taken so far.
    pub(super) fn flush(&self) {
        let mut writer = lock(&self.shared.writer);
        let batch = std::mem::take(&mut *lock(&self.shared.lines));
        // Nowhere is left to tell of a log that cannot be written.
        let _ = writer.write_all(&batch).and_then(|()| writer.flush());
        let mut lines = lock(&self.shared.lines);
        if lines.is_empty() {
            // Its memory serves the next batch.
            *lines = batch;
            lines.clear();
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole lines are appended or taken: nothing is left half done.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(lock(&self.0).clone()).unwrap()
        }
    }

    #[test]
    fn no_line_is_lost_cut_or_overtaken() {
        let written = Written::default();
        let sink = Sink::start(Box::new(written.clone())).unwrap();
        let long = "x".repeat(3_000);
        thread::scope(|scope| {
            for writer in 0..4 {
                let (sink, long) = (&sink, &long);
                scope.spawn(move || {
                    for number in 0..500 {
                        sink.take(format!("{writer} {number} {long}\n").as_bytes());
                    }
                });
            }
        });
        sink.flush();
        let text = written.text();
        assert_eq!(text.lines().count(), 2_000);
        for writer in 0..4 {
            let own = format!("{writer} ");
            let numbers: Vec<usize> = text
                .lines()
                .filter_map(|line| {
                    line.strip_prefix(&own)?
                        .strip_suffix(&long)?
                        .trim()
                        .parse()
                        .ok()
                })
                .collect();
            assert_eq!(numbers, (0..500).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_lone_line_is_written_without_being_asked_for() {
        let written = Written::default();
        let sink = Sink::start(Box::new(written.clone())).unwrap();
        sink.take(b"one\n");
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while written.text() != "one\n" {
            assert!(std::time::Instant::now() < patience);
            thread::yield_now();
        }
    }
}
