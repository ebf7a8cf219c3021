//! One at a time: whoever comes while somebody is at it waits.

use std::{
    cell::RefCell,
    future::poll_fn,
    task::{Poll, Waker},
};

/// Those waiting for their turn, while somebody has it.
#[derive(Default)]
pub(super) struct Turns(RefCell<Option<Vec<Waker>>>);

impl Turns {
    /// Waits until nobody else is at it.
    pub(super) fn next(&self) -> impl Future<Output = Turn<'_>> {
        poll_fn(|context| {
            let mut waiting = self.0.borrow_mut();
            match &mut *waiting {
                None => {
                    *waiting = Some(Vec::new());
                    Poll::Ready(Turn(self))
                }
                Some(waiting) => {
                    waiting.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
    }
}

/// The right to be at it. Whoever waits is woken when it is given up.
pub(super) struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let waiting = self.0.0.borrow_mut().take();
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}
