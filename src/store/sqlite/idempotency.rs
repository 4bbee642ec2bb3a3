//! Writes that happen once, in SQLite.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::{Connection as Database, OptionalExtension, named_params, params};

use super::Sqlite;
use super::columns::{NOW, ago, from_now};
use crate::error::Result;
use crate::idempotency::{Claim, Claimed, End, IdempotencyRepository, Place};

impl IdempotencyRepository for Sqlite {
    fn claim(&self, at: Place, claim: Claim) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(self.write(move |database| {
            if let Some(claimed) = found(database, &at, &claim)? {
                return Ok(claimed);
            }
            insert(database, &at, &claim)?;
            Ok(Claimed::New)
        }))
    }

    fn settle(&self, at: Place, claim: Arc<str>, end: End) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            let (state, sealed) = match &end {
                End::Done(sealed) => ("done", Some(sealed)),
                End::Unknown(sealed) => ("unknown", sealed.as_ref()),
            };
            let mut statement = database.prepare_cached(
                "UPDATE idempotency SET state = ?5, sealed = ?6, lease_until = NULL
                 WHERE tenant = ?1 AND connection = ?2 AND id = ?3 AND claim = ?4",
            )?;
            let written =
                statement.execute(params![at.tenant.as_str(), at.connection.as_str(), at.id, claim, state, sealed])?;
            Ok(written > 0)
        }))
    }

    fn release(&self, at: Place, claim: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "DELETE FROM idempotency WHERE tenant = ?1 AND connection = ?2 AND id = ?3 AND claim = ?4",
            )?;
            statement.execute(params![at.tenant.as_str(), at.connection.as_str(), at.id, claim])?;
            Ok(())
        }))
    }

    fn renew(&self, owner: Arc<str>, lease: Duration, longest: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write_aside(move |database| {
            let mut statement = database.prepare_cached(
                "UPDATE idempotency SET lease_until = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', ?2)
                 WHERE owner = ?1 AND state = 'in_flight'
                 AND created_at >= strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', ?3)",
            )?;
            statement.execute(params![owner, from_now(lease), ago(longest)])?;
            Ok(())
        }))
    }

    /// One process serves a file at a time, so that all others have ended.
    fn give_up_dead(&self, owner: Arc<str>) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.write_aside(move |database| {
            let mut statement = database.prepare_cached(
                "UPDATE idempotency SET state = 'unknown', lease_until = NULL
                 WHERE owner <> ?1 AND state = 'in_flight'",
            )?;
            Ok(statement.execute([owner])? as u64)
        }))
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.write_aside(move |database| {
            let mut statement = database.prepare_cached(&format!(
                "DELETE FROM idempotency WHERE rowid IN
                 (SELECT rowid FROM idempotency WHERE expires_at < {NOW} LIMIT ?1)"
            ))?;
            Ok(statement.execute([i64::try_from(limit).unwrap_or(i64::MAX)])? as u64)
        }))
    }
}

/// What is there already; a place whose time is over is as good as none.
fn found(database: &Database, at: &Place, claim: &Claim) -> rusqlite::Result<Option<Claimed>> {
    let sql = format!(
        "SELECT fingerprint, state, sealed, lease_until >= {NOW} AS alive FROM idempotency
         WHERE tenant = ?1 AND connection = ?2 AND id = ?3 AND expires_at >= {NOW}"
    );
    let read = |row: &rusqlite::Row<'_>| {
        let (state, sealed): (String, Option<Vec<u8>>) = (row.get("state")?, row.get("sealed")?);
        if row.get::<_, String>("fingerprint")? != *claim.fingerprint {
            return Ok(Claimed::Mismatch);
        }
        Ok(match (state.as_str(), sealed) {
            ("done", Some(sealed)) => Claimed::Done(sealed),
            ("in_flight", _) if row.get::<_, Option<bool>>("alive")? == Some(true) => Claimed::InFlight,
            (_, sealed) => Claimed::Unknown(sealed),
        })
    };
    let place = params![at.tenant.as_str(), at.connection.as_str(), at.id];
    database.prepare_cached(&sql)?.query_row(place, read).optional()
}

fn insert(database: &Database, at: &Place, claim: &Claim) -> rusqlite::Result<()> {
    let later = |parameter: &str| format!("strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', {parameter})");
    let sql = format!(
        "INSERT OR REPLACE INTO idempotency
         (tenant, connection, id, fingerprint, claim, owner, state, lease_until, created_at, expires_at)
         VALUES (:tenant, :connection, :id, :fingerprint, :claim, :owner, 'in_flight', {}, {NOW}, {})",
        later(":lease"),
        later(":ttl")
    );
    database.prepare_cached(&sql)?.execute(named_params! {
        ":tenant": at.tenant.as_str(),
        ":connection": at.connection.as_str(),
        ":id": at.id,
        ":fingerprint": claim.fingerprint,
        ":claim": claim.id,
        ":owner": claim.owner,
        ":lease": from_now(claim.lease),
        ":ttl": from_now(claim.ttl),
    })?;
    Ok(())
}
