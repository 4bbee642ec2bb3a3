//! Connections in PostgreSQL.

use std::sync::Arc;

use deadpool_postgres::Transaction;
use futures_util::future::BoxFuture;

use super::columns::{count, get, get_text, limit};
use super::failure::Failure;
use super::notify::notify;
use super::rows::{INSERT, SHOWN, UPDATE, WHOLE, overview, whole, write};
use super::work::{Parameters, execute, query};
use super::{Postgres, audit, events, revocations};
use crate::connections::{
    Along, Connection, ConnectionId, ConnectionRepository, Filter, Overview, Row, TenantId, WriteError,
};
use crate::error::Result;
use crate::store::changed::Changed;

impl ConnectionRepository for Postgres {
    fn insert(&self, row: Row, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        let (origin, connection) = (self.origin(), row.connection.clone());
        Box::pin(async move {
            let written = self.transact(move |at| {
                Box::pin(async move {
                    write(at, INSERT, &row, None).await?;
                    let Connection { tenant, id, customer_id, .. } = &row.connection;
                    write_along(at, tenant, id, &along).await?;
                    notify(at, &origin, &Changed::Connection(tenant.clone(), id.clone())).await?;
                    notify(at, &origin, &Changed::Customer(tenant.clone(), Arc::clone(customer_id))).await?;
                    Ok(true)
                })
            });
            let written = written.await;
            self.written(&connection, written).await
        })
    }

    fn find(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<Option<Row>>> {
        Box::pin(async move {
            let sql = format!("SELECT {WHOLE} FROM connections WHERE tenant = $1 AND id = $2");
            let row = self.row(&sql, &[&tenant.as_str(), &id.as_str()]).await?;
            Ok(row.as_ref().map(whole).transpose()?)
        })
    }

    fn find_by_customer(&self, tenant: TenantId, customer: Arc<str>) -> BoxFuture<'_, Result<Vec<ConnectionId>>> {
        Box::pin(async move {
            let sql = "SELECT id FROM connections WHERE tenant = $1 AND customer_id = $2 ORDER BY provider";
            let rows = self.rows(sql, &[&tenant.as_str(), &&*customer]).await?;
            let ids = rows.iter().map(|row| Ok(ConnectionId(get_text(row, "id")?)));
            Ok(ids.collect::<Result<_, Failure>>()?)
        })
    }

