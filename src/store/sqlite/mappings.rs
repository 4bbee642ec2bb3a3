//! Overrides of mappings in SQLite.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::Sqlite;
use super::columns::time;
use crate::connections::{ConnectionId, MappingRepository, TenantId};
use crate::error::Result;

impl MappingRepository for Sqlite {
    fn find(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<Option<String>>> {
        Box::pin(self.run(move |database| {
            let mut statement =
                database.prepare_cached("SELECT text FROM mappings WHERE tenant = ?1 AND connection = ?2")?;
            statement.query_row([tenant.as_str(), place(&connection)], |row| row.get(0)).optional()
        }))
    }

    fn put(&self, tenant: TenantId, connection: Option<ConnectionId>, text: String) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "INSERT INTO mappings (tenant, connection, text, updated_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (tenant, connection) DO UPDATE SET text = excluded.text, updated_at = excluded.updated_at",
            )?;
            statement.execute(params![tenant.as_str(), place(&connection), text, time(Timestamp::now())])?;
            Ok(())
        }))
    }

    fn delete(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            let mut statement =
                database.prepare_cached("DELETE FROM mappings WHERE tenant = ?1 AND connection = ?2")?;
            Ok(statement.execute([tenant.as_str(), place(&connection)])? > 0)
        }))
    }
}

fn place(connection: &Option<ConnectionId>) -> &str {
    connection.as_ref().map_or("", ConnectionId::as_str)
}
