//! Threads for what may take long: expressions that are not bounded and large inputs. They are few and have big
//! stacks: half of the cores, so that the request threads keep the other half whatever runs here. Their priority is
//! the ordinary one, because the time limit of an expression is counted on the wall clock.

use super::problem::Problem;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

const STACK: usize = 64 * 1024 * 1024;
const QUEUE: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

static POOL: OnceLock<SyncSender<Job>> = OnceLock::new();

/// Runs `job` on the pool. A full queue and a panic are problems; a caller that stops waiting before the
/// job's turn has cancelled it.
pub fn run<R: Send + 'static>(
    job: impl FnOnce() -> R + Send + 'static,
) -> impl Future<Output = Result<R, Problem>> + Send {
    let (answer, answered) = oneshot::channel();
    let job: Job = Box::new(move || {
        if answer.is_closed() {
            return;
        }
        if let Ok(result) = catch_unwind(AssertUnwindSafe(job)) {
            // the caller may have gone meanwhile
            answer.send(result).ok();
        }
    });
    let queued = POOL.get_or_init(start).try_send(job);
    async move {
        queued.map_err(|_| Problem::with_code("overloaded", "too many evaluations are waiting"))?;
        answered.await.map_err(|_| Problem::with_code("panic", "the evaluator gave up"))
    }
}

fn start() -> SyncSender<Job> {
    let (jobs, queue) = mpsc::sync_channel::<Job>(QUEUE);
    let queue = Arc::new(parking_lot::Mutex::new(queue));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for number in 0..(cores / 2).max(1) {
        let queue = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name(format!("mapping-{number}")).stack_size(STACK);
        if let Err(error) = thread.spawn(move || work(&queue)) {
            tracing::error!(%error, "A thread of the mapping pool cannot be started");
        }
    }
    jobs
}

fn work(queue: &parking_lot::Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn answers_and_survives_panics() {
        for _ in 0..4 {
            let problem = super::run(|| -> u8 { panic!("on purpose") }).await.expect_err("panics");
            assert_eq!(problem.code.as_deref(), Some("panic"));
        }
        assert_eq!(super::run(|| 1 + 1).await.expect("runs"), 2);
    }
}
