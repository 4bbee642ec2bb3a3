//! The last requests of connections in PostgreSQL: some hundred go in two statements.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::Postgres;
use super::columns::{count, get, get_count, limit, time};
use super::failure::Failure;
use super::work::execute;
use crate::connections::{ConnectionId, KeptRequest as Kept, RequestRepository, TenantId, Written};
use crate::error::Result;

impl RequestRepository for Postgres {
    fn append_aside(&self, requests: Vec<Written>, keep: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let written = self.transact_aside(move |at| {
                Box::pin(async move {
                    let tenants: Vec<&str> = requests.iter().map(|one| one.of.tenant.as_str()).collect();
                    let connections: Vec<&str> = requests.iter().map(|one| one.of.id.as_str()).collect();
                    let times: Vec<Timestamp> = requests.iter().map(|one| time(one.at)).collect();
                    let texts: Vec<&str> = requests.iter().map(|one| one.text.as_str()).collect();
                    let bodies: Vec<Option<&[u8]>> = requests.iter().map(|one| one.bodies.as_deref()).collect();
                    let insert = "INSERT INTO connection_requests (tenant, connection, at, request, bodies)
                         SELECT tenant, connection, at, request, bodies
                         FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::bytea[]) WITH ORDINALITY
                           AS new (tenant, connection, at, request, bodies, place)
                         WHERE EXISTS (SELECT 1 FROM connections
                                       WHERE connections.tenant = new.tenant AND connections.id = new.connection)
                         ORDER BY place";
                    execute(at, insert, &[&tenants, &connections, &times, &texts, &bodies]).await?;
                    let trim = "DELETE FROM connection_requests WHERE number IN (
                           SELECT number FROM (
                             SELECT number, row_number() OVER (PARTITION BY tenant, connection ORDER BY number DESC) AS place
                             FROM connection_requests WHERE (tenant, connection) IN (
                               SELECT * FROM unnest($1::text[], $2::text[]))
                           ) AS placed WHERE place > $3)";
                    execute(at, trim, &[&tenants, &connections, &limit(keep)]).await
                })
            });
            written.await?;
            Ok(())
        })
    }

    fn list(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        before: Option<u64>,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Kept>>> {
        Box::pin(async move {
            let sql = "SELECT number, request, bodies FROM connection_requests
                       WHERE tenant = $1 AND connection = $2 AND number < $3 ORDER BY number DESC LIMIT $4";
            let before = before.map_or(i64::MAX, count);
            let rows = self.rows(sql, &[&tenant.as_str(), &connection.as_str(), &before, &limit(most)]).await?;
            let read = |row: &Row| {
                Ok(Kept { number: get_count(row, "number")?, text: get(row, "request")?, bodies: get(row, "bodies")? })
            };
            Ok(rows.iter().map(read).collect::<Result<_, Failure>>()?)
        })
    }

    fn sweep(&self, before: Timestamp, most: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let swept = self.transact_aside(move |at| {
                Box::pin(async move {
                    let sql = "DELETE FROM connection_requests WHERE number = ANY(ARRAY(
                               SELECT number FROM connection_requests WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
                    execute(at, sql, &[&time(before), &limit(most)]).await
                })
            });
            Ok(swept.await?)
        })
    }

    fn sweep_bodies(&self, before: Timestamp, most: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let swept = self.transact_aside(move |at| {
                Box::pin(async move {
                    let sql = "UPDATE connection_requests SET bodies = NULL WHERE number = ANY(ARRAY(
                               SELECT number FROM connection_requests WHERE at < $1 AND bodies IS NOT NULL
                               LIMIT $2 FOR UPDATE SKIP LOCKED))";
                    execute(at, sql, &[&time(before), &limit(most)]).await
                })
            });
            Ok(swept.await?)
        })
    }
}
