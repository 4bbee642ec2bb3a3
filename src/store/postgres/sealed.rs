//! Everything sealed, in PostgreSQL.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::columns::{count, get, get_count, get_text, parsed};
use super::failure::Failure;
use super::work::{execute, query};
use crate::connections::{ConnectionId, SealedAt, SealedRepository, TenantId};
use crate::error::Result;

/// Where each kind of sealed text is listed, and how such a row is read.
type Listed = (&'static str, fn(&Row) -> Result<SealedAt, Failure>);

const LISTS: [Listed; 6] = [
    ("SELECT tenant, id, generation FROM connections WHERE length(sealed) > 0", |row| {
        Ok(SealedAt::Connection { tenant: tenant(row)?, id: id(row)?, generation: get_count(row, "generation")? })
    }),
    ("SELECT tenant, id, orphan_generation AS generation FROM connections WHERE orphan IS NOT NULL", |row| {
        Ok(SealedAt::Orphan { tenant: tenant(row)?, id: id(row)?, generation: get_count(row, "generation")? })
    }),
    ("SELECT id AS name, tenant, connection AS id, generation FROM revocations", |row| {
        let (tenant, connection, generation) = (tenant(row)?, id(row)?, get_count(row, "generation")?);
        Ok(SealedAt::Revocation { id: get_text(row, "name")?, tenant, connection, generation })
    }),
    ("SELECT tenant, provider FROM oauth_apps", |row| {
        Ok(SealedAt::App { tenant: tenant(row)?, provider: get_text(row, "provider")? })
    }),
    ("SELECT name FROM secrets", |row| Ok(SealedAt::Secret { name: get_text(row, "name")? })),
    (
        "SELECT tenant, connection AS id, id AS name, fingerprint FROM idempotency
         WHERE sealed IS NOT NULL ORDER BY tenant, connection, name",
        |row| {
            let (tenant, connection, fingerprint) = (tenant(row)?, id(row)?, get_text(row, "fingerprint")?);
            Ok(SealedAt::Answer { tenant, connection, id: get_text(row, "name")?, fingerprint })
        },
    ),
];

impl SealedRepository for Postgres {
    fn sealed_texts(&self) -> BoxFuture<'_, Result<Vec<SealedAt>>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for (sql, read) in LISTS {
                for row in self.rows(sql, &[]).await? {
                    found.push(read(&row)?);
                }
            }
            Ok(found)
        })
    }

    fn sealed_text(&self, at: SealedAt) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        Box::pin(async move {
            let Place { column, table, condition, values } = place(&at);
            let sql = format!("SELECT {column} AS sealed FROM {table} WHERE {condition}");
            let row = self.row(&sql, &borrowed(&values)).await?;
            Ok(row.as_ref().map(|row| get(row, "sealed")).transpose()?)
        })
    }

    fn reseal(&self, at: SealedAt, old: Vec<u8>, new: Vec<u8>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let resealed = self.transact(move |transaction| {
                Box::pin(async move {
                    let Place { column, table, condition, mut values } = place(&at);
                    let (old_at, new_at) = (values.len() + 1, values.len() + 2);
                    let sql =
                        format!("UPDATE {table} SET {column} = ${new_at} WHERE {condition} AND {column} = ${old_at}");
                    values.extend([Box::new(old) as Parameter, Box::new(new)]);
                    execute(transaction, &sql, &borrowed(&values)).await
                })
            });
            Ok(resealed.await? > 0)
        })
    }

    fn keep_secret(&self, name: Arc<str>, sealed: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            let kept = self.transact(move |at| {
                Box::pin(async move {
                    // Whoever comes second waits for the first, and then sees the first one's.
                    let keep = "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
                    execute(at, keep, &[&&*name, &sealed]).await?;
                    let rows = query(at, "SELECT sealed FROM secrets WHERE name = $1", &[&&*name]).await?;
                    get(parsed("sealed", rows.first())?, "sealed")
                })
            });
            Ok(kept.await?)
        })
    }
}

type Parameter = Box<dyn ToSql + Sync + Send>;

/// Where a sealed text stands, as statements say it.
struct Place {
    column: &'static str,
    table: &'static str,
    condition: &'static str,
    values: Vec<Parameter>,
}

fn place(at: &SealedAt) -> Place {
    let text = |text: &str| Box::new(text.to_owned()) as Parameter;
    match at {
        SealedAt::Connection { tenant, id, generation } => Place {
            column: "sealed",
            table: "connections",
            condition: "tenant = $1 AND id = $2 AND generation = $3",
            values: vec![text(tenant.as_str()), text(id.as_str()), Box::new(count(*generation))],
        },
        SealedAt::Orphan { tenant, id, generation } => Place {
            column: "orphan",
            table: "connections",
            condition: "tenant = $1 AND id = $2 AND orphan_generation = $3 AND orphan IS NOT NULL",
            values: vec![text(tenant.as_str()), text(id.as_str()), Box::new(count(*generation))],
        },
        SealedAt::Revocation { id, .. } => {
            Place { column: "sealed", table: "revocations", condition: "id = $1", values: vec![text(id)] }
        }
        SealedAt::App { tenant, provider } => Place {
            column: "sealed",
            table: "oauth_apps",
            condition: "tenant = $1 AND provider = $2",
            values: vec![text(tenant.as_str()), text(provider)],
        },
        SealedAt::Secret { name } => {
            Place { column: "sealed", table: "secrets", condition: "name = $1", values: vec![text(name)] }
        }
        SealedAt::Answer { tenant, connection, id, fingerprint } => Place {
            column: "sealed",
            table: "idempotency",
            condition: "tenant = $1 AND connection = $2 AND id = $3 AND fingerprint = $4 AND sealed IS NOT NULL",
            values: vec![text(tenant.as_str()), text(connection.as_str()), text(id), text(fingerprint)],
        },
    }
}

fn borrowed(values: &[Parameter]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
}

fn tenant(row: &Row) -> Result<TenantId, Failure> {
    get_text(row, "tenant").map(TenantId)
}

fn id(row: &Row) -> Result<ConnectionId, Failure> {
    get_text(row, "id").map(ConnectionId)
}
