//! Which servers there are, in PostgreSQL. By the database's clock: the servers' own may differ.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Postgres;
use super::columns::get_count;
use super::work::{execute, query};
use crate::error::Result;
use crate::upstream::ReplicaRepository;

impl ReplicaRepository for Postgres {
    fn beat(&self, id: Arc<str>, alive: Duration) -> BoxFuture<'_, Result<u32>> {
        Box::pin(async move {
            let counted = self.transact_aside(move |at| {
                Box::pin(async move {
                    let seconds = alive.as_secs_f64();
                    let gone = "DELETE FROM replicas WHERE last_seen < clock_timestamp() - make_interval(secs => $1)";
                    execute(at, gone, &[&seconds]).await?;
                    let here = "INSERT INTO replicas (id, last_seen) VALUES ($1, clock_timestamp())
                         ON CONFLICT (id) DO UPDATE SET last_seen = EXCLUDED.last_seen";
                    execute(at, here, &[&&*id]).await?;
                    let rows = query(at, "SELECT count(*) AS count FROM replicas", &[]).await?;
                    rows.first().map_or(Ok(1), |row| get_count(row, "count"))
                })
            });
            Ok(counted.await?)
        })
    }

    fn leave(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.rows_aside("DELETE FROM replicas WHERE id = $1", &[&&*id]).await?;
            Ok(())
        })
    }
}
