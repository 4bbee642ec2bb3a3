//! A write that has begun to be sent is finished: it runs in a task of its own, which nobody's leaving cancels. A write
//! whose caller leaves before anything was sent is given up, since that caller will come again.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::Instrument;

/// How far a write has come. The one who sends and the one who leaves agree by it on who was first.
#[derive(Clone, Default)]
pub struct Progress(Arc<State>);

#[derive(Default)]
struct State {
    flags: AtomicU8,
    given_up: Notify,
}

const SENDING: u8 = 1;
const LEFT: u8 = 2;

impl Progress {
    /// Called right before the first byte of a write leaves. False if its caller has gone: then it must not.
    pub fn begin(&self) -> bool {
        let begin = |flags| (flags & (SENDING | LEFT) != LEFT).then_some(flags | SENDING);
        self.0.flags.fetch_update(Ordering::AcqRel, Ordering::Acquire, begin).is_ok()
    }

    pub fn has_begun(&self) -> bool {
        self.0.flags.load(Ordering::Acquire) & SENDING != 0
    }

    /// Whether the caller has gone.
    pub fn is_alone(&self) -> bool {
        self.0.flags.load(Ordering::Acquire) & LEFT != 0
    }

    fn leave(&self) {
        if self.0.flags.fetch_or(LEFT, Ordering::AcqRel) & SENDING == 0 {
            self.0.given_up.notify_one();
        }
    }

    /// Resolves if the caller leaves before anything was sent.
    pub async fn given_up(&self) {
        self.0.given_up.notified().await;
    }
}

/// The writes that run. Cheap to clone.
#[derive(Clone)]
pub struct Shield(watch::Sender<usize>);

impl Default for Shield {
    fn default() -> Self {
        Self(watch::channel(0).0)
    }
}

impl Shield {
    /// Runs `work` to its end even if this future is dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        progress: Progress,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut waiting = Waiting(Some(progress));
        let task = self.spawn(work);
        let done = task.await;
        waiting.0 = None;
        match done.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(done) => done,
            // Whoever catches panics stands outside.
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // Only the end of the runtime cancels it, and this future with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    /// Runs `work` beside, and the process waits for it before it ends.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.0.send_modify(|running| *running += 1);
        let counted = Counted(self.0.clone());
        let work = async move {
            let _counted = counted;
            work.await
        };
        tokio::spawn(work.in_current_span())
    }

    /// How many run.
    pub fn under_way(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until all that runs has ended, but no longer than `limit`. Returns how many had not.
    pub async fn finish(&self, limit: Duration) -> usize {
        let mut running = self.0.subscribe();
        let ended = tokio::time::timeout(limit, running.wait_for(|running| *running == 0)).await;
        if ended.is_ok() { 0 } else { *self.0.borrow() }
    }
}

struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

/// Dropped early, the caller has gone.
struct Waiting(Option<Progress>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_sends_and_the_one_who_leaves_agree() {
        let sent = Progress::default();
        assert!(!sent.has_begun() && sent.begin());
        sent.leave();
        assert!(sent.has_begun() && sent.is_alone() && sent.begin(), "what has begun goes on");
        let left = Progress::default();
        left.leave();
        assert!(!left.begin() && !left.has_begun());
    }

    #[tokio::test(start_paused = true)]
    async fn work_outlives_whoever_waits_and_is_waited_for_in_the_end() {
        let shield = Shield::default();
        let progress = Progress::default();
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        let work = shield.run(progress.clone(), async move { gate.await.is_ok() });
        assert!(tokio::time::timeout(Duration::from_secs(1), work).await.is_err(), "the caller leaves");
        progress.given_up().await;
        assert_eq!(shield.finish(Duration::from_secs(5)).await, 1);
        open.send(()).expect("it still waits");
        assert_eq!(shield.finish(Duration::from_secs(5)).await, 0);
        assert_eq!(shield.run(Progress::default(), async { 7 }).await, 7);
    }
}
