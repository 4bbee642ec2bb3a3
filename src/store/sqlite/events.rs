//! Events of connections in SQLite.

use futures_util::future::BoxFuture;
use rusqlite::{Connection as Database, params};

use super::Sqlite;
use super::columns::{count, get_count, get_time, parsed, time};
use crate::connections::{ConnectionId, Event, EventKind, EventRepository, KEPT, Logged, TenantId};
use crate::error::Result;

impl EventRepository for Sqlite {
    fn append(&self, tenant: TenantId, connection: ConnectionId, event: Event) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| append(database, &tenant, &connection, &[event])))
    }

    fn list(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Logged>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT number, at, kind, detail FROM connection_events
                 WHERE tenant = ?1 AND connection = ?2 AND number < ?3 ORDER BY number DESC LIMIT ?4",
            )?;
            let before = before.map_or(i64::MAX, count);
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement.query_map(params![tenant.as_str(), connection.as_str(), before, limit], logged)?.collect()
        }))
    }
}

/// Within the transaction of what they tell of.
pub(super) fn append(
    database: &Database,
    tenant: &TenantId,
    connection: &ConnectionId,
    events: &[Event],
) -> rusqlite::Result<()> {
    let (tenant, connection) = (tenant.as_str(), connection.as_str());
    for Event { at, kind, detail } in events {
        database
            .prepare_cached(
                "INSERT INTO connection_events (tenant, connection, at, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![tenant, connection, time(*at), kind.as_str(), detail])?;
    }
    if !events.is_empty() {
        database
            .prepare_cached(
                "DELETE FROM connection_events WHERE tenant = ?1 AND connection = ?2 AND number <=
                   (SELECT number FROM connection_events WHERE tenant = ?1 AND connection = ?2
                    ORDER BY number DESC LIMIT 1 OFFSET ?3)",
            )?
            .execute(params![tenant, connection, KEPT as i64])?;
    }
    Ok(())
}

fn logged(row: &rusqlite::Row<'_>) -> rusqlite::Result<Logged> {
    let kind: String = row.get("kind")?;
    let event =
        Event { at: get_time(row, "at")?, kind: parsed("kind", EventKind::parse(&kind))?, detail: row.get("detail")? };
    Ok(Logged { number: get_count(row, "number")?, event })
}
