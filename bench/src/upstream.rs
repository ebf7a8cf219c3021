//! The stand-in for a provider: answers at once, and checks what reaches it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use anyhow::{Context, Result};
use tokio::net::TcpListener;

use crate::cores::pin_this_thread;
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

/// A running stand-in, in a thread of its own for as long as this process lives.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

impl Upstream {
    /// Starts one on a free port of the loopback address, kept on `core`.
    pub(crate) fn start(core: usize) -> Result<Self> {
        let seen = Arc::new(Seen::default());
        let (tell, told) = mpsc::channel();
        let own = Arc::clone(&seen);
        std::thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(move || {
                let ran = pin_this_thread(core).and_then(|()| run(&tell, &own));
                if let Err(error) = ran {
                    eprintln!("the stand-in upstream stopped: {error:#}");
                }
            })?;
        let address = told.recv().context("the stand-in upstream did not start")?;
        Ok(Self { address, seen })
    }

    /// How many requests so far carried a body that the generator did not send.
    pub(crate) fn altered(&self) -> u64 {
        self.seen.altered.load(Ordering::Relaxed)
    }
}

fn run(tell: &mpsc::Sender<SocketAddr>, seen: &Arc<Seen>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        tell.send(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let seen = Arc::clone(seen);
            tokio::task::spawn_local(async move {
                // A relay that drops its connection has been asked to: not an error here.
                let _ = serve(Wire::new(stream)?, &seen).await;
                anyhow::Ok(())
            });
        }
    })
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
                let refusal = br#"{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
                wire.send(&whole("401 Unauthorized", refusal)).await?;
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
