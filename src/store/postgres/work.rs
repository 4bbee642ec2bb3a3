//! How operations reach the server: reads, which may be asked again, and transactions, which may not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use deadpool_postgres::{Client, Object, Transaction};
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::failure::Failure;
use crate::telemetry::StoreFor;

/// How long an operation may take once it has a connection. Longer than the server's own limit for a statement: this one
/// is for a server that does not answer at all, and costs the connection.
const LIMIT: Duration = Duration::from_secs(10);

pub(in crate::store) type Parameters<'p> = &'p [&'p (dyn ToSql + Sync)];

impl Postgres {
    /// A read. Asked once more if its connection turned out dead.
    pub(in crate::store) async fn rows(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.0.clocked.operation(StoreFor::Request, self.asked(sql, parameters)).await
    }

    /// The same for what happens by the clock and not because of a request: it is not counted.
    pub(super) async fn rows_aside(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        self.0.clocked.operation(StoreFor::Clock, self.asked(sql, parameters)).await
    }

    async fn asked(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        match self.rows_once(sql, parameters).await {
            Err(failure) if failure.lost_connection() && !matches!(failure, Failure::Late) => {
                self.rows_once(sql, parameters).await
            }
            answer => answer,
        }
    }

    /// A read of one row or none.
    pub(super) async fn row(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, parameters).await?.into_iter().next())
    }

    async fn rows_once(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        let client = self.client().await?;
        let asked = timeout(LIMIT, async {
            let statement = client.prepare_cached(sql).await?;
            Ok(client.query(&statement, parameters).await?)
        });
        let answer = asked.await.unwrap_or(Err(Failure::Late));
        self.keep_or_drop(client, answer)
    }

    /// Runs `work` in a transaction, which is committed if it succeeds. Only a transaction that could not even begin is
    /// tried again: of any other nobody knows how far it came.
    pub(super) async fn transact<T, F>(&self, work: F) -> Result<T, Failure>
    where
        F: for<'t> FnOnce(&'t Transaction<'t>) -> BoxFuture<'t, Result<T, Failure>> + Send,
    {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.0.clocked.operation(StoreFor::Request, self.transacted(work)).await
    }

    /// The same for what happens by the clock and not because of a request: it is not counted.
    pub(super) async fn transact_aside<T, F>(&self, work: F) -> Result<T, Failure>
    where
        F: for<'t> FnOnce(&'t Transaction<'t>) -> BoxFuture<'t, Result<T, Failure>> + Send,
    {
        self.0.clocked.operation(StoreFor::Clock, self.transacted(work)).await
    }

    async fn transacted<T, F>(&self, work: F) -> Result<T, Failure>
    where
        F: for<'t> FnOnce(&'t Transaction<'t>) -> BoxFuture<'t, Result<T, Failure>> + Send,
    {
        let mut client = self.client().await?;
        let began = timeout(LIMIT, client.simple_query("")).await.map_or(Err(Failure::Late), |asked| Ok(asked?));
        if began.as_ref().is_err_and(Failure::lost_connection) {
            let _ = self.keep_or_drop(client, began);
            client = self.client().await?;
        }
        let done = timeout(LIMIT, async {
            let transaction = client.transaction().await?;
            let value = work(&transaction).await?;
            transaction.commit().await?;
            Ok(value)
        });
        let done = done.await.unwrap_or(Err(Failure::Late));
        self.keep_or_drop(client, done)
    }

    async fn client(&self) -> Result<Client, Failure> {
        Ok(self.0.pool.get().await?)
    }

    /// Gives the connection back to the pool, or away if it is of no use any more.
    fn keep_or_drop<T>(&self, client: Client, answer: Result<T, Failure>) -> Result<T, Failure> {
        if answer.as_ref().is_err_and(Failure::lost_connection) {
            drop(Object::take(client));
            // One that died is seldom alone: after a restart of the server those that idle are dead as well.
            self.0.pool.retain(|_, _| false);
        }
        answer
    }
}

/// One statement of a transaction; how many rows it touched.
pub(super) async fn execute(at: &Transaction<'_>, sql: &str, parameters: Parameters<'_>) -> Result<u64, Failure> {
    let statement = at.prepare_cached(sql).await?;
    Ok(at.execute(&statement, parameters).await?)
}

/// A statement of a transaction that answers with rows.
pub(super) async fn query(at: &Transaction<'_>, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Failure> {
    let statement = at.prepare_cached(sql).await?;
    Ok(at.query(&statement, parameters).await?)
}
