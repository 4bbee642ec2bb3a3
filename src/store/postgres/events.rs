//! Events of connections in PostgreSQL.

use deadpool_postgres::Transaction;
use futures_util::future::BoxFuture;
use tokio_postgres::Row;

use super::Postgres;
use super::columns::{count, get, get_count, limit, parsed, time};
use super::failure::Failure;
use super::work::execute;
use crate::connections::{ConnectionId, Event, EventKind, EventRepository, KEPT, Logged, TenantId};
use crate::error::Result;

impl EventRepository for Postgres {
    fn append(&self, tenant: TenantId, connection: ConnectionId, event: Event) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let appended =
                self.transact(move |at| Box::pin(async move { append(at, &tenant, &connection, &[event]).await }));
            Ok(appended.await?)
        })
    }

    fn list(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        before: Option<u64>,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Logged>>> {
        Box::pin(async move {
            let sql = "SELECT number, at, kind, detail FROM connection_events
                       WHERE tenant = $1 AND connection = $2 AND number < $3 ORDER BY number DESC LIMIT $4";
            let before = before.map_or(i64::MAX, count);
            let rows = self.rows(sql, &[&tenant.as_str(), &connection.as_str(), &before, &limit(most)]).await?;
            Ok(rows.iter().map(logged).collect::<Result<_, Failure>>()?)
        })
    }
}

/// Within the transaction of what they tell of.
pub(super) async fn append(
    at: &Transaction<'_>,
    tenant: &TenantId,
    connection: &ConnectionId,
    events: &[Event],
) -> Result<(), Failure> {
    let (tenant, connection) = (tenant.as_str(), connection.as_str());
    for Event { at: when, kind, detail } in events {
        let sql = "INSERT INTO connection_events (tenant, connection, at, kind, detail) VALUES ($1, $2, $3, $4, $5)";
        execute(at, sql, &[&tenant, &connection, &time(*when), &kind.as_str(), detail]).await?;
    }
    if !events.is_empty() {
        let sql = "DELETE FROM connection_events WHERE tenant = $1 AND connection = $2 AND number <=
                     (SELECT number FROM connection_events WHERE tenant = $1 AND connection = $2
                      ORDER BY number DESC LIMIT 1 OFFSET $3)";
        execute(at, sql, &[&tenant, &connection, &(KEPT as i64)]).await?;
    }
    Ok(())
}

fn logged(row: &Row) -> Result<Logged, Failure> {
    let kind = parsed("kind", EventKind::parse(get(row, "kind")?))?;
    let event = Event { at: get(row, "at")?, kind, detail: get(row, "detail")? };
    Ok(Logged { number: get_count(row, "number")?, event })
}