    fn list(&self, tenant: TenantId, filter: Filter) -> BoxFuture<'_, Result<Vec<Overview>>> {
        Box::pin(async move {
            let sql = format!(
                "SELECT {SHOWN} FROM connections WHERE tenant = $1 AND id > $2
                 AND ($3::text IS NULL OR provider = $3) AND ($4::text IS NULL OR customer_id = $4)
                 AND (cardinality($5::text[]) = 0 OR provider = ANY($5))
                 AND (cardinality($6::text[]) = 0 OR id = ANY($6))
                 ORDER BY id LIMIT $7"
            );
            let after = filter.after.as_ref().map_or("", ConnectionId::as_str);
            let parameters: Parameters<'_> = &[
                &tenant.as_str(),
                &after,
                &filter.provider,
                &filter.customer_id,
                &filter.providers,
                &filter.connections,
                &limit(filter.limit),
            ];
            Ok(self.rows(&sql, parameters).await?.iter().map(overview).collect::<Result<_, Failure>>()?)
        })
    }

    fn update(&self, row: Row, expected: u64, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        let (origin, connection) = (self.origin(), row.connection.clone());
        Box::pin(async move {
            let written = self.transact(move |at| {
                Box::pin(async move {
                    let Connection { tenant, id, customer_id, .. } = &row.connection;
                    // Whose it was: that customer's connections are others now, too.
                    let before = "SELECT customer_id FROM connections WHERE tenant = $1 AND id = $2 AND revision = $3 FOR UPDATE";
                    let before = query(at, before, &[&tenant.as_str(), &id.as_str(), &count(expected)]).await?;
                    let Some(before) = before.first() else { return Ok(false) };
                    let before = get_text(before, "customer_id")?;
                    write(at, UPDATE, &row, Some(expected)).await?;
                    write_along(at, tenant, id, &along).await?;
                    notify(at, &origin, &Changed::Connection(tenant.clone(), id.clone())).await?;
                    if before != *customer_id {
                        notify(at, &origin, &Changed::Customer(tenant.clone(), before)).await?;
                        notify(at, &origin, &Changed::Customer(tenant.clone(), Arc::clone(customer_id))).await?;
                    }
                    Ok(true)
                })
            });
            let written = written.await;
            self.written(&connection, written).await
        })
    }

    fn rows(
        &self,
        tenant: Option<TenantId>,
        provider: Option<Arc<str>>,
        after: Option<ConnectionId>,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Row>>> {
        Box::pin(async move {
            let sql = format!(
                "SELECT {WHOLE} FROM connections WHERE id > $1 AND ($2::text IS NULL OR tenant = $2)
                 AND ($3::text IS NULL OR provider = $3) ORDER BY id LIMIT $4"
            );
            let after = after.as_ref().map_or("", ConnectionId::as_str);
            let tenant = tenant.as_ref().map(TenantId::as_str);
            let rows = Postgres::rows(self, &sql, &[&after, &tenant, &provider.as_deref(), &limit(most)]).await?;
            Ok(rows.iter().map(whole).collect::<Result<_, Failure>>()?)
        })
    }

    fn delete(&self, tenant: TenantId, id: ConnectionId, expected: u64, along: Along) -> BoxFuture<'_, Result<bool>> {
        let origin = self.origin();
        Box::pin(async move {
            let deleted = self.transact(move |at| {
                Box::pin(async move {
                    let sql =
                        "DELETE FROM connections WHERE tenant = $1 AND id = $2 AND revision = $3 RETURNING customer_id";
                    let deleted = query(at, sql, &[&tenant.as_str(), &id.as_str(), &count(expected)]).await?;
                    let Some(deleted) = deleted.first() else { return Ok(false) };
                    let customer: Arc<str> = get_text(deleted, "customer_id")?;
                    for table in ["mappings", "connection_events", "connection_requests", "idempotency"] {
                        let sql = format!("DELETE FROM {table} WHERE tenant = $1 AND connection = $2");
                        execute(at, &sql, &[&tenant.as_str(), &id.as_str()]).await?;
                    }
                    // Events go with the connection; credentials that have to be given back stay.
                    if let Some(revocation) = &along.revocation {
                        revocations::insert(at, revocation).await?;
                    }
                    audit::append(at, &along.audit).await?;
                    notify(at, &origin, &Changed::Connection(tenant.clone(), id.clone())).await?;
                    notify(at, &origin, &Changed::Mappings(tenant.clone(), Some(id))).await?;
                    notify(at, &origin, &Changed::Customer(tenant, customer)).await?;
                    Ok(true)
                })
            });
            Ok(deleted.await?)
        })
    }
}

impl Postgres {
    async fn written(&self, connection: &Connection, written: Result<bool, Failure>) -> Result<(), WriteError> {
        match written {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteError::Stale),
            Err(failure) if failure.breaks_constraint() => {
                // Gone again in the meantime, or the random id is taken: either way another attempt helps.
                Err(self.holder(connection).await?.map_or(WriteError::Stale, WriteError::Taken))
            }
            Err(failure) => Err(WriteError::Failed(failure.into())),
        }
    }

    /// Who has the customer and provider of `connection`.
    async fn holder(&self, connection: &Connection) -> Result<Option<ConnectionId>> {
        let sql = "SELECT id FROM connections WHERE tenant = $1 AND customer_id = $2 AND provider = $3 AND id <> $4";
        let Connection { id, tenant, provider, customer_id, .. } = connection;
        let row = self.row(sql, &[&tenant.as_str(), &&**customer_id, &&**provider, &id.as_str()]).await?;
        Ok(row.as_ref().map(|row| get::<&str>(row, "id").map(|id| ConnectionId(id.into()))).transpose()?)
    }
}

/// What goes along with a row.
async fn write_along(at: &Transaction<'_>, tenant: &TenantId, id: &ConnectionId, along: &Along) -> Result<(), Failure> {
    events::append(at, tenant, id, &along.events).await?;
    if let Some(revocation) = &along.revocation {
        revocations::insert(at, revocation).await?;
    }
    audit::append(at, &along.audit).await
}
