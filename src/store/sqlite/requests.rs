//! The last requests of connections in SQLite.

use std::collections::HashSet;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::Sqlite;
use super::columns::{count, get_count, time};
use crate::connections::{ConnectionId, KeptRequest as Kept, RequestRepository, TenantId, Written};
use crate::error::Result;

impl RequestRepository for Sqlite {
    fn append_aside(&self, requests: Vec<Written>, keep: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write_aside(move |database| {
            for Written { of, at, text, bodies } in &requests {
                let sql = "INSERT INTO connection_requests (tenant, connection, at, request, bodies) SELECT ?1, ?2, ?3, ?4, ?5
                           WHERE EXISTS (SELECT 1 FROM connections WHERE tenant = ?1 AND id = ?2)";
                let values = params![of.tenant.as_str(), of.id.as_str(), time(*at), text, bodies];
                database.prepare_cached(sql)?.execute(values)?;
            }
            let keep = i64::try_from(keep).unwrap_or(i64::MAX);
            for of in requests.iter().map(|written| &written.of).collect::<HashSet<_>>() {
                let sql = "DELETE FROM connection_requests WHERE tenant = ?1 AND connection = ?2 AND number <=
                             (SELECT number FROM connection_requests WHERE tenant = ?1 AND connection = ?2
                              ORDER BY number DESC LIMIT 1 OFFSET ?3)";
                database.prepare_cached(sql)?.execute(params![of.tenant.as_str(), of.id.as_str(), keep])?;
            }
            Ok(())
        }))
    }

    fn list(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Kept>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT number, request, bodies FROM connection_requests
                 WHERE tenant = ?1 AND connection = ?2 AND number < ?3 ORDER BY number DESC LIMIT ?4",
            )?;
            let before = before.map_or(i64::MAX, count);
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let values = params![tenant.as_str(), connection.as_str(), before, limit];
            let read = |row: &Row<'_>| {
                Ok(Kept { number: get_count(row, "number")?, text: row.get("request")?, bodies: row.get("bodies")? })
            };
            statement.query_map(values, read)?.collect()
        }))
    }

    fn sweep(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.write_aside(move |database| {
            let sql = "DELETE FROM connection_requests WHERE number IN
                         (SELECT number FROM connection_requests WHERE at < ?1 LIMIT ?2)";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(database.prepare_cached(sql)?.execute(params![time(before), limit])? as u64)
        }))
    }

    fn sweep_bodies(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.write_aside(move |database| {
            let sql = "UPDATE connection_requests SET bodies = NULL WHERE number IN
                         (SELECT number FROM connection_requests WHERE at < ?1 AND bodies IS NOT NULL LIMIT ?2)";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(database.prepare_cached(sql)?.execute(params![time(before), limit])? as u64)
        }))
    }
}
