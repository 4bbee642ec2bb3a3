//! A gate with so many permits: who finds none free waits its turn, but not for long.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limit::{Class, Permits};

pub(super) struct Gate(Mutex<Permits<oneshot::Sender<Permit>>>);

/// Gives its place to the next one when it is dropped.
pub struct Permit(Option<Arc<Gate>>);

impl Gate {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Permits::new(capacity))))
    }

    /// As many as may enter may wait besides, and no more: who waits here holds a place elsewhere.
    pub(super) fn with_short_line(capacity: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Permits::with_patient(capacity, capacity))))
    }

    pub(super) async fn enter(self: &Arc<Self>, class: Class, patience: Duration) -> Option<Permit> {
        let turn = {
            let mut permits = self.0.lock();
            if permits.take(class) {
                return Some(Permit(Some(self.clone())));
            }
            if patience.is_zero() {
                return None;
            }
            let (tell, turn) = oneshot::channel();
            if !permits.wait(class, tell, |waiter| !waiter.is_closed()) {
                return None;
            }
            turn
        };
        // A permit that comes too late, or for a caller who has left, is dropped with the channel and goes on.
        timeout(patience, turn).await.ok()?.ok()
    }

    fn give_back(self: Arc<Self>) {
        loop {
            let Some(waiter) = self.0.lock().give_back() else { return };
            let Err(mut unwanted) = waiter.send(Permit(Some(self.clone()))) else { return };
            // Not by dropping it: that would come back here.
            unwanted.0 = None;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(250);

    #[tokio::test(start_paused = true)]
    async fn a_place_is_handed_on_and_patience_ends() {
        let gate = Gate::new(1);
        let first = gate.enter(Class::Read, PATIENCE).await.expect("room");
        assert!(gate.enter(Class::Read, PATIENCE).await.is_none(), "nobody has left");
        let (write, read) = (gate.clone(), gate.clone());
        let read = tokio::spawn(async move { read.enter(Class::Read, PATIENCE).await });
        let write = tokio::spawn(async move { write.enter(Class::Write, PATIENCE).await });
        tokio::task::yield_now().await;
        drop(first);
        let written = write.await.expect("no panic").expect("the write goes first");
        assert!(!read.is_finished());
        drop(written);
        assert!(read.await.expect("no panic").is_some());
        assert_eq!(gate.0.lock().taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_for_one_who_left_is_not_lost() {
        let gate = Gate::new(1);
        let first = gate.enter(Class::Read, PATIENCE).await.expect("room");
        let left = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(Class::Read, PATIENCE).await }
        });
        tokio::task::yield_now().await;
        left.abort();
        let _ = left.await;
        drop(first);
        assert_eq!(gate.0.lock().taken(), 0);
        assert!(gate.enter(Class::Read, Duration::ZERO).await.is_some());
    }
}
