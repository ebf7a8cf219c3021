//! Where a request goes and what it carries.

use std::net::SocketAddr;

use anyhow::{Result, bail};

use crate::payload::{ANSWER, Ask, StreamReader, now};
use crate::seal::Sealer;
use crate::wire::Wire;

/// Bodies up to this size leave in one write with their head.
const ONE_WRITE: usize = 16 * 1024;

/// One way to reach the stand-in: directly, or through the process under test.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Makes `X-BYOK-Key` for each request, where `headers` have none.
    pub(crate) sealer: Option<Sealer>,
}

/// A request made ready to be sent many times.
#[derive(Debug)]
pub(crate) struct Request<'t> {
    target: &'t Target,
    ask: Ask,
    head: Vec<u8>,
    body: std::borrow::Cow<'static, [u8]>,
    buffer: Vec<u8>,
}

/// What became of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// Whether the body is byte for byte the stand-in's.
    pub(crate) exact: bool,
    pub(crate) keep_alive: bool,
}

impl Target {
    pub(crate) fn request(&self, ask: Ask) -> Request<'_> {
        let body = ask.body();
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\naccept: application/json\r\nuser-agent: keyferry-bench\r\n",
            self.path,
            self.address,
            body.len()
        );
        for (name, value) in &self.headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        Request {
            target: self,
            ask,
            head: head.into_bytes(),
            body,
            buffer: Vec::new(),
        }
    }
}

impl Request<'_> {
    /// Sends it over `wire` without waiting for the answer.
    pub(crate) async fn send(&mut self, wire: &mut Wire) -> Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.head);
        if let Some(sealer) = &self.target.sealer {
            self.buffer.extend_from_slice(b"x-byok-key: ");
            sealer.seal(&self.target.path, &mut self.buffer)?;
            self.buffer.extend_from_slice(b"\r\n");
        }
        self.buffer.extend_from_slice(b"\r\n");
        if self.body.len() <= ONE_WRITE {
            self.buffer.extend_from_slice(&self.body);
            wire.send(&self.buffer).await
        } else {
            wire.send(&self.buffer).await?;
            wire.send(&self.body).await
        }
    }

    /// Sends it and reads the whole answer; anything but 200 is an error.
    pub(crate) async fn exchange(&mut self, wire: &mut Wire) -> Result<Exchange> {
        self.send(wire).await?;
        let head = wire.response().await?;
        if head.status != 200 {
            bail!(refusal(wire, head).await);
        }
        let mut rest = Some(ANSWER.as_slice());
        wire.body(head.framing, |piece| {
            rest = rest.and_then(|rest| rest.strip_prefix(piece));
        })
        .await?;
        Ok(Exchange {
            exact: rest == Some(&[]),
            keep_alive: head.keep_alive,
        })
    }

    /// Sends it and follows its stream to the end; with the stream comes whether the connection
    /// may be used again.
    pub(crate) async fn follow(&mut self, wire: &mut Wire) -> Result<(Stream, bool)> {
        let sent = now();
        self.send(wire).await?;
        let head = wire.response().await?;
        if head.status != 200 {
            bail!(refusal(wire, head).await);
        }
        let mut reader = StreamReader::default();
        let mut first = None;
        wire.body(head.framing, |piece| {
            reader.take(piece);
            if first.is_none() && !reader.ages.is_empty() {
                first = Some(now().saturating_sub(sent));
            }
        })
        .await?;
        let Ask::Stream { events, .. } = self.ask else {
            bail!("not a request for a stream");
        };
        let exact = reader.is_exact(events);
        let stream = Stream {
            first: first.unwrap_or_default(),
            ages: reader.ages,
            exact,
        };
        Ok((stream, head.keep_alive))
    }
}

/// One stream, read to its end.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Nanoseconds from sending the request to the first event.
    pub(crate) first: u64,
    /// Nanoseconds each event took from the stand-in to here.
    pub(crate) ages: Vec<u64>,
    pub(crate) exact: bool,
}

async fn refusal(wire: &mut Wire, head: crate::wire::ResponseHead) -> String {
    let mut body = Vec::new();
    let read = wire
        .body(head.framing, |piece| body.extend_from_slice(piece))
        .await;
    body.truncate(400);
    let text = String::from_utf8_lossy(&body).into_owned();
    match read {
        Ok(()) => format!("answered {}: {text}", head.status),
        Err(error) => format!("answered {}: {text} ({error})", head.status),
    }
}
