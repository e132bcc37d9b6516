//! A line: what must be done one after the other although each part of it waits for something.
//!
//! Invariant: turns come in the order in which they were taken, each when the one before is dropped. A turn that is never used
//! holds nobody up.

use parking_lot::Mutex;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// A line of those who wait for their turn. How long it gets is for whoever takes turns to bound.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Ends when the last who joined is done.
    last: Mutex<Option<oneshot::Receiver<()>>>,
}

/// A place in a line. To drop it lets the next one go on.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _done: oneshot::Sender<()>,
}

impl Line {
    /// Whether nobody is in it: who is the only one to join it need not.
    pub(crate) fn is_free(&self) -> bool {
        let mut last = self.last.lock();
        let is_busy = last.as_mut().is_some_and(|last| last.try_recv() == Err(TryRecvError::Empty));
        if !is_busy {
            *last = None;
        }
        !is_busy
    }

    /// The next turn: its place is decided now, not when it is waited for.
    pub(crate) fn join(&self) -> Turn {
        let (done, is_done) = oneshot::channel();
        Turn { before: self.last.lock().replace(is_done), _done: done }
    }
}

impl Turn {
    /// Waits until everyone before is done.
    pub(crate) async fn comes(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent: it is the sender's end that tells.
            drop(before.await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn turns_come_in_the_order_they_were_taken_whoever_is_asked_first() {
        let (line, order) = (Line::default(), Arc::new(Mutex::new(Vec::new())));
        let turns: Vec<Turn> = (0..3).map(|_| line.join()).collect();
        let mut tasks = Vec::new();
        for (number, mut turn) in turns.into_iter().enumerate().rev() {
            let order = Arc::clone(&order);
            tasks.push(tokio::spawn(async move {
                turn.comes().await;
                tokio::task::yield_now().await;
                order.lock().push(number);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn it_is_free_when_the_last_is_done() {
        let line = Line::default();
        assert!(line.is_free());
        let (first, second) = (line.join(), line.join());
        drop(first);
        assert!(!line.is_free());
        drop(second);
        assert!(line.is_free() && line.is_free());
    }

    #[tokio::test]
    async fn a_turn_that_is_given_up_holds_nobody_up() {
        let line = Line::default();
        let (first, second, mut third) = (line.join(), line.join(), line.join());
        drop((first, second));
        third.comes().await;
    }
}
