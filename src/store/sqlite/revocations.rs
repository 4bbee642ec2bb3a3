//! Credentials to be given back, in SQLite.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{Connection as Database, params};

use super::Sqlite;
use super::columns::{count, get_count, get_json, get_time, json, time};
use crate::connections::{ConnectionId, Revocation, RevocationRepository, TenantId};
use crate::error::Result;

impl RevocationRepository for Sqlite {
    fn insert(&self, revocation: Revocation) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| insert(database, &revocation)))
    }

    fn claim(&self, now: Timestamp, hold: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        Box::pin(self.write_aside(move |database| {
            let claimed: Vec<Revocation> = {
                let mut statement = database.prepare_cached(
                    "SELECT * FROM revocations WHERE next_attempt_at <= ?1 ORDER BY next_attempt_at, id LIMIT ?2",
                )?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                statement.query_map(params![time(now), limit], whole)?.collect::<Result<_, _>>()?
            };
            let until = time(now.saturating_add(hold).unwrap_or(now));
            for revocation in &claimed {
                let mut statement =
                    database.prepare_cached("UPDATE revocations SET next_attempt_at = ?2 WHERE id = ?1")?;
                statement.execute(params![revocation.id, until])?;
            }
            Ok(claimed)
        }))
    }

    fn done(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            database.prepare_cached("DELETE FROM revocations WHERE id = ?1")?.execute([&*id])?;
            Ok(())
        }))
    }

    fn failed(&self, id: Arc<str>, error: String, next_attempt_at: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "UPDATE revocations SET attempts = attempts + 1, last_error = ?2, next_attempt_at = ?3 WHERE id = ?1",
            )?;
            statement.execute(params![&*id, error, time(next_attempt_at)])?;
            Ok(())
        }))
    }
}

pub(super) fn insert(database: &Database, revocation: &Revocation) -> rusqlite::Result<()> {
    let Revocation { id, tenant, connection, provider, settings, generation, sealed, attempts, created_at } =
        revocation;
    let mut statement = database.prepare_cached(
        "INSERT INTO revocations (id, tenant, connection, provider, settings, generation, sealed, attempts, next_attempt_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
    )?;
    statement.execute(params![
        id,
        tenant.0,
        connection.0,
        provider,
        json(settings)?,
        count(*generation),
        sealed,
        attempts,
        time(*created_at)
    ])?;
    Ok(())
}

fn whole(row: &rusqlite::Row<'_>) -> rusqlite::Result<Revocation> {
    let text = |column: &str| row.get::<_, String>(column).map(Arc::<str>::from);
    Ok(Revocation {
        id: text("id")?,
        tenant: TenantId(text("tenant")?),
        connection: ConnectionId(text("connection")?),
        provider: text("provider")?,
        settings: get_json(row, "settings")?,
        generation: get_count(row, "generation")?,
        sealed: row.get("sealed")?,
        attempts: row.get("attempts")?,
        created_at: get_time(row, "created_at")?,
    })
}
