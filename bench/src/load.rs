//! Load that does not stream: as fast as it goes, or at a fixed rate.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::payload::{Ask, Random, now};
use crate::process::Usage;
use crate::stats::to_f64;
use crate::target::Target;
use crate::wire::Wire;

/// How long a load lasts: first to warm up, then to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) warm: Duration,
    pub(crate) measured: Duration,
}

/// What a load showed.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Nanoseconds from the moment a request was due to the end of its answer.
    pub(crate) latencies: Vec<u64>,
    /// How many answers were not byte for byte the stand-in's.
    pub(crate) altered: u64,
    pub(crate) seconds: f64,
    /// CPU time of the process under test, in microseconds.
    pub(crate) cpu_us: f64,
}

impl Load {
    pub(crate) fn requests(&self) -> f64 {
        to_f64(self.latencies.len() as u64)
    }
}

/// Reads what the process under test has used so far.
pub(crate) type Meter<'m> = &'m dyn Fn() -> Result<Usage>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Warming,
    Measuring,
    Over,
}

/// What the connections of one load share.
#[derive(Debug)]
struct Shared {
    phase: Cell<Phase>,
    load: RefCell<Load>,
}

impl Shared {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Warming),
            load: RefCell::default(),
        })
    }

    fn record(&self, since: u64, exact: bool) {
        let mut load = self.load.borrow_mut();
        if self.phase.get() == Phase::Measuring {
            load.latencies.push(now().saturating_sub(since));
        }
        load.altered += u64::from(!exact);
    }

    /// Lets the load run its time and measures it.
    async fn watch(&self, span: Span, meter: Meter<'_>) -> Result<()> {
        tokio::time::sleep(span.warm).await;
        let before = meter()?;
        let began = now();
        self.phase.set(Phase::Measuring);
        tokio::time::sleep(span.measured).await;
        self.phase.set(Phase::Over);
        let ended = now();
        let after = meter()?;
        let mut load = self.load.borrow_mut();
        load.seconds = to_f64(ended.saturating_sub(began)) / 1e9;
        load.cpu_us = after.cpu_us - before.cpu_us;
        Ok(())
    }
}

/// One connection's part in a load.
#[derive(Debug)]
pub(crate) struct Lane(Rc<Shared>);

impl Lane {
    /// Whether the load has run its time.
    pub(crate) fn is_over(&self) -> bool {
        self.0.phase.get() == Phase::Over
    }

    /// Counts one request that was begun at `since` and has its answer now.
    pub(crate) fn record(&self, since: u64, exact: bool) {
        self.0.record(since, exact);
    }
}

/// Runs `connections` tasks made by `lane` until the time is over.
pub(crate) async fn drive<F>(
    connections: usize,
    span: Span,
    meter: Meter<'_>,
    lane: impl Fn(usize, Lane) -> F,
) -> Result<Load>
where
    F: Future<Output = Result<()>> + 'static,
{
    let shared = Shared::new();
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        tasks.spawn_local(lane(number, Lane(Rc::clone(&shared))));
    }
    finish(&shared, tasks, span, meter).await
}

/// Each of `connections`, dealt out to `targets` in turn, sends its next request as soon as it has
/// its answer.
pub(crate) async fn closed_loop(
    targets: &[Rc<Target>],
    ask: Ask,
    connections: usize,
    span: Span,
    meter: Meter<'_>,
) -> Result<Load> {
    drive(connections, span, meter, |number, lane| {
        let target = targets.iter().cycle().nth(number).cloned();
        async move {
            let target = target.context("nothing to send to")?;
            let mut request = target.request(ask);
            let mut wire = Wire::connect(target.address).await?;
            while !lane.is_over() {
                let began = now();
                let exchange = request.exchange(&mut wire).await?;
                lane.record(began, exchange.exact);
                if !exchange.keep_alive {
                    wire = Wire::connect(target.address).await?;
                }
            }
            Ok(())
        }
    })
    .await
}

/// Requests fall due at random moments, `rate` a second on average, whether or not earlier ones
/// have been answered, and are sent by the first free one of `connections`. A latency counts from
/// the moment the request was due, so that a stall is seen by every request it delays.
pub(crate) async fn open_loop(
    target: &Rc<Target>,
    rate: f64,
    connections: usize,
    span: Span,
    meter: Meter<'_>,
) -> Result<Load> {
    let shared = Shared::new();
    let due = Rc::new((RefCell::new(VecDeque::new()), Semaphore::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (target, shared, due) = (Rc::clone(target), Rc::clone(&shared), Rc::clone(&due));
        tasks.spawn_local(async move {
            let mut request = target.request(Ask::Small);
            let mut wire = Wire::connect(target.address).await?;
            loop {
                due.1.acquire().await?.forget();
                // The pacer's last act is to let every connection go without work.
                let Some(moment) = due.0.borrow_mut().pop_front() else {
                    return anyhow::Ok(());
                };
                let exchange = request.exchange(&mut wire).await?;
                shared.record(moment, exchange.exact);
                if !exchange.keep_alive {
                    wire = Wire::connect(target.address).await?;
                }
            }
        });
    }
    let pacer = (Rc::clone(&shared), Rc::clone(&due));
    tasks.spawn_local(async move {
        let (shared, due) = pacer;
        let mut random = Random::new(11);
        let mut next = to_f64(now());
        while shared.phase.get() != Phase::Over {
            let moment = now();
            let mut fell_due = 0;
            while next <= to_f64(moment) {
                due.0.borrow_mut().push_back(whole(next));
                fell_due += 1;
                // Exponential gaps: callers do not know of each other.
                next -= random.fraction().ln() * 1e9 / rate;
            }
            due.1.add_permits(fell_due);
            // The runtime's own timer counts milliseconds; this thread does not sleep anyway.
            tokio::task::yield_now().await;
        }
        due.0.borrow_mut().clear();
        due.1.add_permits(connections);
        Ok(())
    });
    finish(&shared, tasks, span, meter).await
}

async fn finish(
    shared: &Rc<Shared>,
    mut tasks: JoinSet<Result<()>>,
    span: Span,
    meter: Meter<'_>,
) -> Result<Load> {
    let failed = async {
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        bail!("every connection ended before its time")
    };
    tokio::select! {
        watched = shared.watch(span, meter) => watched?,
        // A connection that fails ends the run at once instead of skewing it.
        failed = failed => return failed,
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(shared.load.take())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive and below 2^53
fn whole(nanoseconds: f64) -> u64 {
    nanoseconds as u64
}
