//! Events as JSON lines: `timestamp`, `level`, the event's own fields, `target`.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::sink::Sink;
use crate::store::clock::date_of;

/// Longest line whose memory a thread keeps for the next one.
const KEPT: usize = 16 * 1024;

/// The layer that writes each event as one line.
pub(super) struct Lines {
    sink: Sink,
}

impl Lines {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink }
    }
}

thread_local! {
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Taken, not borrowed: printing a value may log in turn.
        let mut line = LINE.take();
        line.clear();
        write_line(&mut line, SystemTime::now(), event);
        self.sink.take(&line);
        if line.capacity() <= KEPT {
            LINE.set(line);
        }
    }
}

fn write_line(line: &mut Vec<u8>, now: SystemTime, event: &Event<'_>) {
    let metadata = event.metadata();
    line.extend_from_slice(b"{\"timestamp\":\"");
    write_time(line, now);
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(metadata.level().as_str().as_bytes());
    line.push(b'"');
    event.record(&mut Fields(line));
    line.extend_from_slice(b",\"target\":\"");
    escape(line, metadata.target());
    line.extend_from_slice(b"\"}\n");
}

/// The second last written by this thread, as text up to its point.
type Second = (u64, String);

/// RFC 3339, in UTC, to the microsecond.
fn write_time(line: &mut Vec<u8>, now: SystemTime) {
    thread_local! {
        static SECOND: RefCell<Second> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let since: Duration = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let second = since.as_secs();
    SECOND.with_borrow_mut(|(written, text)| {
        if *written != second {
            let day = u32::try_from(second / 86_400).unwrap_or(u32::MAX);
            let (hours, minutes, seconds) = (second / 3_600 % 24, second / 60 % 60, second % 60);
            *text = format!("{}T{hours:02}:{minutes:02}:{seconds:02}.", date_of(day));
            *written = second;
        }
        line.extend_from_slice(text.as_bytes());
    });
    // Seven digits, of which the first is not written: leading zeros stay.
    let micros = 1_000_000 + since.subsec_micros();
    let mut digits = itoa::Buffer::new();
    line.extend_from_slice(
        digits
            .format(micros)
            .get(1..)
            .unwrap_or_default()
            .as_bytes(),
    );
    line.push(b'Z');
}

/// Writes fields behind each other.
struct Fields<'l>(&'l mut Vec<u8>);

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        let name = field.name();
        self.0.extend_from_slice(b",\"");
        // Names are ours and need no escape.
        self.0
            .extend_from_slice(name.strip_prefix("r#").unwrap_or(name).as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn integer(&mut self, field: &Field, value: impl itoa::Integer) {
        self.name(field);
        self.0
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

impl Visit for Fields<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.integer(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.integer(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.integer(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.integer(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        self.0
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.name(field);
        write_number(self.0, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.0.push(b'"');
        escape(self.0, value);
        self.0.push(b'"');
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.0.push(b'"');
        // Writing to memory fails only if the value itself does; what it wrote stands.
        let _ = write!(Escaped(self.0), "{value:?}");
        self.0.push(b'"');
    }
}

/// Milliseconds with three decimals, which is what we log, without the work of an exact shortest
/// form; any other number in that form.
fn write_number(line: &mut Vec<u8>, value: f64) {
    const LARGEST: f64 = 1e12;
    let thousandths = (value * 1_000.0).round();
    if (0.0..LARGEST).contains(&thousandths) && thousandths / 1_000.0 == value {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // just bounded
        let thousandths = thousandths as u64;
        let mut digits = itoa::Buffer::new();
        line.extend_from_slice(digits.format(thousandths / 1_000).as_bytes());
        let rest = digits.format(1_000 + thousandths % 1_000);
        let rest = rest.get(1..).unwrap_or_default().trim_end_matches('0');
        line.push(b'.');
        line.extend_from_slice(if rest.is_empty() {
            b"0"
        } else {
            rest.as_bytes()
        });
    } else if value.is_finite() {
        let _ = write!(Escaped(line), "{value:?}");
    } else {
        line.extend_from_slice(b"null");
    }
}

struct Escaped<'l>(&'l mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// The inside of a JSON string (RFC 8259 §7).
fn escape(line: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(is_special) {
        let Some((plain, [special, after @ ..])) = rest.split_at_checked(at) else {
            break;
        };
        line.extend_from_slice(plain);
        match special {
            b'"' => line.extend_from_slice(b"\\\""),
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            control => {
                line.extend_from_slice(b"\\u00");
                let digit = |of: u8| HEX.get(usize::from(of)).copied().unwrap_or(b'0');
                line.extend([digit(control >> 4), digit(control & 15)]);
            }
        }
        rest = after;
    }
    line.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl<S: Subscriber> Layer<S> for Captured {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let time = UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_042);
            write_line(&mut self.0.lock().unwrap(), time, event);
        }
    }

    fn captured(log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let subscriber = tracing_subscriber::registry().with(captured.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let line = captured(|| {
            tracing::warn!(
                target: "keyferry_relay::access",
                status = 200_u16,
                change = -3,
                code = None::<&str>,
                provider = Some("openai"),
                head_ms = 1.25,
                whole = true,
                error = %"two\nlines",
                "said \"{}\"",
                "so"
            );
        });
        assert_eq!(
            line,
            concat!(
                r#"{"timestamp":"2023-11-14T22:13:20.000042Z","level":"WARN","#,
                r#""message":"said \"so\"","status":200,"change":-3,"provider":"openai","#,
                r#""head_ms":1.25,"whole":true,"error":"two\nlines","#,
                r#""target":"keyferry_relay::access"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn whatever_is_logged_reads_back() {
        for text in [
            "",
            "plain",
            "ä \u{1f511}",
            "\"\\\u{0}\u{1f}\u{7f}\r\n\t/",
            "a\\",
        ] {
            let line = captured(|| tracing::info!(text, shown = ?text));
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["text"], text);
            assert_eq!(read["shown"], format!("{text:?}"));
        }
    }

    #[test]
    fn numbers_read_back() {
        for number in [
            0.0,
            0.001,
            0.1,
            1.0,
            12.345,
            1e-7,
            1e15,
            1e300,
            -1.5,
            123_456_789.012,
        ] {
            let mut line = Vec::new();
            write_number(&mut line, number);
            let text = String::from_utf8(line).unwrap();
            assert_eq!(text.parse::<f64>().unwrap(), number, "{text}");
            assert!(serde_json::from_str::<f64>(&text).is_ok(), "{text}");
        }
        for number in [f64::NAN, f64::INFINITY] {
            let mut line = Vec::new();
            write_number(&mut line, number);
            assert_eq!(line, b"null");
        }
    }
}
