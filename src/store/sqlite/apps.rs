//! Tenants' OAuth apps in SQLite.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rusqlite::{OptionalExtension, params};

use super::Sqlite;
use super::columns::{get_time, time};
use crate::connections::{AppRepository, StoredApp, TenantId};
use crate::error::Result;

impl AppRepository for Sqlite {
    fn put(&self, app: StoredApp) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "INSERT INTO oauth_apps (tenant, provider, client_id, sealed, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (tenant, provider) DO UPDATE SET
                 client_id = excluded.client_id, sealed = excluded.sealed, updated_at = excluded.updated_at",
            )?;
            let StoredApp { tenant, provider, client_id, sealed, created_at, updated_at } = app;
            statement.execute(params![tenant.0, provider, client_id, sealed, time(created_at), time(updated_at)])?;
            Ok(())
        }))
    }

    fn find(&self, tenant: TenantId, provider: Arc<str>) -> BoxFuture<'_, Result<Option<StoredApp>>> {
        Box::pin(self.run(move |database| {
            let mut statement =
                database.prepare_cached("SELECT * FROM oauth_apps WHERE tenant = ?1 AND provider = ?2")?;
            statement.query_row([tenant.as_str(), &*provider], whole).optional()
        }))
    }

    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<StoredApp>>> {
        Box::pin(self.run(move |database| {
            let mut statement =
                database.prepare_cached("SELECT * FROM oauth_apps WHERE tenant = ?1 ORDER BY provider")?;
            statement.query_map([tenant.as_str()], whole)?.collect()
        }))
    }

    fn delete(&self, tenant: TenantId, provider: Arc<str>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            let mut statement =
                database.prepare_cached("DELETE FROM oauth_apps WHERE tenant = ?1 AND provider = ?2")?;
            Ok(statement.execute([tenant.as_str(), &*provider])? > 0)
        }))
    }
}

fn whole(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredApp> {
    let text = |column: &str| row.get::<_, String>(column).map(Arc::<str>::from);
    Ok(StoredApp {
        tenant: TenantId(text("tenant")?),
        provider: text("provider")?,
        client_id: row.get("client_id")?,
        sealed: row.get("sealed")?,
        created_at: get_time(row, "created_at")?,
        updated_at: get_time(row, "updated_at")?,
    })
}
