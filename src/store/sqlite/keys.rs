//! API keys in SQLite.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, named_params, params};

use super::Sqlite;
use super::columns::{get_json, get_time, get_time_if_any, json, parsed, time};
use crate::auth::{Hash, KeyRecord, KeyRepository, Mode, TenantId};
use crate::error::Result;

impl KeyRepository for Sqlite {
    fn insert(&self, key: KeyRecord) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO api_keys (id, tenant, mode, hash, scopes, providers, connections, limits, name, created_at, expires_at, revoked_at, last_used_at)
                 VALUES (:id, :tenant, :mode, :hash, :scopes, :providers, :connections, :limits, :name, :created_at, :expires_at, :revoked_at, :last_used_at)",
            )?;
            statement.execute(named_params! {
                ":id": &*key.id,
                ":tenant": key.tenant.as_str(),
                ":mode": key.mode.as_str(),
                ":hash": key.hash.0,
                ":scopes": key.scopes.to_string(),
                ":providers": json(&key.providers)?,
                ":connections": json(&key.connections)?,
                ":limits": json(&key.limits)?,
                ":name": key.name,
                ":created_at": time(key.created_at),
                ":expires_at": key.expires_at.map(time),
                ":revoked_at": key.revoked_at.map(time),
                ":last_used_at": key.last_used_at.map(time),
            })?;
            Ok(())
        }))
    }

    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<KeyRecord>>> {
        Box::pin(self.run(move |connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM api_keys WHERE id = ?1")?;
            statement.query_row([&*id], record).optional()
        }))
    }

    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<KeyRecord>>> {
        Box::pin(self.run(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT * FROM api_keys WHERE tenant = ?1 ORDER BY created_at DESC, id")?;
            statement.query_map([tenant.as_str()], record)?.collect()
        }))
    }

    fn revoke(&self, tenant: TenantId, id: Arc<str>, at: Timestamp) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?3) WHERE tenant = ?1 AND id = ?2",
            )?;
            Ok(statement.execute(params![tenant.as_str(), &*id, time(at)])? > 0)
        }))
    }

    fn touch(&self, used: Vec<(Arc<str>, Timestamp)>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |connection| {
            for (id, at) in &used {
                let mut statement = connection.prepare_cached(
                    "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
                )?;
                statement.execute(params![&**id, time(*at)])?;
            }
            Ok(())
        }))
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        id: row.get::<_, String>("id")?.into(),
        tenant: TenantId(row.get::<_, String>("tenant")?.into()),
        mode: parsed("mode", Mode::parse(&row.get::<_, String>("mode")?))?,
        hash: Hash(row.get("hash")?),
        scopes: parsed("scopes", row.get::<_, String>("scopes")?.parse().ok())?,
        providers: get_json(row, "providers")?,
        connections: get_json(row, "connections")?,
        limits: get_json(row, "limits")?,
        name: row.get("name")?,
        created_at: get_time(row, "created_at")?,
        expires_at: get_time_if_any(row, "expires_at")?,
        revoked_at: get_time_if_any(row, "revoked_at")?,
        last_used_at: get_time_if_any(row, "last_used_at")?,
    })
}
