//! A limit on silence, cheap enough to guard every body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Expires when nothing happened for a while. The timer is armed by the first wait and re-armed
/// only when it fires, so a steady flow of chunks never touches the timer wheel.
pub(crate) struct IdleTimer {
    limit: Duration,
    last: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            last: Instant::now(),
            sleep: None,
        }
    }

    /// Something arrived.
    pub(crate) fn progressed(&mut self) {
        self.last = Instant::now();
    }

    /// Nothing is there yet: ready once the silence has lasted for the limit.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.last + self.limit;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        loop {
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if Instant::now() >= deadline => return Poll::Ready(()),
                Poll::Ready(()) => sleep.as_mut().reset(deadline),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn expires_after_the_last_progress() {
        let mut timer = IdleTimer::new(Duration::from_secs(10));
        let begun = Instant::now();
        let first = poll_fn(|cx| timer.poll_expired(cx));
        assert!(
            tokio::time::timeout(Duration::from_secs(9), first)
                .await
                .is_err()
        );
        timer.progressed();
        poll_fn(|cx| timer.poll_expired(cx)).await;
        assert_eq!(begun.elapsed().as_secs(), 19);
    }
}
