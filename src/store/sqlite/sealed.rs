//! Everything sealed, in SQLite.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rusqlite::{Connection as Database, OptionalExtension, ToSql, params};

use super::Sqlite;
use super::columns::{count, get_count};
use crate::connections::{ConnectionId, SealedAt, SealedRepository, TenantId};
use crate::error::Result;

impl SealedRepository for Sqlite {
    fn sealed_texts(&self) -> BoxFuture<'_, Result<Vec<SealedAt>>> {
        Box::pin(self.run(|database| {
            let mut found = Vec::new();
            found.extend(listed(
                database,
                "SELECT tenant, id, generation FROM connections WHERE length(sealed) > 0",
                |row| {
                    Ok(SealedAt::Connection {
                        tenant: tenant(row)?,
                        id: id(row)?,
                        generation: get_count(row, "generation")?,
                    })
                },
            )?);
            found.extend(listed(
                database,
                "SELECT tenant, id, orphan_generation AS generation FROM connections WHERE orphan IS NOT NULL",
                |row| {
                    Ok(SealedAt::Orphan {
                        tenant: tenant(row)?,
                        id: id(row)?,
                        generation: get_count(row, "generation")?,
                    })
                },
            )?);
            found.extend(listed(
                database,
                "SELECT id AS name, tenant, connection AS id, generation FROM revocations",
                |row| {
                    let (tenant, connection) = (tenant(row)?, id(row)?);
                    let generation = get_count(row, "generation")?;
                    Ok(SealedAt::Revocation { id: text(row, "name")?, tenant, connection, generation })
                },
            )?);
            found.extend(listed(database, "SELECT tenant, provider FROM oauth_apps", |row| {
                Ok(SealedAt::App { tenant: tenant(row)?, provider: text(row, "provider")? })
            })?);
            found.extend(listed(database, "SELECT name FROM secrets", |row| {
                Ok(SealedAt::Secret { name: text(row, "name")? })
            })?);
            let answers = "SELECT tenant, connection AS id, id AS name, fingerprint FROM idempotency
                           WHERE sealed IS NOT NULL ORDER BY tenant, connection, name";
            found.extend(listed(database, answers, |row| {
                let (tenant, connection) = (tenant(row)?, id(row)?);
                let fingerprint = text(row, "fingerprint")?;
                Ok(SealedAt::Answer { tenant, connection, id: text(row, "name")?, fingerprint })
            })?);
            Ok(found)
        }))
    }

    fn sealed_text(&self, at: SealedAt) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        Box::pin(self.run(move |database| {
            with_row(&at, |column, table, condition, parameters| {
                let sql = format!("SELECT {column} FROM {table} WHERE {condition}");
                database.prepare_cached(&sql)?.query_row(parameters, |row| row.get(0)).optional()
            })
        }))
    }

    fn reseal(&self, at: SealedAt, old: Vec<u8>, new: Vec<u8>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            with_row(&at, |column, table, condition, parameters| {
                let (old_at, new_at) = (parameters.len() + 1, parameters.len() + 2);
                let sql = format!("UPDATE {table} SET {column} = ?{new_at} WHERE {condition} AND {column} = ?{old_at}");
                let values: Vec<&dyn ToSql> =
                    parameters.iter().copied().chain([&old as &dyn ToSql, &new as &dyn ToSql]).collect();
                Ok(database.prepare_cached(&sql)?.execute(values.as_slice())? > 0)
            })
        }))
    }

    fn keep_secret(&self, name: Arc<str>, sealed: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(self.write(move |database| {
            database
                .prepare_cached("INSERT INTO secrets (name, sealed) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING")?
                .execute(params![name, sealed])?;
            database.prepare_cached("SELECT sealed FROM secrets WHERE name = ?1")?.query_row([&name], |row| row.get(0))
        }))
    }
}

/// Column, table, condition and its parameters.
fn with_row<T>(at: &SealedAt, act: impl FnOnce(&str, &str, &str, &[&dyn ToSql]) -> T) -> T {
    match at {
        SealedAt::Connection { tenant, id, generation } => {
            let condition = "tenant = ?1 AND id = ?2 AND generation = ?3";
            act("sealed", "connections", condition, &[&tenant.0, &id.0, &count(*generation)])
        }
        SealedAt::Orphan { tenant, id, generation } => {
            let condition = "tenant = ?1 AND id = ?2 AND orphan_generation = ?3 AND orphan IS NOT NULL";
            act("orphan", "connections", condition, &[&tenant.0, &id.0, &count(*generation)])
        }
        SealedAt::Revocation { id, .. } => act("sealed", "revocations", "id = ?1", &[id]),
        SealedAt::App { tenant, provider } => {
            act("sealed", "oauth_apps", "tenant = ?1 AND provider = ?2", &[&tenant.0, provider])
        }
        SealedAt::Secret { name } => act("sealed", "secrets", "name = ?1", &[name]),
        SealedAt::Answer { tenant, connection, id, fingerprint } => {
            let condition = "tenant = ?1 AND connection = ?2 AND id = ?3 AND fingerprint = ?4 AND sealed IS NOT NULL";
            act("sealed", "idempotency", condition, &[&tenant.0, &connection.0, id, fingerprint])
        }
    }
}

fn listed(
    database: &Database,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<SealedAt>,
) -> rusqlite::Result<Vec<SealedAt>> {
    database.prepare_cached(sql)?.query_map([], read)?.collect()
}

fn text(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Arc<str>> {
    row.get::<_, String>(column).map(Into::into)
}

fn tenant(row: &rusqlite::Row<'_>) -> rusqlite::Result<TenantId> {
    text(row, "tenant").map(TenantId)
}

fn id(row: &rusqlite::Row<'_>) -> rusqlite::Result<ConnectionId> {
    text(row, "id").map(ConnectionId)
}
