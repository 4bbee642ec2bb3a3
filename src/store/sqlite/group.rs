//! Writes that go to the disk together. Each keeps what it wrote or takes it back by itself; what they share is the wait for
//! the disk, which is most of what a write takes. Nobody hears of a write before it is safe.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::failure;
use super::worker::Job;
use crate::error::{Error, Result};

/// Writes of one group at most: who came first does not wait for all who come.
const MOST: usize = 64;

/// One write of a group.
pub(super) trait Write: Send {
    fn run(&mut self, connection: &mut Connection);
    /// What the caller hears: what became of it, if the group as a whole came to the disk.
    fn answer(self: Box<Self>, group: Result<()>);
}

pub(super) struct Pending<T, E, F> {
    operation: Option<F>,
    done: Option<rusqlite::Result<Result<T, E>>>,
    answer: oneshot::Sender<Result<Result<T, E>>>,
}

impl<T, E, F> Pending<T, E, F> {
    pub(super) fn new(operation: F, answer: oneshot::Sender<Result<Result<T, E>>>) -> Self {
        Self { operation: Some(operation), done: None, answer }
    }
}

impl<T, E, F> Write for Pending<T, E, F>
where
    T: Send,
    E: Send,
    F: FnOnce(&Connection) -> Result<T, E> + Send,
{
    fn run(&mut self, connection: &mut Connection) {
        if let Some(operation) = self.operation.take() {
            self.done = Some(in_savepoint(connection, operation));
        }
    }

    fn answer(self: Box<Self>, group: Result<()>) {
        let answer = match (group, self.done) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(done)) => done.map_err(failure),
            (Ok(()), None) => Err(Error::internal("an operation of the store panicked")),
        };
        // A caller that has left needs none.
        let _ = self.answer.send(answer);
    }
}

fn in_savepoint<T, E>(
    connection: &mut Connection,
    operation: impl FnOnce(&Connection) -> Result<T, E>,
) -> rusqlite::Result<Result<T, E>> {
    // Rolled back when dropped, also by a panic.
    let savepoint = connection.savepoint()?;
    let done = operation(&savepoint);
    if done.is_ok() {
        savepoint.commit()?;
    }
    Ok(done)
}

/// Runs `first` and the writes that wait right behind it. Returns what came next and is no write.
pub(super) fn write_together(connection: &mut Connection, first: Box<dyn Write>, jobs: &Receiver<Job>) -> Option<Job> {
    let (mut group, mut next) = (vec![first], None);
    let written = write(connection, &mut group, &mut next, jobs);
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    for write in group {
        write.answer(written.clone());
    }
    next
}

fn write(
    connection: &mut Connection,
    group: &mut Vec<Box<dyn Write>>,
    next: &mut Option<Job>,
    jobs: &Receiver<Job>,
) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failure)?;
    while let Some(write) = group.last_mut() {
        if catch_unwind(AssertUnwindSafe(|| write.run(connection))).is_err() {
            tracing::error!("an operation of the store panicked");
        }
        // Some failures, such as a full disk, make SQLite take back the whole transaction.
        if connection.is_autocommit() {
            return Err(Error::internal("the store took back what was being written"));
        }
        match jobs.try_recv() {
            Ok(Job::Write(another)) if group.len() < MOST => group.push(another),
            other => {
                *next = other.ok();
                break;
            }
        }
    }
    connection.execute_batch("COMMIT").map_err(failure)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::error::Kind;

    type Answer = oneshot::Receiver<Result<rusqlite::Result<usize>>>;

    fn pending(
        operation: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
    ) -> (Box<dyn Write>, Answer) {
        let (answer, answered) = oneshot::channel();
        (Box::new(Pending::new(operation, answer)), answered)
    }

    fn insert(number: i64) -> impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static {
        move |database| database.execute("INSERT INTO t (x) VALUES (?1)", [number])
    }

    fn database() -> Connection {
        let database = Connection::open_in_memory().expect("memory");
        database.execute_batch("CREATE TABLE t (x UNIQUE)").expect("made");
        database
    }

    fn numbers(database: &Connection) -> Vec<i64> {
        let mut statement = database.prepare("SELECT x FROM t ORDER BY x").expect("a statement");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<rusqlite::Result<_>>().expect("numbers")
    }

    #[test]
    fn what_waits_is_written_with_the_first_and_fails_alone() {
        let mut database = database();
        let (first, mut one) = pending(insert(1));
        let (broken, mut two) = pending(|database| {
            database.execute("INSERT INTO t (x) VALUES (100)", [])?;
            database.execute("INSERT INTO t (x) VALUES (1)", [])
        });
        let (panics, mut three) = pending(|database| {
            database.execute("INSERT INTO t (x) VALUES (200)", [])?;
            panic!("on purpose");
        });
        let (last, mut four) = pending(insert(2));
        let (queue, jobs) = sync_channel(8);
        for job in [broken, panics, last] {
            queue.send(Job::Write(job)).expect("room");
        }
        queue.send(Job::Run(Box::new(|_| ()))).expect("room");
        queue.send(Job::Write(pending(insert(3)).0)).expect("room");

        let next = write_together(&mut database, first, &jobs);

        assert!(matches!(next, Some(Job::Run(_))), "what is no write waits for the group");
        assert!(matches!((one.try_recv(), four.try_recv()), (Ok(Ok(Ok(1))), Ok(Ok(Ok(1))))));
        assert!(matches!(two.try_recv(), Ok(Ok(Err(_)))), "its own failure");
        let panicked = three.try_recv().expect("an answer");
        assert_eq!(panicked.map(drop).map_err(|error| error.kind()), Err(Kind::Internal));
        assert_eq!(numbers(&database), [1, 2], "what failed was taken back");
    }

    #[test]
    fn a_group_that_does_not_come_to_the_disk_is_no_ones_success() {
        let mut database = database();
        // Deferred constraints are looked at when the transaction ends.
        let tables = "PRAGMA foreign_keys = ON; CREATE TABLE a (id PRIMARY KEY);
                      CREATE TABLE b (a REFERENCES a DEFERRABLE INITIALLY DEFERRED)";
        database.execute_batch(tables).expect("made");
        let (first, mut one) = pending(insert(1));
        let (second, mut two) = pending(|database| database.execute("INSERT INTO b (a) VALUES (7)", []));
        let (queue, jobs) = sync_channel(8);
        queue.send(Job::Write(second)).expect("room");

        assert!(write_together(&mut database, first, &jobs).is_none());

        assert!(matches!((one.try_recv(), two.try_recv()), (Ok(Err(_)), Ok(Err(_)))));
        assert!(numbers(&database).is_empty() && database.is_autocommit());
    }

    #[test]
    fn a_database_that_another_process_keeps_busy_is_an_answer() {
        let scratch = crate::store::tests::Scratch::new();
        let open = || {
            let database = Connection::open(scratch.database()).expect("a file");
            database.busy_timeout(std::time::Duration::ZERO).expect("set");
            database
        };
        let (mut mine, other) = (open(), open());
        other.execute_batch("CREATE TABLE t (x); BEGIN IMMEDIATE").expect("busy");
        let (write, mut answer) = pending(insert(1));
        let (_queue, jobs) = sync_channel::<Job>(1);

        write_together(&mut mine, write, &jobs);

        let refused = answer.try_recv().expect("an answer");
        assert_eq!(refused.map(drop).map_err(|error| error.kind()), Err(Kind::Overloaded));
    }
}
