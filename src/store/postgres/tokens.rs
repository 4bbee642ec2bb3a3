//! Leases and renewed credentials in PostgreSQL. The clock of leases is the server's.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Transaction;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::columns::{count, get, get_count, get_text, json, limit, parsed, time};
use super::failure::Failure;
use super::notify::notify;
use super::rows::{WHOLE, failing_columns, whole};
use super::work::{execute, query};
use super::{Postgres, events};
use crate::connections::{
    ConnectionId, Due, Event, Failed, Fresh, Key, LOST_ROTATION, Lease, Leased, State, TenantId, TokenRepository,
};
use crate::error::Result;
use crate::store::changed::Changed;

impl TokenRepository for Postgres {
    fn lease(&self, key: Key, generation: u64, owner: Arc<str>, ttl: Duration) -> BoxFuture<'_, Result<Leased>> {
        Box::pin(async move {
            let leased =
                self.transact(move |at| Box::pin(async move { lease(at, &key, generation, &owner, ttl).await }));
            Ok(leased.await?)
        })
    }

    fn extend(&self, key: Key, epoch: u64, generation: u64, ttl: Duration) -> BoxFuture<'_, Result<Option<Lease>>> {
        Box::pin(async move {
            let extended = self.transact(move |at| {
                Box::pin(async move {
                    let sql = "UPDATE connections SET lease_until = clock_timestamp() + make_interval(secs => $5)
                               WHERE tenant = $1 AND id = $2 AND lease_epoch = $3 AND generation = $4
                               AND lease_until IS NOT NULL";
                    let (tenant, id) = (key.tenant.as_str(), key.id.as_str());
                    let (held, secs) = (count(epoch), ttl.as_secs_f64());
                    if execute(at, sql, &[&tenant, &id, &held, &count(generation), &secs]).await? == 0 {
                        return Ok(None);
                    }
                    let seen = seen(at, &key).await?;
                    Ok(seen.map(|seen| Lease { epoch, row: seen.row, interrupted: false, orphan: seen.orphan }))
                })
            });
            Ok(extended.await?)
        })
    }

    fn commit(&self, key: Key, epoch: u64, fresh: Fresh, told: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        const HELD: &str = "lease_epoch = $11::bigint AND state IN ('active', 'degraded')";
        let origin = self.origin();
        Box::pin(async move {
            let committed = self.transact(move |at| {
                Box::pin(async move { renew(at, &origin, key, fresh, &told, HELD, Some(epoch)).await })
            });
            Ok(committed.await?)
        })
    }

    fn adopt(&self, key: Key, fresh: Fresh, told: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        let origin = self.origin();
        Box::pin(async move {
            let adopted = self.transact(move |at| {
                Box::pin(async move {
                    let free = format!(
                        "(lease_until IS NULL OR lease_until < clock_timestamp()) AND $11::bigint IS NULL
                         AND (state IN ('active', 'degraded')
                         OR (state = 'needs_reauth' AND state_reason = '{LOST_ROTATION}'))"
                    );
                    renew(at, &origin, key, fresh, &told, &free, None).await
                })
            });
            Ok(adopted.await?)
        })
    }

    fn fail(&self, key: Key, epoch: u64, failed: Failed, told: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        let origin = self.origin();
        Box::pin(async move {
            let written =
                self.transact(move |at| Box::pin(async move { fail(at, &origin, key, epoch, failed, &told).await }));
            Ok(written.await?)
        })
    }

    fn keep_orphan(&self, key: Key, generation: u64, sealed: Vec<u8>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let kept = self.transact(move |at| {
                Box::pin(async move {
                    let sql =
                        "UPDATE connections SET orphan = $3, orphan_generation = $4 WHERE tenant = $1 AND id = $2";
                    execute(at, sql, &[&key.tenant.as_str(), &key.id.as_str(), &sealed, &count(generation)]).await
                })
            });
            Ok(kept.await? > 0)
        })
    }

    fn due(&self, now: Timestamp, most: usize) -> BoxFuture<'_, Result<Vec<Due>>> {
        Box::pin(async move {
            let sql = "SELECT tenant, id, provider, generation, last_used_at, refreshed_at, created_at FROM connections
                       WHERE next_refresh_at <= $1 AND state IN ('active', 'degraded') AND NOT paused
                       AND (lease_until IS NULL OR lease_until < clock_timestamp())
                       ORDER BY last_used_at DESC NULLS LAST, id LIMIT $2";
            let rows = self.rows_aside(sql, &[&time(now), &limit(most)]).await?;
            Ok(rows.iter().map(due).collect::<Result<_, Failure>>()?)
        })
    }

    fn postpone(&self, key: Key, generation: u64, until: Option<Timestamp>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let postponed = self.transact(move |at| {
                Box::pin(async move {
                    let sql =
                        "UPDATE connections SET next_refresh_at = $4 WHERE tenant = $1 AND id = $2 AND generation = $3";
                    let (tenant, id) = (key.tenant.as_str(), key.id.as_str());
                    execute(at, sql, &[&tenant, &id, &count(generation), &until.map(time)]).await
                })
            });
            postponed.await?;
            Ok(())
        })
    }

    fn touch(&self, used: Vec<(Key, Timestamp)>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let touched = self.transact_aside(move |at| Box::pin(async move { touch(at, &used).await }));
            touched.await?;
            Ok(())
        })
    }

    fn census(&self) -> BoxFuture<'_, Result<Vec<(Arc<str>, State, u64)>>> {
        Box::pin(async move {
            let sql = "SELECT provider, CASE WHEN paused THEN 'paused' ELSE state END AS shown, count(*) AS number
                       FROM connections GROUP BY provider, shown";
            let counted = self.rows_aside(sql, &[]).await?;
            let counted = counted.iter().map(|row| {
                let state = parsed("state", State::parse(get(row, "shown")?))?;
                Ok((get_text(row, "provider")?, state, get_count(row, "number")?))
            });
            Ok(counted.collect::<Result<_, Failure>>()?)
        })
    }
}

