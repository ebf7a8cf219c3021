//! The stand-in for a provider: answers at once, and checks what reaches it.

mod tls;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::net::TcpListener;

use crate::cores::{Cores, pin_this_thread, stay_awake};
use crate::payload::{ANSWER, Ask, KEY, STREAM_END, event};
use crate::wire::{Wire, header};

/// The headers OpenAI answers with, for a relay to choose among.
const COMMON_HEADERS: &str = "\
date: Mon, 16 Jun 2025 12:00:00 GMT\r\n\
access-control-expose-headers: X-Request-ID\r\n\
openai-organization: bench\r\n\
openai-processing-ms: 412\r\n\
openai-version: 2020-10-01\r\n\
x-ratelimit-limit-requests: 10000\r\n\
x-ratelimit-limit-tokens: 2000000\r\n\
x-ratelimit-remaining-requests: 9999\r\n\
x-ratelimit-remaining-tokens: 1999922\r\n\
x-ratelimit-reset-requests: 6ms\r\n\
x-ratelimit-reset-tokens: 2ms\r\n\
x-request-id: req_bench0000000000000000000000000000\r\n\
strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n\
set-cookie: __cf_bm=bench; path=/; HttpOnly; Secure\r\n\
cf-cache-status: DYNAMIC\r\n\
server: bench\r\n";

/// What the stand-in has noticed.
#[derive(Debug, Default)]
struct Seen {
    altered: AtomicU64,
}

const REFUSAL: &[u8] = br#"{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;

/// A running stand-in, for as long as this process lives.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// Plain HTTP/1.1.
    pub(crate) address: SocketAddr,
    /// TLS, with HTTP/2 or HTTP/1.1.
    pub(crate) tls: SocketAddr,
    seen: Arc<Seen>,
}

/// What a stand-in listens with, before it runs.
struct Listeners {
    plain: std::net::TcpListener,
    tls: std::net::TcpListener,
    certificate: tls::Certificate,
    seen: Arc<Seen>,
}

/// The name of the file, in the folder of a run, with the certificate behind which the stand-in
/// answers over TLS.
pub(crate) const CERTIFICATE: &str = "provider.pem";

impl Upstream {
    /// Starts one where `cores` has it: in this thread when it shares a core with the load
    /// generator, where a second thread would add a switch to each request. Its certificate goes
    /// to `folder`.
    pub(crate) fn start(cores: &Cores, folder: &Path) -> Result<Self> {
        let (own, listeners) = Self::bind()?;
        std::fs::write(folder.join(CERTIFICATE), &listeners.certificate.pem)?;
        if cores.upstream == cores.generator {
            listeners.serve()?;
            return Ok(own);
        }
        let core = cores.upstream;
        std::thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(move || {
                if let Err(error) = pin_this_thread(core).and_then(|()| run(listeners)) {
                    eprintln!("the stand-in upstream stopped: {error:#}");
                }
            })?;
        Ok(own)
    }

    /// Starts one in this thread's runtime.
    pub(crate) fn here() -> Result<Self> {
        let (own, listeners) = Self::bind()?;
        listeners.serve()?;
        Ok(own)
    }

    fn bind() -> Result<(Self, Listeners)> {
        let listeners = Listeners {
            plain: listener()?,
            tls: listener()?,
            certificate: tls::Certificate::make()?,
            seen: Arc::default(),
        };
        let own = Self {
            address: listeners.plain.local_addr()?,
            tls: listeners.tls.local_addr()?,
            seen: Arc::clone(&listeners.seen),
        };
        Ok((own, listeners))
    }

    /// How many requests so far carried a body that the generator did not send.
    pub(crate) fn altered(&self) -> u64 {
        self.seen.altered.load(Ordering::Relaxed)
    }
}

impl Listeners {
    /// Answers in this thread's runtime from now on.
    fn serve(self) -> Result<()> {
        let plain = TcpListener::from_std(self.plain)?;
        let tls = TcpListener::from_std(self.tls)?;
        tokio::task::spawn_local(accept(plain, Arc::clone(&self.seen)));
        tokio::task::spawn_local(tls::accept(tls, self.certificate, self.seen));
        Ok(())
    }
}

fn listener() -> Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn run(listeners: Listeners) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        listeners.serve()?;
        stay_awake().await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let seen = Arc::clone(&seen);
        tokio::task::spawn_local(async move {
            // A relay that drops its connection has been asked to: not an error here.
            let _ = serve(Wire::new(stream)?, &seen).await;
            anyhow::Ok(())
        });
    }
}

async fn serve(mut wire: Wire, seen: &Seen) -> Result<()> {
    let expected = format!("Bearer {KEY}");
    let answer = whole("200 OK", &ANSWER);
    let mut body = Vec::new();
    loop {
        let request = wire
            .request(|request| {
                header(request.headers, "authorization") == Some(expected.as_bytes())
                    && header(request.headers, "x-byok-key").is_none()
            })
            .await?;
        let Some((framing, rightful)) = request else {
            return Ok(());
        };
        body.clear();
        wire.body(framing, |piece| body.extend_from_slice(piece))
            .await?;
        let ask = Ask::of(&body);
        if ask.is_some_and(|ask| body != *ask.body()) {
            seen.altered.fetch_add(1, Ordering::Relaxed);
        }
        match ask {
            _ if !rightful => {
                wire.send(&whole("401 Unauthorized", REFUSAL)).await?;
            }
            Some(Ask::Small | Ask::Large) => wire.send(&answer).await?,
            Some(Ask::Stream { events, gap }) => {
                stream(&mut wire, events, gap).await?;
            }
            None => wire.send(&whole("400 Bad Request", b"{}")).await?,
        }
    }
}

fn whole(status: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\n{COMMON_HEADERS}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

async fn stream(wire: &mut Wire, events: u32, gap: std::time::Duration) -> Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{COMMON_HEADERS}content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    wire.send(head.as_bytes()).await?;
    let mut chunk = Vec::new();
    for number in 0..events {
        if number > 0 && !gap.is_zero() {
            tokio::time::sleep(gap).await;
        }
        chunk.clear();
        put_chunk(&mut chunk, &event())?;
        wire.send(&chunk).await?;
    }
    chunk.clear();
    put_chunk(&mut chunk, STREAM_END)?;
    chunk.extend_from_slice(b"0\r\n\r\n");
    wire.send(&chunk).await
}

fn put_chunk(out: &mut Vec<u8>, data: &[u8]) -> Result<()> {
    write!(out, "{:x}\r\n", data.len())?;
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    Ok(())
}
