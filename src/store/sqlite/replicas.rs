//! Which servers there are, in SQLite.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{TransactionBehavior, params};

use super::Sqlite;
use super::columns::time;
use crate::error::Result;
use crate::upstream::ReplicaRepository;

impl ReplicaRepository for Sqlite {
    fn beat(&self, id: Arc<str>, alive: Duration) -> BoxFuture<'_, Result<u32>> {
        Box::pin(self.run_aside(move |database| {
            let now = Timestamp::now();
            let dead = time(now.saturating_sub(alive).unwrap_or(now));
            let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("DELETE FROM replicas WHERE last_seen < ?1", [dead])?;
            transaction.execute(
                "INSERT INTO replicas (id, last_seen) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET last_seen = ?2",
                params![&*id, time(now)],
            )?;
            let count = transaction.query_row("SELECT count(*) FROM replicas", [], |row| row.get(0))?;
            transaction.commit()?;
            Ok(count)
        }))
    }

    fn leave(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.run_aside(move |database| {
            database.execute("DELETE FROM replicas WHERE id = ?1", [&*id])?;
            Ok(())
        }))
    }
}