async fn lease(
    at: &Transaction<'_>,
    key: &Key,
    generation: u64,
    owner: &str,
    ttl: Duration,
) -> Result<Leased, Failure> {
    let Some(Seen { held, epoch, interrupted, orphan, row }) = seen(at, key).await? else { return Ok(Leased::Moved) };
    let renewable = matches!(row.connection.state, State::Active | State::Degraded) && !row.paused;
    if row.generation != generation || !renewable {
        return Ok(Leased::Moved);
    }
    if held {
        return Ok(Leased::Held);
    }
    let epoch = epoch.saturating_add(1);
    let (tenant, id) = (key.tenant.as_str(), key.id.as_str());
    let grant = "UPDATE connections SET lease_owner = $3, lease_epoch = $4, intent_at = clock_timestamp(),
                 lease_until = clock_timestamp() + make_interval(secs => $5) WHERE tenant = $1 AND id = $2";
    execute(at, grant, &[&tenant, &id, &owner, &count(epoch), &ttl.as_secs_f64()]).await?;
    Ok(Leased::Granted(Box::new(Lease { epoch, row, interrupted, orphan })))
}

/// A row with all that decides about its lease.
struct Seen {
    held: bool,
    epoch: u64,
    interrupted: bool,
    orphan: Option<(u64, Vec<u8>)>,
    row: crate::connections::Row,
}

/// Locks the row: whoever comes second waits for it, and then sees the lease of the first.
async fn seen(at: &Transaction<'_>, key: &Key) -> Result<Option<Seen>, Failure> {
    let sql = format!(
        "SELECT {WHOLE}, lease_epoch, intent_at IS NOT NULL AS interrupted, orphan, orphan_generation,
         coalesce(lease_until >= clock_timestamp(), false) AS held
         FROM connections WHERE tenant = $1 AND id = $2 FOR UPDATE"
    );
    let found = query(at, &sql, &[&key.tenant.as_str(), &key.id.as_str()]).await?;
    let Some(found) = found.first() else { return Ok(None) };
    let orphan = match get::<Option<Vec<u8>>>(found, "orphan")? {
        Some(sealed) => Some((get_count(found, "orphan_generation")?, sealed)),
        None => None,
    };
    Ok(Some(Seen {
        held: get(found, "held")?,
        epoch: get_count(found, "lease_epoch")?,
        interrupted: get(found, "interrupted")?,
        orphan,
        row: whole(found)?,
    }))
}

