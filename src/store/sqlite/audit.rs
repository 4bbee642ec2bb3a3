//! Audit logs in SQLite.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{Connection as Database, OptionalExtension, Row, named_params, params};

use super::Sqlite;
use super::columns::{count, get_count, get_time, get_time_if_any, parsed, time};
use crate::audit::{Action, AuditRepository, Chain, Entry, Recorded, Wanted, hash};
use crate::auth::TenantId;
use crate::error::Result;

impl AuditRepository for Sqlite {
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| append(database, &entries)))
    }

    fn append_aside(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write_aside(move |database| append(database, &entries)))
    }

    fn list(&self, tenant: TenantId, wanted: Wanted) -> BoxFuture<'_, Result<Vec<Recorded>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT * FROM audit_log WHERE tenant = :tenant AND number < :before
                 AND (:connection IS NULL OR connection = :connection)
                 AND (:actor IS NULL OR actor = :actor)
                 AND (:action IS NULL OR action = :action)
                 AND (:since IS NULL OR at >= :since)
                 AND (:until IS NULL OR at < :until)
                 ORDER BY number DESC LIMIT :limit",
            )?;
            let parameters = named_params! {
                ":tenant": tenant.as_str(),
                ":before": wanted.before.map_or(i64::MAX, count),
                ":connection": wanted.connection,
                ":actor": wanted.actor,
                ":action": wanted.action.map(Action::as_str),
                ":since": wanted.since.map(time),
                ":until": wanted.until.map(time),
                ":limit": i64::try_from(wanted.limit).unwrap_or(i64::MAX),
            };
            statement.query_map(parameters, recorded)?.collect()
        }))
    }

    fn rows(&self, tenant: TenantId, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Recorded>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database
                .prepare_cached("SELECT * FROM audit_log WHERE tenant = ?1 AND number > ?2 ORDER BY number LIMIT ?3")?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement.query_map(params![tenant.as_str(), count(after), limit], recorded)?.collect()
        }))
    }

    fn chain(&self, tenant: TenantId) -> BoxFuture<'_, Result<Chain>> {
        Box::pin(self.run(move |database| chain(database, &tenant)))
    }

    fn sweep(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.write_aside(move |database| {
            let mut statement = database.prepare_cached("SELECT tenant FROM audit_chains WHERE swept < head")?;
            let tenants: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            let swept = tenants.iter().map(|tenant| sweep(database, &TenantId(tenant.as_str().into()), before, limit));
            swept.sum()
        }))
    }
}

/// Within the transaction of what the entries tell of.
pub(super) fn append(database: &Database, entries: &[Entry]) -> rusqlite::Result<()> {
    for entry in entries {
        let mut chain = chain(database, &entry.tenant)?;
        chain.head += 1;
        chain.head_hash = hash(&chain.head_hash, chain.head, entry);
        database
            .prepare_cached(
                "INSERT INTO audit_log (tenant, number, at, since, actor, action, connection, subject, outcome, count,
                   request_id, peer, detail, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(params![
                entry.tenant.as_str(),
                count(chain.head),
                time(entry.at),
                entry.since.map(time),
                &*entry.actor,
                entry.action.as_str(),
                entry.connection.as_deref(),
                entry.subject.as_deref(),
                &*entry.outcome,
                count(entry.count),
                entry.request_id.as_deref(),
                entry.peer.as_deref(),
                entry.detail,
                chain.head_hash,
            ])?;
        put_chain(database, &entry.tenant, &chain)?;
    }
    Ok(())
}

fn chain(database: &Database, tenant: &TenantId) -> rusqlite::Result<Chain> {
    let mut statement = database.prepare_cached("SELECT * FROM audit_chains WHERE tenant = ?1")?;
    let found = statement.query_row([tenant.as_str()], |row| {
        Ok(Chain {
            swept: get_count(row, "swept")?,
            swept_hash: row.get("swept_hash")?,
            head: get_count(row, "head")?,
            head_hash: row.get("head_hash")?,
        })
    });
    Ok(found.optional()?.unwrap_or_default())
}

fn put_chain(database: &Database, tenant: &TenantId, chain: &Chain) -> rusqlite::Result<()> {
    let sql = "INSERT INTO audit_chains (tenant, swept, swept_hash, head, head_hash) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant) DO UPDATE SET swept = ?2, swept_hash = ?3, head = ?4, head_hash = ?5";
    let Chain { swept, swept_hash, head, head_hash } = chain;
    let parameters = params![tenant.as_str(), count(*swept), swept_hash, count(*head), head_hash];
    database.prepare_cached(sql)?.execute(parameters).map(drop)
}

/// The beginning of one log.
fn sweep(database: &Database, tenant: &TenantId, before: Timestamp, limit: usize) -> rusqlite::Result<u64> {
    let mut chain = chain(database, tenant)?;
    let younger = "SELECT min(number) FROM audit_log WHERE tenant = ?1 AND at >= ?2";
    let younger: Option<i64> =
        database.prepare_cached(younger)?.query_row(params![tenant.as_str(), time(before)], |row| row.get(0))?;
    let last = younger.map_or(chain.head, |first| u64::try_from(first - 1).unwrap_or_default());
    let last = last.min(chain.swept.saturating_add(limit as u64));
    if last <= chain.swept {
        return Ok(0);
    }
    let anchor = "SELECT hash FROM audit_log WHERE tenant = ?1 AND number = ?2";
    let anchor: Option<[u8; 32]> = database
        .prepare_cached(anchor)?
        .query_row(params![tenant.as_str(), count(last)], |row| row.get(0))
        .optional()?;
    // A log with a hole is left as it is, for whoever looks into it.
    let Some(anchor) = anchor else { return Ok(0) };
    let gone = database
        .prepare_cached("DELETE FROM audit_log WHERE tenant = ?1 AND number <= ?2")?
        .execute(params![tenant.as_str(), count(last)])?;
    (chain.swept, chain.swept_hash) = (last, anchor);
    put_chain(database, tenant, &chain)?;
    Ok(gone as u64)
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let text = |column: &str| row.get::<_, Option<String>>(column).map(|text| text.map(std::sync::Arc::from));
    let whole = |column: &str| row.get::<_, String>(column).map(std::sync::Arc::from);
    let action: String = row.get("action")?;
    let entry = Entry {
        tenant: TenantId(whole("tenant")?),
        at: get_time(row, "at")?,
        since: get_time_if_any(row, "since")?,
        actor: whole("actor")?,
        action: parsed("action", Action::parse(&action))?,
        connection: text("connection")?,
        subject: text("subject")?,
        outcome: whole("outcome")?,
        count: get_count(row, "count")?,
        request_id: text("request_id")?,
        peer: text("peer")?,
        detail: row.get("detail")?,
    };
    Ok(Recorded { number: get_count(row, "number")?, entry, hash: row.get("hash")? })
}
