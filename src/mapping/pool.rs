//! Threads for what may take long: calls whose expressions are not bounded, and large inputs. They are few and have big
//! stacks: half of the cores, so that the request threads keep the other half whatever runs here. Their priority is the
//! ordinary one, because the engine first counts the time limit of an expression on the wall clock.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::problem::Problem;

/// Deep results are taken apart recursively. Bytes.
const STACK: usize = 64 * 1024 * 1024;
/// Works that may be under way or waiting; one more is refused.
const PLACES: usize = 1024;

struct Pool {
    runtime: Runtime,
    places: Arc<Semaphore>,
}

static POOL: OnceLock<Option<Pool>> = OnceLock::new();

/// Runs the work there. Too much work and a panic are problems; a caller that stops waiting cancels its work at its next
/// await.
pub async fn run<F>(work: F) -> Result<F::Output, Problem>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let busy = || Problem::with_code("overloaded", "too many evaluations are waiting");
    let pool = POOL.get_or_init(start).as_ref().ok_or_else(busy)?;
    let place = pool.places.clone().try_acquire_owned().map_err(|_| busy())?;
    let mut running = Running(pool.runtime.spawn(async move {
        let _place = place;
        work.await
    }));
    (&mut running.0).await.map_err(|_| Problem::with_code("panic", "the evaluator gave up"))
}

/// Ends the work when nobody waits for it any more.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn start() -> Option<Pool> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads((cores / 2).max(1))
        .thread_name("mapping")
        .thread_stack_size(STACK)
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => Some(Pool { runtime, places: Arc::new(Semaphore::new(PLACES)) }),
        Err(error) => {
            tracing::error!(%error, "The threads for mappings cannot be started");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn works_and_survives_a_panic() {
        assert_eq!(run(async { 6 * 7 }).await.ok(), Some(42));
        assert!(
            run(async { panic!("a bug") as () }).await.is_err_and(|problem| problem.code.as_deref() == Some("panic"))
        );
        assert_eq!(run(async { 1 }).await.ok(), Some(1));
    }
}
