//! Leases and renewed credentials in SQLite.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{Connection as Database, OptionalExtension, params};

use super::columns::{NOW, count, from_now, get_count, get_time, get_time_if_any, json, parsed, time};
use super::connections::{failing_columns, whole};
use super::{Sqlite, events};
use crate::connections::{
    ConnectionId, Counted, Due, Event, Failed, Fresh, Key, LOST_ROTATION, Lease, Leased, Row, State, TenantId,
    TokenRepository,
};
use crate::error::Result;

/// The same, some time from now: parameter 5 is how long.
const LATER: &str = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', ?5)";

impl TokenRepository for Sqlite {
    fn lease(&self, key: Key, generation: u64, owner: Arc<str>, ttl: Duration) -> BoxFuture<'_, Result<Leased>> {
        Box::pin(self.write(move |database| lease(database, &key, generation, &owner, ttl)))
    }

    fn extend(&self, key: Key, epoch: u64, generation: u64, ttl: Duration) -> BoxFuture<'_, Result<Option<Lease>>> {
        Box::pin(self.write(move |database| {
            let held = database
                .prepare_cached(&format!(
                    "UPDATE connections SET lease_until = {LATER} WHERE tenant = ?1 AND id = ?2 AND lease_epoch = ?3
                     AND generation = ?4 AND lease_until IS NOT NULL"
                ))?
                .execute(params![
                    key.tenant.as_str(),
                    key.id.as_str(),
                    count(epoch),
                    count(generation),
                    from_now(ttl)
                ])?;
            let seen = if held > 0 { seen(database, &key)? } else { None };
            Ok(seen.map(|seen| Lease { epoch, row: seen.row, interrupted: false, orphan: seen.orphan }))
        }))
    }

    fn commit(&self, key: Key, epoch: u64, fresh: Fresh, told: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        const HELD: &str = "lease_epoch = ?11 AND state IN ('active', 'degraded')";
        Box::pin(self.write(move |database| renew(database, &key, &fresh, &told, HELD, Some(epoch))))
    }

    fn adopt(&self, key: Key, fresh: Fresh, told: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        let free = format!(
            "(lease_until IS NULL OR lease_until < {NOW}) AND ?11 IS NULL AND (state IN ('active', 'degraded')
             OR (state = 'needs_reauth' AND state_reason = '{LOST_ROTATION}'))"
        );
        Box::pin(self.write(move |database| renew(database, &key, &fresh, &told, &free, None)))
    }

    fn fail(&self, key: Key, epoch: u64, failed: Failed, told: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            let (failures, failing_since) = failing_columns(Some(failed.failing));
            let written = database
                .prepare_cached(
                    "UPDATE connections SET state = ?4, state_reason = ?5, last_error = ?6, failures = ?7,
                     failing_since = ?8, next_refresh_at = ?9, lease_owner = NULL, lease_until = NULL, intent_at = NULL,
                     revision = revision + 1
                     WHERE tenant = ?1 AND id = ?2 AND lease_epoch = ?3 AND state IN ('active', 'degraded')",
                )?
                .execute(params![
                    key.tenant.as_str(),
                    key.id.as_str(),
                    count(epoch),
                    failed.state.as_str(),
                    failed.state_reason,
                    failed.last_error,
                    failures,
                    failing_since,
                    failed.next_refresh_at.map(time),
                ])?;
            if written > 0 {
                events::append(database, &key.tenant, &key.id, &told)?;
            }
            Ok(written > 0)
        }))
    }

    fn keep_orphan(&self, key: Key, generation: u64, sealed: Vec<u8>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "UPDATE connections SET orphan = ?3, orphan_generation = ?4 WHERE tenant = ?1 AND id = ?2",
            )?;
            Ok(statement.execute(params![key.tenant.as_str(), key.id.as_str(), sealed, count(generation)])? > 0)
        }))
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>>> {
        Box::pin(self.run_aside(move |database| {
            let mut statement = database.prepare_cached(&format!(
                "SELECT tenant, id, provider, generation, last_used_at, refreshed_at, created_at FROM connections
                 WHERE next_refresh_at <= ?1 AND state IN ('active', 'degraded') AND paused = 0
                 AND (lease_until IS NULL OR lease_until < {NOW}) ORDER BY last_used_at DESC, id LIMIT ?2"
            ))?;
            statement.query_map(params![time(now), i64::try_from(limit).unwrap_or(i64::MAX)], due)?.collect()
        }))
    }

    fn postpone(&self, key: Key, generation: u64, until: Option<Timestamp>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "UPDATE connections SET next_refresh_at = ?4 WHERE tenant = ?1 AND id = ?2 AND generation = ?3",
            )?;
            statement.execute(params![key.tenant.as_str(), key.id.as_str(), count(generation), until.map(time)])?;
            Ok(())
        }))
    }

    fn touch(&self, used: Vec<(Key, Timestamp)>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write_aside(move |database| {
            let mut statement = database.prepare_cached(
                "UPDATE connections SET last_used_at = max(?3, coalesce(last_used_at, '')) WHERE tenant = ?1 AND id = ?2",
            )?;
            for (key, at) in &used {
                statement.execute(params![key.tenant.as_str(), key.id.as_str(), time(*at)])?;
            }
            Ok(())
        }))
    }

    fn census(&self) -> BoxFuture<'_, Result<Vec<Counted>>> {
        Box::pin(self.run_aside(|database| {
            let mut statement = database.prepare_cached(
                "SELECT provider, CASE paused WHEN 0 THEN state ELSE 'paused' END AS shown, count(*) AS number
                 FROM connections GROUP BY provider, shown",
            )?;
            let counted = statement.query_map([], |row| {
                let state = parsed("state", State::parse(&row.get::<_, String>("shown")?))?;
                Ok((row.get::<_, String>("provider")?.into(), state, get_count(row, "number")?))
            })?;
            counted.collect()
        }))
    }
}

