//! Audit logs in PostgreSQL. The row of a log's ends is its lock: who adds to a log waits for whoever does at the moment.

use deadpool_postgres::Transaction;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::Postgres;
use super::columns::{count, get, get_count, get_text, get_text_if_any, limit, parsed, time};
use super::failure::Failure;
use super::work::{Parameters, execute, query};
use crate::audit::{Action, AuditRepository, Chain, Entry, Recorded, Wanted, hash};
use crate::auth::TenantId;
use crate::error::Result;

const COLUMNS: &str =
    "tenant, number, at, since, actor, action, connection, subject, outcome, count, request_id, peer, detail, hash";
const CHAIN: &str = "SELECT swept, swept_hash, head, head_hash FROM audit_chains WHERE tenant = $1";

impl AuditRepository for Postgres {
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Ok(self.transact(move |at| Box::pin(async move { append(at, &entries).await })).await?) })
    }

    fn append_aside(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            Ok(self.transact_aside(move |at| Box::pin(async move { append(at, &entries).await })).await?)
        })
    }

    fn list(&self, tenant: TenantId, wanted: Wanted) -> BoxFuture<'_, Result<Vec<Recorded>>> {
        Box::pin(async move {
            let sql = format!(
                "SELECT {COLUMNS} FROM audit_log WHERE tenant = $1 AND number < $2
                 AND ($3::text IS NULL OR connection = $3) AND ($4::text IS NULL OR actor = $4)
                 AND ($5::text IS NULL OR action = $5) AND ($6::timestamptz IS NULL OR at >= $6)
                 AND ($7::timestamptz IS NULL OR at < $7) ORDER BY number DESC LIMIT $8"
            );
            let parameters: Parameters<'_> = &[
                &tenant.as_str(),
                &wanted.before.map_or(i64::MAX, count),
                &wanted.connection,
                &wanted.actor,
                &wanted.action.map(Action::as_str),
                &wanted.since.map(time),
                &wanted.until.map(time),
                &limit(wanted.limit),
            ];
            let rows = Postgres::rows(self, &sql, parameters).await?;
            Ok(rows.iter().map(recorded).collect::<Result<_, Failure>>()?)
        })
    }

    fn rows(&self, tenant: TenantId, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<Recorded>>> {
        Box::pin(async move {
            let sql =
                format!("SELECT {COLUMNS} FROM audit_log WHERE tenant = $1 AND number > $2 ORDER BY number LIMIT $3");
            let rows = Postgres::rows(self, &sql, &[&tenant.as_str(), &count(after), &limit(most)]).await?;
            Ok(rows.iter().map(recorded).collect::<Result<_, Failure>>()?)
        })
    }

    fn chain(&self, tenant: TenantId) -> BoxFuture<'_, Result<Chain>> {
        Box::pin(async move {
            let row = self.row(CHAIN, &[&tenant.as_str()]).await?;
            Ok(row.as_ref().map(chain).transpose()?.unwrap_or_default())
        })
    }

    fn sweep(&self, before: Timestamp, most: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let swept = self.transact_aside(move |at| {
                Box::pin(async move {
                    // In the order in which everybody takes these locks.
                    let sql = "SELECT tenant FROM audit_chains WHERE swept < head ORDER BY tenant";
                    let mut gone = 0;
                    for row in query(at, sql, &[]).await? {
                        gone += sweep(at, &TenantId(get_text(&row, "tenant")?), before, most).await?;
                    }
                    Ok(gone)
                })
            });
            Ok(swept.await?)
        })
    }
}

/// Within the transaction of what the entries tell of.
pub(super) async fn append(at: &Transaction<'_>, entries: &[Entry]) -> Result<(), Failure> {
    for entry in entries {
        let mut chain = locked(at, &entry.tenant).await?;
        chain.head += 1;
        chain.head_hash = hash(&chain.head_hash, chain.head, entry);
        let sql = format!(
            "INSERT INTO audit_log ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        );
        let parameters: Parameters<'_> = &[
            &entry.tenant.as_str(),
            &count(chain.head),
            &time(entry.at),
            &entry.since.map(time),
            &&*entry.actor,
            &entry.action.as_str(),
            &entry.connection.as_deref(),
            &entry.subject.as_deref(),
            &&*entry.outcome,
            &count(entry.count),
            &entry.request_id.as_deref(),
            &entry.peer.as_deref(),
            &entry.detail,
            &chain.head_hash.as_slice(),
        ];
        execute(at, &sql, parameters).await?;
        put_chain(at, &entry.tenant, &chain).await?;
    }
    Ok(())
}

