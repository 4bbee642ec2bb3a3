//! Credentials to be given back, in PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Transaction;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::Postgres;
use super::columns::{count, get, get_count, get_json, get_text, json, limit, time};
use super::failure::Failure;
use super::work::{execute, query};
use crate::connections::{ConnectionId, Revocation, RevocationRepository, TenantId};
use crate::error::Result;

const COLUMNS: &str = "id, tenant, connection, provider, settings, generation, sealed, attempts, created_at";

impl RevocationRepository for Postgres {
    fn insert(&self, revocation: Revocation) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let inserted = self.transact(move |at| Box::pin(async move { insert(at, &revocation).await }));
            Ok(inserted.await?)
        })
    }

    fn claim(&self, now: Timestamp, hold: Duration, most: usize) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        Box::pin(async move {
            let claimed = self.transact_aside(move |at| {
                Box::pin(async move {
                    // Rows that another process is claiming at this moment are its.
                    let due = format!(
                        "SELECT {COLUMNS} FROM revocations WHERE next_attempt_at <= $1
                         ORDER BY next_attempt_at, id LIMIT $2 FOR UPDATE SKIP LOCKED"
                    );
                    let rows = query(at, &due, &[&time(now), &limit(most)]).await?;
                    let claimed = rows.iter().map(whole).collect::<Result<Vec<_>, Failure>>()?;
                    let ids: Vec<&str> = claimed.iter().map(|revocation| &*revocation.id).collect();
                    let until = time(now.saturating_add(hold).unwrap_or(now));
                    let hold = "UPDATE revocations SET next_attempt_at = $2 WHERE id = ANY($1::text[])";
                    execute(at, hold, &[&ids, &until]).await?;
                    Ok(claimed)
                })
            });
            Ok(claimed.await?)
        })
    }

    fn done(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let deleted = self.transact(move |at| {
                Box::pin(async move { execute(at, "DELETE FROM revocations WHERE id = $1", &[&&*id]).await })
            });
            deleted.await?;
            Ok(())
        })
    }

    fn failed(&self, id: Arc<str>, error: String, next_attempt_at: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let noted = self.transact(move |at| {
                Box::pin(async move {
                    let sql = "UPDATE revocations SET attempts = attempts + 1, last_error = $2, next_attempt_at = $3
                               WHERE id = $1";
                    execute(at, sql, &[&&*id, &error, &time(next_attempt_at)]).await
                })
            });
            noted.await?;
            Ok(())
        })
    }
}

/// Within the transaction that takes the credentials out of use.
pub(super) async fn insert(at: &Transaction<'_>, revocation: &Revocation) -> Result<(), Failure> {
    let Revocation { id, tenant, connection, provider, settings, generation, sealed, attempts, created_at } =
        revocation;
    let sql =
        format!("INSERT INTO revocations ({COLUMNS}, next_attempt_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)");
    execute(
        at,
        &sql,
        &[
            &&**id,
            &tenant.as_str(),
            &connection.as_str(),
            &&**provider,
            &json(settings)?,
            &count(*generation),
            sealed,
            &i64::from(*attempts),
            &time(*created_at),
        ],
    )
    .await?;
    Ok(())
}

fn whole(row: &Row) -> Result<Revocation, Failure> {
    Ok(Revocation {
        id: get_text(row, "id")?,
        tenant: TenantId(get_text(row, "tenant")?),
        connection: ConnectionId(get_text(row, "connection")?),
        provider: get_text(row, "provider")?,
        settings: get_json(row, "settings")?,
        generation: get_count(row, "generation")?,
        sealed: get(row, "sealed")?,
        attempts: get_count(row, "attempts")?,
        created_at: get(row, "created_at")?,
    })
}
