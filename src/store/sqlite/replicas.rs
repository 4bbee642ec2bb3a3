//! Which servers there are, in SQLite.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::params;

use super::Sqlite;
use super::columns::time;
use crate::error::Result;
use crate::upstream::ReplicaRepository;

impl ReplicaRepository for Sqlite {
    fn beat(&self, id: Arc<str>, alive: Duration) -> BoxFuture<'_, Result<u32>> {
        Box::pin(self.write_aside(move |database| {
            let now = Timestamp::now();
            let dead = time(now.saturating_sub(alive).unwrap_or(now));
            database.execute("DELETE FROM replicas WHERE last_seen < ?1", [dead])?;
            database.execute(
                "INSERT INTO replicas (id, last_seen) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET last_seen = ?2",
                params![&*id, time(now)],
            )?;
            database.query_row("SELECT count(*) FROM replicas", [], |row| row.get(0))
        }))
    }

    fn leave(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write_aside(move |database| {
            database.execute("DELETE FROM replicas WHERE id = ?1", [&*id])?;
            Ok(())
        }))
    }
}
