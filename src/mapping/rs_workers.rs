//! The threads on which the second engine works.
//!
//! Its parser recurses on the native stack, it may panic, and its backtracking regular expressions know no
//! time limit. So it runs on threads of its own with big stacks; one that does not answer in time is
//! abandoned (a thread cannot be killed) and another takes its place, up to a point.

use super::problem::Problem;
use parking_lot::{Condvar, Mutex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

const STACK: usize = 64 * 1024 * 1024;
const MAX_WORKERS: usize = 8;
const MAX_ABANDONED: isize = 8;
/// How long a worker may take beyond the evaluation's own limit: parsing, and the last step before its
/// clock is looked at.
const GRACE: Duration = Duration::from_millis(700);

type Job = Box<dyn FnOnce() + Send>;

struct Workers {
    idle: Vec<Sender<Job>>,
    /// All that are idle or at work, without the abandoned ones.
    live: usize,
}

static WORKERS: Mutex<Workers> = Mutex::new(Workers { idle: Vec::new(), live: 0 });
static FREED: Condvar = Condvar::new();
static ABANDONED: AtomicIsize = AtomicIsize::new(0);

/// Runs the job on a worker and waits for it, at most `time` and a grace.
pub(super) fn run<R: Send + 'static>(
    time: Duration,
    job: impl FnOnce() -> Result<R, Problem> + Send + 'static,
) -> Result<R, Problem> {
    let deadline = Instant::now() + time + GRACE;
    let worker = borrow(deadline)?;
    let (answer, answered) = mpsc::channel();
    // set by whoever is first, the worker that has finished or the caller that has waited long enough
    let settled = Arc::new(AtomicBool::new(false));
    let finished = Arc::clone(&settled);
    let job: Job = Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(job))
            .unwrap_or_else(|_| Err(Problem::with_code("panic", "the evaluator gave up")));
        answer.send(result).ok();
        if finished.swap(true, Ordering::AcqRel) {
            // this was an abandoned worker, and it is free at last
            ABANDONED.fetch_sub(1, Ordering::Relaxed);
        }
    });
    if worker.send(job).is_err() {
        retire();
        return Err(Problem::with_code("panic", "the evaluator gave up"));
    }
    match answered.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(result) => {
            WORKERS.lock().idle.push(worker);
            FREED.notify_one();
            result
        }
        Err(_) => {
            retire();
            if !settled.swap(true, Ordering::AcqRel) {
                ABANDONED.fetch_add(1, Ordering::Relaxed);
            }
            Err(Problem::with_code("timeout", "the evaluation does not end"))
        }
    }
}

/// A worker that waits for work, or a new one.
fn borrow(deadline: Instant) -> Result<Sender<Job>, Problem> {
    let mut workers = WORKERS.lock();
    loop {
        if let Some(worker) = workers.idle.pop() {
            return Ok(worker);
        }
        if ABANDONED.load(Ordering::Relaxed) >= MAX_ABANDONED {
            return Err(Problem::with_code("overloaded", "too many evaluations do not end"));
        }
        if workers.live < MAX_WORKERS {
            let worker = start()?;
            workers.live += 1;
            return Ok(worker);
        }
        if FREED.wait_until(&mut workers, deadline).timed_out() {
            return Err(Problem::with_code("overloaded", "all evaluators are busy"));
        }
    }
}

fn start() -> Result<Sender<Job>, Problem> {
    let (jobs, queue) = mpsc::channel::<Job>();
    let work = move || queue.into_iter().for_each(|job| job());
    let thread = std::thread::Builder::new().name("mapping-rs".into()).stack_size(STACK).spawn(work);
    thread.map_err(|_| Problem::with_code("overloaded", "no thread to evaluate on"))?;
    Ok(jobs)
}

fn retire() {
    let mut workers = WORKERS.lock();
    workers.live = workers.live.saturating_sub(1);
    FREED.notify_one();
}

/// Whether the second engine can parse this.
pub(super) fn parse(source: &str) -> Result<(), Problem> {
    let source = source.to_owned();
    run(Duration::from_secs(2), move || {
        let arena = bumpalo::Bump::new();
        let parsed = jsonata_rs::JsonAta::new(&source, &arena);
        parsed.map(drop).map_err(|error| Problem::foreign(Some(error.code()), &error.to_string()))
    })
}