fn lease(database: &Database, key: &Key, generation: u64, owner: &str, ttl: Duration) -> rusqlite::Result<Leased> {
    let Some(Seen { held, epoch, interrupted, orphan, row }) = seen(database, key)? else {
        return Ok(Leased::Moved);
    };
    let renewable = matches!(row.connection.state, State::Active | State::Degraded) && !row.paused;
    if row.generation != generation || !renewable {
        return Ok(Leased::Moved);
    }
    if held {
        return Ok(Leased::Held);
    }
    let epoch = epoch + 1;
    database
        .prepare_cached(&format!(
            "UPDATE connections SET lease_owner = ?3, lease_epoch = ?4, intent_at = {NOW}, lease_until = {LATER}
             WHERE tenant = ?1 AND id = ?2"
        ))?
        .execute(params![key.tenant.as_str(), key.id.as_str(), owner, count(epoch), from_now(ttl)])?;
    Ok(Leased::Granted(Box::new(Lease { epoch, row, interrupted, orphan })))
}

/// A row with all that decides about its lease.
struct Seen {
    held: bool,
    epoch: u64,
    interrupted: bool,
    orphan: Option<(u64, Vec<u8>)>,
    row: Row,
}

fn seen(database: &Database, key: &Key) -> rusqlite::Result<Option<Seen>> {
    let mut statement = database.prepare_cached(&format!(
        "SELECT *, lease_until IS NOT NULL AND lease_until >= {NOW} AS held FROM connections WHERE tenant = ?1 AND id = ?2"
    ))?;
    let read = |row: &rusqlite::Row<'_>| {
        let orphan = match row.get::<_, Option<Vec<u8>>>("orphan")? {
            Some(sealed) => Some((get_count(row, "orphan_generation")?, sealed)),
            None => None,
        };
        Ok(Seen {
            held: row.get("held")?,
            epoch: get_count(row, "lease_epoch")?,
            interrupted: row.get::<_, Option<String>>("intent_at")?.is_some(),
            orphan,
            row: whole(row)?,
        })
    };
    statement.query_row([key.tenant.as_str(), key.id.as_str()], read).optional()
}

/// Writes renewed credentials if `condition` holds; its parameter is number 11.
fn renew(
    database: &Database,
    key: &Key,
    fresh: &Fresh,
    told: &[Event],
    condition: &str,
    epoch: Option<u64>,
) -> rusqlite::Result<bool> {
    let settings = fresh.settings.as_ref().map(json).transpose()?;
    let scopes = fresh.scopes.as_ref().map(json).transpose()?;
    let written = database
        .prepare_cached(&format!(
            "UPDATE connections SET sealed = ?3, generation = ?4, settings = coalesce(?5, settings),
             scopes = coalesce(?6, scopes), refreshed_at = ?7, expires_at = ?8, next_refresh_at = ?9,
             state = 'active', state_reason = NULL, last_error = NULL, failures = 0, failing_since = NULL,
             lease_owner = NULL, lease_until = NULL, intent_at = NULL, orphan = NULL, orphan_generation = NULL,
             revision = revision + 1
             WHERE tenant = ?1 AND id = ?2 AND generation = ?10 AND {condition}"
        ))?
        .execute(params![
            key.tenant.as_str(),
            key.id.as_str(),
            fresh.sealed,
            count(fresh.generation),
            settings,
            scopes,
            time(fresh.refreshed_at),
            fresh.expires_at.map(time),
            fresh.next_refresh_at.map(time),
            count(fresh.generation.saturating_sub(1)),
            epoch.map(count),
        ])?;
    if written > 0 {
        events::append(database, &key.tenant, &key.id, told)?;
    }
    Ok(written > 0)
}

fn due(row: &rusqlite::Row<'_>) -> rusqlite::Result<Due> {
    let text = |column: &str| row.get::<_, String>(column).map(Arc::<str>::from);
    Ok(Due {
        key: Key { tenant: TenantId(text("tenant")?), id: ConnectionId(text("id")?) },
        provider: text("provider")?,
        generation: get_count(row, "generation")?,
        last_used_at: get_time_if_any(row, "last_used_at")?,
        refreshed_at: get_time_if_any(row, "refreshed_at")?,
        created_at: get_time(row, "created_at")?,
    })
}