/// The ends of the log, which nobody else moves until the end of the transaction.
async fn locked(at: &Transaction<'_>, tenant: &TenantId) -> Result<Chain, Failure> {
    let begin = "INSERT INTO audit_chains (tenant, swept, swept_hash, head, head_hash) VALUES ($1, 0, $2, 0, $2)
                 ON CONFLICT (tenant) DO NOTHING";
    let zeros: &[u8] = &[0; 32];
    execute(at, begin, &[&tenant.as_str(), &zeros]).await?;
    let rows = query(at, &format!("{CHAIN} FOR UPDATE"), &[&tenant.as_str()]).await?;
    Ok(rows.first().map(chain).transpose()?.unwrap_or_default())
}

async fn put_chain(at: &Transaction<'_>, tenant: &TenantId, chain: &Chain) -> Result<(), Failure> {
    let sql = "UPDATE audit_chains SET swept = $2, swept_hash = $3, head = $4, head_hash = $5 WHERE tenant = $1";
    let (swept_hash, head_hash) = (chain.swept_hash.as_slice(), chain.head_hash.as_slice());
    let parameters: Parameters<'_> =
        &[&tenant.as_str(), &count(chain.swept), &swept_hash, &count(chain.head), &head_hash];
    execute(at, sql, parameters).await?;
    Ok(())
}

/// The beginning of one log.
async fn sweep(at: &Transaction<'_>, tenant: &TenantId, before: Timestamp, most: usize) -> Result<u64, Failure> {
    let mut chain = locked(at, tenant).await?;
    let younger = "SELECT min(number) AS number FROM audit_log WHERE tenant = $1 AND at >= $2";
    let younger = query(at, younger, &[&tenant.as_str(), &time(before)]).await?;
    let younger = younger.first().map(|row| get::<Option<i64>>(row, "number")).transpose()?.flatten();
    let last = younger.map_or(chain.head, |first| u64::try_from(first - 1).unwrap_or_default());
    let last = last.min(chain.swept.saturating_add(most as u64));
    if last <= chain.swept {
        return Ok(0);
    }
    let anchor = "SELECT hash FROM audit_log WHERE tenant = $1 AND number = $2";
    let anchor = query(at, anchor, &[&tenant.as_str(), &count(last)]).await?;
    // A log with a hole is left as it is, for whoever looks into it.
    let Some(anchor) = anchor.first() else { return Ok(0) };
    (chain.swept, chain.swept_hash) = (last, get_hash(anchor, "hash")?);
    let gone = "DELETE FROM audit_log WHERE tenant = $1 AND number <= $2";
    let gone = execute(at, gone, &[&tenant.as_str(), &count(last)]).await?;
    put_chain(at, tenant, &chain).await?;
    Ok(gone)
}

fn chain(row: &Row) -> Result<Chain, Failure> {
    Ok(Chain {
        swept: get_count(row, "swept")?,
        swept_hash: get_hash(row, "swept_hash")?,
        head: get_count(row, "head")?,
        head_hash: get_hash(row, "head_hash")?,
    })
}

fn get_hash(row: &Row, column: &'static str) -> Result<[u8; 32], Failure> {
    parsed(column, get::<&[u8]>(row, column)?.try_into().ok())
}

fn recorded(row: &Row) -> Result<Recorded, Failure> {
    let entry = Entry {
        tenant: TenantId(get_text(row, "tenant")?),
        at: get(row, "at")?,
        since: get(row, "since")?,
        actor: get_text(row, "actor")?,
        action: parsed("action", Action::parse(get(row, "action")?))?,
        connection: get_text_if_any(row, "connection")?,
        subject: get_text_if_any(row, "subject")?,
        outcome: get_text(row, "outcome")?,
        count: get_count(row, "count")?,
        request_id: get_text_if_any(row, "request_id")?,
        peer: get_text_if_any(row, "peer")?,
        detail: get(row, "detail")?,
    };
    Ok(Recorded { number: get_count(row, "number")?, entry, hash: get_hash(row, "hash")? })
}
