//! Overrides of mappings in PostgreSQL.

use futures_util::future::BoxFuture;

use super::Postgres;
use super::columns::get;
use super::notify::notify;
use super::work::execute;
use crate::connections::{ConnectionId, MappingRepository, TenantId};
use crate::error::Result;
use crate::store::changed::Changed;

impl MappingRepository for Postgres {
    fn find(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<Option<String>>> {
        Box::pin(async move {
            let sql = "SELECT text FROM mappings WHERE tenant = $1 AND connection = $2";
            let row = self.row(sql, &[&tenant.as_str(), &place(&connection)]).await?;
            Ok(row.as_ref().map(|row| get(row, "text")).transpose()?)
        })
    }

    fn put(&self, tenant: TenantId, connection: Option<ConnectionId>, text: String) -> BoxFuture<'_, Result<()>> {
        let origin = self.origin();
        Box::pin(async move {
            let put = self.transact(move |at| {
                Box::pin(async move {
                    let sql = "INSERT INTO mappings (tenant, connection, text, updated_at)
                               VALUES ($1, $2, $3, clock_timestamp())
                               ON CONFLICT (tenant, connection)
                               DO UPDATE SET text = excluded.text, updated_at = excluded.updated_at";
                    execute(at, sql, &[&tenant.as_str(), &place(&connection), &text]).await?;
                    notify(at, &origin, &Changed::Mappings(tenant, connection)).await
                })
            });
            Ok(put.await?)
        })
    }

    fn delete(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<bool>> {
        let origin = self.origin();
        Box::pin(async move {
            let deleted = self.transact(move |at| {
                Box::pin(async move {
                    let sql = "DELETE FROM mappings WHERE tenant = $1 AND connection = $2";
                    let found = execute(at, sql, &[&tenant.as_str(), &place(&connection)]).await? > 0;
                    if found {
                        notify(at, &origin, &Changed::Mappings(tenant, connection)).await?;
                    }
                    Ok(found)
                })
            });
            Ok(deleted.await?)
        })
    }
}

fn place(connection: &Option<ConnectionId>) -> &str {
    connection.as_ref().map_or("", ConnectionId::as_str)
}