/// Writes renewed credentials if `condition` holds; its parameter is number 11.
async fn renew(
    at: &Transaction<'_>,
    origin: &str,
    key: Key,
    fresh: Fresh,
    told: &[Event],
    condition: &str,
    epoch: Option<u64>,
) -> Result<bool, Failure> {
    let sql = format!(
        "UPDATE connections SET sealed = $3, generation = $4, settings = coalesce($5, settings),
         scopes = coalesce($6, scopes), refreshed_at = $7, expires_at = $8, next_refresh_at = $9,
         state = 'active', state_reason = NULL, last_error = NULL, failures = 0, failing_since = NULL,
         lease_owner = NULL, lease_until = NULL, intent_at = NULL, orphan = NULL, orphan_generation = NULL,
         revision = revision + 1
         WHERE tenant = $1 AND id = $2 AND generation = $10 AND {condition}"
    );
    let written = execute(
        at,
        &sql,
        &[
            &key.tenant.as_str(),
            &key.id.as_str(),
            &fresh.sealed,
            &count(fresh.generation),
            &fresh.settings.as_ref().map(json).transpose()?,
            &fresh.scopes.as_ref().map(json).transpose()?,
            &time(fresh.refreshed_at),
            &fresh.expires_at.map(time),
            &fresh.next_refresh_at.map(time),
            &count(fresh.generation.saturating_sub(1)),
            &epoch.map(count),
        ],
    )
    .await?;
    tell(at, origin, key, written > 0, told).await
}

async fn fail(
    at: &Transaction<'_>,
    origin: &str,
    key: Key,
    epoch: u64,
    failed: Failed,
    told: &[Event],
) -> Result<bool, Failure> {
    let sql = "UPDATE connections SET state = $4, state_reason = $5, last_error = $6, failures = $7,
               failing_since = $8, next_refresh_at = $9, lease_owner = NULL, lease_until = NULL, intent_at = NULL,
               revision = revision + 1
               WHERE tenant = $1 AND id = $2 AND lease_epoch = $3 AND state IN ('active', 'degraded')";
    let (failures, failing_since) = failing_columns(Some(failed.failing));
    let written = execute(
        at,
        sql,
        &[
            &key.tenant.as_str(),
            &key.id.as_str(),
            &count(epoch),
            &failed.state.as_str(),
            &failed.state_reason,
            &failed.last_error,
            &failures,
            &failing_since,
            &failed.next_refresh_at.map(time),
        ],
    )
    .await?;
    tell(at, origin, key, written > 0, told).await
}

async fn tell(at: &Transaction<'_>, origin: &str, key: Key, written: bool, told: &[Event]) -> Result<bool, Failure> {
    if written {
        events::append(at, &key.tenant, &key.id, told).await?;
        notify(at, origin, &Changed::Connection(key.tenant, key.id)).await?;
    }
    Ok(written)
}

async fn touch(at: &Transaction<'_>, used: &[(Key, Timestamp)]) -> Result<u64, Failure> {
    let tenants: Vec<&str> = used.iter().map(|(key, _)| key.tenant.as_str()).collect();
    let ids: Vec<&str> = used.iter().map(|(key, _)| key.id.as_str()).collect();
    let times: Vec<Timestamp> = used.iter().map(|(_, at)| time(*at)).collect();
    // Locked in one order: of two processes that write down the same connections neither waits for the other while the
    // other waits for it.
    let sql = "WITH used AS (SELECT tenant, id, max(at) AS at
                             FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS used (tenant, id, at)
                             GROUP BY tenant, id),
               held AS (SELECT c.id FROM connections c JOIN used USING (tenant, id)
                        WHERE c.last_used_at IS NULL OR c.last_used_at < used.at ORDER BY c.id FOR UPDATE OF c)
               UPDATE connections c SET last_used_at = greatest(c.last_used_at, used.at)
               FROM used JOIN held USING (id) WHERE c.id = used.id AND c.tenant = used.tenant";
    execute(at, sql, &[&tenants, &ids, &times]).await
}

fn due(row: &Row) -> Result<Due, Failure> {
    Ok(Due {
        key: Key { tenant: TenantId(get_text(row, "tenant")?), id: ConnectionId(get_text(row, "id")?) },
        provider: get_text(row, "provider")?,
        generation: get_count(row, "generation")?,
        last_used_at: get(row, "last_used_at")?,
        refreshed_at: get(row, "refreshed_at")?,
        created_at: get(row, "created_at")?,
    })
}
