//! Tenants' OAuth apps in PostgreSQL.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_postgres::Row;

use super::Postgres;
use super::columns::{get, get_text, time};
use super::failure::Failure;
use super::work::execute;
use crate::connections::{AppRepository, StoredApp, TenantId};
use crate::error::Result;

const COLUMNS: &str = "tenant, provider, client_id, sealed, created_at, updated_at";

impl AppRepository for Postgres {
    fn put(&self, app: StoredApp) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let put = self.transact(move |at| {
                Box::pin(async move {
                    let sql = format!(
                        "INSERT INTO oauth_apps ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
                         ON CONFLICT (tenant, provider) DO UPDATE SET
                         client_id = excluded.client_id, sealed = excluded.sealed, updated_at = excluded.updated_at"
                    );
                    let StoredApp { tenant, provider, client_id, sealed, created_at, updated_at } = app;
                    let (created_at, updated_at) = (time(created_at), time(updated_at));
                    execute(at, &sql, &[&tenant.as_str(), &&*provider, &client_id, &sealed, &created_at, &updated_at])
                        .await
                })
            });
            put.await?;
            Ok(())
        })
    }

    fn find(&self, tenant: TenantId, provider: Arc<str>) -> BoxFuture<'_, Result<Option<StoredApp>>> {
        Box::pin(async move {
            let sql = format!("SELECT {COLUMNS} FROM oauth_apps WHERE tenant = $1 AND provider = $2");
            Ok(self.row(&sql, &[&tenant.as_str(), &&*provider]).await?.as_ref().map(whole).transpose()?)
        })
    }

    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<StoredApp>>> {
        Box::pin(async move {
            let sql = format!("SELECT {COLUMNS} FROM oauth_apps WHERE tenant = $1 ORDER BY provider");
            Ok(self.rows(&sql, &[&tenant.as_str()]).await?.iter().map(whole).collect::<Result<_, Failure>>()?)
        })
    }

    fn delete(&self, tenant: TenantId, provider: Arc<str>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let deleted = self.transact(move |at| {
                Box::pin(async move {
                    let sql = "DELETE FROM oauth_apps WHERE tenant = $1 AND provider = $2";
                    execute(at, sql, &[&tenant.as_str(), &&*provider]).await
                })
            });
            Ok(deleted.await? > 0)
        })
    }
}

fn whole(row: &Row) -> Result<StoredApp, Failure> {
    Ok(StoredApp {
        tenant: TenantId(get_text(row, "tenant")?),
        provider: get_text(row, "provider")?,
        client_id: get(row, "client_id")?,
        sealed: get(row, "sealed")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
    })
}
