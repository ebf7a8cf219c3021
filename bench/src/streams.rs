//! Load that streams: how late events arrive, what an event costs, what an open stream holds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::load::{Meter, Span};
use crate::payload::{Ask, Random, is_begun_stream, is_whole_stream, now};
use crate::stats::to_f64;
use crate::target::{Stream, Target};
use crate::wire::Wire;

/// What streaming showed.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// Nanoseconds from sending a request to its first event.
    pub(crate) first: Vec<u64>,
    /// Nanoseconds from the making of an event to its arrival, each stream's first event excepted.
    pub(crate) ages: Vec<u64>,
    pub(crate) altered: u64,
    /// CPU time of the process under test, in microseconds.
    pub(crate) cpu_us: f64,
}

impl Streams {
    fn add(&mut self, stream: &Stream) {
        self.first.push(stream.first);
        self.ages.extend(stream.ages.iter().skip(1));
        self.altered += u64::from(!stream.exact);
    }
}

/// `count` clients read one stream after the other, each of `events` events `gap` apart.
pub(crate) async fn talk(
    target: &Rc<Target>,
    count: u32,
    events: u32,
    gap: Duration,
    span: Span,
    meter: Meter<'_>,
) -> Result<Streams> {
    let over = Rc::new(Cell::new(false));
    let all = Rc::new(RefCell::new(Streams::default()));
    let mut tasks = JoinSet::new();
    let mut random = Random::new(5);
    for _ in 0..count {
        let (target, over, all) = (Rc::clone(target), Rc::clone(&over), Rc::clone(&all));
        // Clients that start together stay together, and would meet a busy relay every time.
        let delay = gap.mul_f64(random.fraction() * f64::from(events));
        tasks.spawn_local(async move {
            tokio::time::sleep(delay).await;
            let mut request = target.request(Ask::Stream { events, gap });
            let mut wire = Wire::connect(target.address).await?;
            while !over.get() {
                let (stream, keep_alive) = request.follow(&mut wire).await?;
                all.borrow_mut().add(&stream);
                if !keep_alive {
                    wire = Wire::connect(target.address).await?;
                }
            }
            anyhow::Ok(())
        });
    }
    let before = meter()?;
    tokio::time::sleep(span.warm + span.measured).await;
    over.set(true);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let after = meter()?;
    let mut all = all.take();
    all.cpu_us = after.cpu_us - before.cpu_us;
    Ok(all)
}

/// What one stream without pauses showed.
#[derive(Debug)]
pub(crate) struct Flood {
    /// Bytes of body.
    pub(crate) per_second: f64,
    pub(crate) altered: u64,
}

/// Reads one stream of `events` events sent without a pause.
pub(crate) async fn flood(target: &Rc<Target>, events: u32) -> Result<Flood> {
    let mut request = target.request(Ask::Stream {
        events,
        gap: Duration::ZERO,
    });
    let mut wire = Wire::connect(target.address).await?;
    let began = now();
    request.send(&mut wire).await?;
    let head = wire.response().await?;
    if head.status != 200 {
        bail!("answered {}", head.status);
    }
    let mut received = Vec::new();
    wire.body(head.framing, |piece| received.extend_from_slice(piece))
        .await?;
    let seconds = to_f64(now().saturating_sub(began)) / 1e9;
    Ok(Flood {
        per_second: to_f64(received.len() as u64) / seconds,
        altered: u64::from(!is_whole_stream(&received, events)),
    })
}

/// What streams that stay open showed.
#[derive(Debug)]
pub(crate) struct Open {
    /// How much more memory the process under test holds, in bytes.
    pub(crate) held: f64,
    pub(crate) altered: u64,
}

/// Opens `count` streams and measures while each has had an event.
pub(crate) async fn open_streams(
    target: &Rc<Target>,
    count: u32,
    meter: Meter<'_>,
) -> Result<Open> {
    let ask = Ask::Stream {
        events: 600,
        gap: Duration::from_secs(1),
    };
    let before = meter()?.rss;
    // Opening a few at a time keeps the listen queue short.
    let opening = Rc::new(Semaphore::new(32));
    let begun = Rc::new(Cell::new(0_u32));
    let received = Rc::new(RefCell::new(Vec::<Vec<u8>>::new()));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (target, opening, begun) = (Rc::clone(target), Rc::clone(&opening), Rc::clone(&begun));
        let received = Rc::clone(&received);
        tasks.spawn_local(async move {
            let turn = opening.acquire().await?;
            let mut wire = Wire::connect(target.address).await?;
            target.request(ask).send(&mut wire).await?;
            let head = wire.response().await?;
            if head.status != 200 {
                bail!("answered {}", head.status);
            }
            let mut turn = Some(turn);
            let mut number = 0;
            wire.body(head.framing, |piece| {
                let mut received = received.borrow_mut();
                if turn.take().is_some() {
                    begun.set(begun.get() + 1);
                    number = received.len();
                    received.push(Vec::new());
                }
                if let Some(stream) = received.get_mut(number) {
                    stream.extend_from_slice(piece);
                }
            })
            .await?;
            bail!("a stream ended by itself")
        });
    }
    let opened = async {
        while begun.get() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Every stream has its second event as well: what a stream needs once, it has by now.
        tokio::time::sleep(Duration::from_millis(1500)).await;
    };
    tokio::select! {
        Some(ended) = tasks.join_next() => ended??,
        opened = tokio::time::timeout(Duration::from_secs(60), opened) => {
            opened.with_context(|| format!("only {} of {count} streams opened", begun.get()))?;
        }
    }
    let held = meter()?.rss - before;
    let received = received.borrow();
    let exact = received.iter().filter(|stream| is_begun_stream(stream));
    Ok(Open {
        held,
        altered: (received.len() - exact.count()) as u64,
    })
}
