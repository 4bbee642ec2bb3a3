//! The thread that owns the database. Operations queue up for it, so that no request thread ever waits for a disk; the
//! queue is bounded, and a full one is an answer. Writes that have queued up together go to the disk together.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{broadcast, oneshot};

use super::group::{Pending, Write, write_together};
use crate::error::{Error, Kind, Result};
use crate::store::changed::{Changed, Changes, KEPT};

/// At some ten thousand reads a second this is a tenth of a second of waiting; writes take longer.
const QUEUE: usize = 1024;

pub(super) type Operation = Box<dyn FnOnce(&mut Connection) + Send>;

pub(super) enum Job {
    Run(Operation),
    Write(Box<dyn Write>),
    Close(oneshot::Sender<()>),
}

#[derive(Clone)]
pub(super) struct Worker {
    queue: SyncSender<Job>,
    calls: Arc<AtomicU64>,
    /// Weak, so that the channel closes with the thread.
    changed: broadcast::WeakSender<Changed>,
}

impl Worker {
    /// The thread ends, and the lock with it, when the last handle is dropped or one of them closes it.
    pub(super) fn start(connection: Connection, lock: Option<File>, poll: Option<Duration>) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let (announce, _) = broadcast::channel(KEPT);
        let changed = announce.downgrade();
        let work = move || {
            let closed = serve(connection, &jobs, poll, &announce);
            drop(lock);
            // Answered when all is given up, so that whoever waits can open the store again.
            if let Some(done) = closed {
                let _ = done.send(());
            }
        };
        // Jobs that are still queued after a close are dropped with the queue: their callers get an error.
        std::thread::Builder::new().name("store".to_owned()).spawn(work)?;
        Ok(Self { queue, calls: Arc::default(), changed })
    }

    pub(super) async fn run<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.run_aside(operation).await
    }

    /// The same for what happens by the clock and not because of a request.
    pub(super) async fn run_aside<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let operation = move |connection: &mut Connection| drop(answer.send(operation(connection)));
        self.enqueue(Job::Run(Box::new(operation)))?;
        answered.await.map_err(|_| no_answer())
    }

    /// Writes in a transaction that others may share: what `operation` wrote stays if it returns `Ok`, and is taken back if
    /// not. Answered when it is on the disk.
    pub(super) async fn write<T, E, F>(&self, operation: F) -> Result<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.write_aside(operation).await
    }

    /// The same for what happens by the clock and not because of a request.
    pub(super) async fn write_aside<T, E, F>(&self, operation: F) -> Result<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.enqueue(Job::Write(Box::new(Pending::new(operation, answer))))?;
        answered.await.map_err(|_| no_answer())?
    }

    fn enqueue(&self, job: Job) -> Result<()> {
        match self.queue.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                let error = Error::new(Kind::Overloaded, "Too much work is waiting for the store.");
                Err(error.retry_after(Some(Duration::from_secs(1))))
            }
            Err(TrySendError::Disconnected(_)) => Err(Error::internal("the store is closed")),
        }
    }

    pub(super) async fn close(&self) {
        let (done, is_done) = oneshot::channel();
        let mut job = Job::Close(done);
        loop {
            match self.queue.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                // What is queued is finished first.
                Err(TrySendError::Full(back)) => job = back,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // An error means that somebody else closed it.
        let _ = is_done.await;
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn changes(&self) -> Changes {
        // After the end of the thread a channel without a sender: there is no more news.
        let sender = self.changed.upgrade().unwrap_or_else(|| broadcast::channel(1).0);
        Changes::new(sender.subscribe())
    }
}

/// Works until closed or until nobody is left, and asks between jobs whether another process wrote to the file.
/// Returns who waits for the end.
fn serve(
    mut connection: Connection,
    jobs: &Receiver<Job>,
    poll: Option<Duration>,
    announce: &broadcast::Sender<Changed>,
) -> Option<oneshot::Sender<()>> {
    let mut version = data_version(&connection);
    let mut asked = Instant::now();
    let mut closed = None;
    // What came after a group of writes and is none.
    let mut next = None;
    while closed.is_none() {
        let patience = poll.map_or(Duration::from_secs(3600), |period| period.saturating_sub(asked.elapsed()));
        match next.take().map_or_else(|| jobs.recv_timeout(patience), Ok) {
            Ok(Job::Run(operation)) => run(&mut connection, operation),
            Ok(Job::Write(first)) => next = write_together(&mut connection, first, jobs),
            Ok(Job::Close(done)) => closed = Some(done),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if poll.is_some_and(|period| asked.elapsed() >= period) {
            let now = data_version(&connection);
            if now != version {
                version = now;
                // SQLite tells that something changed, not what. Nobody listening is no fault.
                let _ = announce.send(Changed::All);
            }
            asked = Instant::now();
        }
    }
    // Closing the last connection folds the log into the file.
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "the store was not closed cleanly; nothing is lost, the next start recovers it");
    }
    closed
}

/// A panic in one operation is that caller's failure, not the end of the store.
fn run(connection: &mut Connection, operation: Operation) {
    if catch_unwind(AssertUnwindSafe(|| operation(connection))).is_err() {
        tracing::error!("an operation of the store panicked");
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
}

fn no_answer() -> Error {
    Error::internal("the store's thread gave no answer")
}

/// Changes whenever another connection commits; a version that cannot be read counts as a change.
fn data_version(connection: &Connection) -> Option<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> Worker {
        Worker::start(Connection::open_in_memory().expect("memory"), None, None).expect("a thread")
    }

    #[tokio::test]
    async fn a_panic_ends_one_operation_and_its_transaction() {
        let worker = worker();
        let broken = worker.run(|database| {
            database.execute_batch("BEGIN; CREATE TABLE t (x)").expect("begun");
            panic!("on purpose");
        });
        let broken: Result<()> = broken.await;
        assert_eq!(broken.map_err(|error| error.kind()), Err(Kind::Internal));
        let next = worker.run(|database| database.execute_batch("BEGIN; CREATE TABLE t (x); COMMIT")).await;
        assert!(matches!(next, Ok(Ok(()))));
    }

    #[tokio::test]
    async fn a_full_queue_is_an_answer_and_closing_finishes_what_waits() {
        let worker = worker();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = oneshot::channel();
        let held = worker.clone();
        let hold = move |_: &mut Connection| {
            begin.send(()).expect("the test waits");
            gate.recv().expect("the test opens it");
        };
        let first = tokio::spawn(async move { held.run(hold).await });
        begun.await.expect("the first operation has left the queue");
        let waiting: Vec<_> = (0..QUEUE)
            .map(|_| {
                let worker = worker.clone();
                tokio::spawn(async move { worker.run(|_| ()).await })
            })
            .collect();
        while worker.calls() < QUEUE as u64 + 1 {
            tokio::task::yield_now().await;
        }
        let refused = worker.run(|_| ()).await.expect_err("the queue is full");
        assert_eq!((refused.kind(), refused.is_retryable()), (Kind::Overloaded, true));
        open.send(()).expect("the first operation waits");
        worker.close().await;
        first.await.expect("no panic").expect("finished");
        for task in waiting {
            task.await.expect("no panic").expect("finished");
        }
        assert!(worker.run(|_| ()).await.is_err(), "closed");
    }
}
