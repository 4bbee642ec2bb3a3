//! Connections of the model.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::{Model, State, Stored};
use crate::connections::{Along, ConnectionId, ConnectionRepository, Filter, Overview, Row, TenantId, WriteError};
use crate::error::Result;

impl ConnectionRepository for Model {
    fn insert(&self, row: Row, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        let state = &mut *self.0.lock();
        let id = row.connection.id.clone();
        let done = match state.obstacle(&row, &along) {
            Some(error) => Err(error),
            None if state.rows.contains_key(&id) => Err(WriteError::Stale),
            None => {
                state.write_along(&row.connection.tenant.clone(), &id, along);
                state.rows.insert(id, Stored { row, lease_until: None, epoch: 0, intent: false, orphan: None });
                Ok(())
            }
        };
        ready(done).boxed()
    }

    fn find(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<Option<Row>>> {
        let found = self.0.lock().row(&tenant, &id).map(|stored| stored.row.clone());
        ready(Ok(found)).boxed()
    }

    fn find_by_customer(&self, tenant: TenantId, customer: Arc<str>) -> BoxFuture<'_, Result<Vec<ConnectionId>>> {
        let state = self.0.lock();
        let connections = state.rows.values().map(|stored| &stored.row.connection);
        let mut found: Vec<_> = connections.filter(|one| one.tenant == tenant && one.customer_id == customer).collect();
        found.sort_by(|a, b| a.provider.cmp(&b.provider));
        ready(Ok(found.iter().map(|connection| connection.id.clone()).collect())).boxed()
    }

    fn list(&self, tenant: TenantId, filter: Filter) -> BoxFuture<'_, Result<Vec<Overview>>> {
        let state = self.0.lock();
        let wanted = state.rows.values().map(|stored| &stored.row).filter(|row| {
            let connection = &row.connection;
            let among = |list: &[String], one: &str| list.is_empty() || list.iter().any(|listed| listed == one);
            connection.tenant == tenant
                && filter.after.as_ref().is_none_or(|after| connection.id > *after)
                && filter.provider.as_deref().is_none_or(|provider| *connection.provider == *provider)
                && filter.customer_id.as_deref().is_none_or(|customer| *connection.customer_id == *customer)
                && among(&filter.providers, &connection.provider)
                && among(&filter.connections, connection.id.as_str())
        });
        ready(Ok(wanted.take(filter.limit).map(Row::overview).collect())).boxed()
    }

    fn update(&self, row: Row, expected: u64, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        let state = &mut *self.0.lock();
        let (tenant, id) = (row.connection.tenant.clone(), row.connection.id.clone());
        let current = state.row(&tenant, &id).is_some_and(|stored| stored.row.revision == expected);
        let done = match state.obstacle(&row, &along) {
            _ if !current => Err(WriteError::Stale),
            Some(error) => Err(error),
            None => {
                if let Some(stored) = state.row(&tenant, &id) {
                    if stored.row.generation != row.generation {
                        stored.epoch += 1;
                        (stored.lease_until, stored.intent, stored.orphan) = (None, false, None);
                    }
                    stored.row = row;
                }
                state.write_along(&tenant, &id, along);
                Ok(())
            }
        };
        ready(done).boxed()
    }

    fn rows(
        &self,
        tenant: Option<TenantId>,
        provider: Option<Arc<str>>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Row>>> {
        let state = self.0.lock();
        let wanted = state.rows.values().map(|stored| &stored.row).filter(|row| {
            after.as_ref().is_none_or(|after| row.connection.id > *after)
                && tenant.as_ref().is_none_or(|tenant| row.connection.tenant == *tenant)
                && provider.as_ref().is_none_or(|provider| row.connection.provider == *provider)
        });
        ready(Ok(wanted.take(limit).cloned().collect())).boxed()
    }

    fn delete(&self, tenant: TenantId, id: ConnectionId, expected: u64, along: Along) -> BoxFuture<'_, Result<bool>> {
        let state = &mut *self.0.lock();
        if state.row(&tenant, &id).is_none_or(|stored| stored.row.revision != expected) {
            return ready(Ok(false)).boxed();
        }
        if let Some(Err(error)) = along.revocation.map(|revocation| state.revoke(revocation)) {
            return ready(Err(error)).boxed();
        }
        state.rows.remove(&id);
        state.events.retain(|(key, _)| key.tenant != tenant || key.id != id);
        state.requests.retain(|(_, request)| request.of.tenant != tenant || request.of.id != id);
        state.writes.retain(|at, _| at.tenant != tenant || at.connection != id);
        state.mappings.remove(&(tenant, Some(id)));
        state.record(along.audit);
        ready(Ok(true)).boxed()
    }
}

impl State {
    /// What keeps `row` from being written besides its own revision.
    fn obstacle(&self, row: &Row, along: &Along) -> Option<WriteError> {
        let new = &row.connection;
        let holder = self.rows.values().map(|stored| &stored.row.connection).find(|held| {
            (&held.tenant, &held.customer_id, &held.provider) == (&new.tenant, &new.customer_id, &new.provider)
                && held.id != new.id
        });
        let again = along.revocation.as_ref().is_some_and(|revocation| self.revocations.contains_key(&revocation.id));
        match holder {
            Some(holder) => Some(WriteError::Taken(holder.id.clone())),
            None => again.then_some(WriteError::Stale),
        }
    }

    fn write_along(&mut self, tenant: &TenantId, id: &ConnectionId, along: Along) {
        self.append(tenant, id, &along.events);
        if let Some(revocation) = along.revocation {
            self.revoke(revocation).expect("looked at before");
        }
        self.record(along.audit);
    }
}
