//! Every default of the relay, each with its reason.

use std::time::Duration;

/// Loopback: nothing is reachable from outside until the operator says so.
pub const LISTEN: &str = "127.0.0.1:8787";

/// Large enough for a 25 MB audio file, the most OpenAI takes for transcription, and no more.
pub const MAX_BODY_BYTES: u64 = 26_214_400;

/// A unified request is held in memory while its `model` is read and replaced; chats with images
/// fit, a client that wants more uses the passthrough route, which streams.
pub const MAX_BUFFERED_BODY_BYTES: u64 = 26_214_400;

/// Sealed key, app token and the SDKs' own headers together stay far below; nginx refuses at 32 KiB.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Official SDKs send about 25.
pub const MAX_HEADERS: usize = 100;

/// Time for a complete request head, idle keep-alive time included. Above the 60 s after which
/// nginx and most load balancers drop an idle upstream connection themselves, so they never
/// reuse one that is just being closed here.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(75);

/// Longest silence of a client that is sending its body.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest time a client may take nothing of what is being sent to it: a reader that stopped must
/// not hold a provider connection for ever.
pub const WRITE_IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// DNS, TCP and TLS to a provider; slower than this is an outage.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Until the provider's response head. The official SDKs wait 10 minutes, and reasoning models
/// use them.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(600);

/// Longest silence between two chunks of a provider's answer. There is no total timeout.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// A key test asks for a list; a person is waiting for it.
pub const KEY_TEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Providers close idle connections after 20 to 60 s; reusing one that is just being closed costs
/// a failed request.
pub const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Between two pings on an HTTP/2 connection to a provider with calls on it: finds out that the
/// other end is gone long before the limits on silence do.
pub const UPSTREAM_PING_INTERVAL: Duration = Duration::from_secs(30);

/// Calls on one HTTP/2 connection to a provider. A call above what the provider allows would wait
/// behind a stream of minutes; fewer than 100 should no server allow (RFC 9113 §6.5.2), and few do.
pub const UPSTREAM_CALLS_PER_CONNECTION: u32 = 100;

/// Bytes a provider may send on one HTTP/2 stream ahead of its reader (RFC 9113 §5.2), so what a
/// client that has stopped reading holds in memory here. A model's answer fits; a download moves
/// at so much per round trip.
pub const UPSTREAM_STREAM_WINDOW: u32 = 256 * 1024;

/// The same on all streams of a connection together: never less than all of them can hold, 25 MiB,
/// or readers that have stopped would keep everybody else's answers from arriving.
///
/// It is eight times that, because h2 allows small frames that nobody has taken half of it, counts
/// each for 256 bytes less its length, and closes the connection of all when they use it up. So
/// every stream can be full of events of 52 bytes; those of providers are larger. What this lets
/// pile up, beyond the 25 MiB, is their bookkeeping: four times as much, if every reader stops.
pub const UPSTREAM_CONNECTION_WINDOW: u32 =
    8 * UPSTREAM_CALLS_PER_CONNECTION * UPSTREAM_STREAM_WINDOW;

/// Open connections from clients; each costs a few kilobytes.
pub const MAX_CONNECTIONS: usize = 10_000;

/// Streams one HTTP/2 connection may have open, as in RFC 9113 §6.5.2's advice of at least 100.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 128;

/// Bytes a client may send on one HTTP/2 stream ahead of the provider that takes them. Little next
/// to a body that is read whole, and an upload moves at so much per round trip.
pub const STREAM_WINDOW: u32 = 256 * 1024;

/// The same on all streams of a connection: as much as they can hold, 32 MiB, or uploads that their
/// providers do not take would keep the other requests of a connection waiting, which a proxy may
/// share among many users. Requests that are not admitted hold nothing of it.
pub const CONNECTION_WINDOW: u32 = MAX_STREAMS_PER_CONNECTION * STREAM_WINDOW;

/// HTTP/2 connections have no head timeout: a ping finds out whether the other end still lives.
pub const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);

/// Longest wait for the answer to that ping.
pub const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Time between turning readiness off and closing the listener: load balancers need one probe
/// interval to notice. Zero fits a single instance.
pub const DRAIN_DELAY: Duration = Duration::ZERO;

/// Time for running streams to end before they are cut.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(30);
