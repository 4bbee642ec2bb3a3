//! From sealed credentials to headers that are ready to send, once per generation of credentials and catalog.

use std::sync::Arc;

use serde_json::Value;

use super::connection::{Access, Connection, ConnectionId, Credentials};
use super::service::Connections;
use crate::auth::TenantId;
use crate::catalog::Provider;
use crate::error::{Error, Result};

/// What is in memory: the access and the description of the provider that it was made by.
pub(super) struct Held {
    access: Arc<Access>,
    provider: Arc<Provider>,
}

impl Connections {
    /// What an attempt through `connection` needs. An expired token is handed out as it is: refreshing is not done here.
    pub async fn access(&self, connection: &Connection) -> Result<Arc<Access>> {
        let provider = self.provider(&connection.provider)?;
        let memory = &self.0.access;
        match memory.get(&connection.id) {
            Some(held) if Arc::ptr_eq(&held.provider, &provider) => return Ok(Arc::clone(&held.access)),
            // The catalog was reloaded: the headers may be other ones now.
            Some(_) => memory.forget(&connection.id),
            None => {}
        }
        let held = memory.get_or_load(&connection.id, || self.open(connection, provider)).await?;
        held.map(|held| Arc::clone(&held.access)).ok_or_else(Connection::not_found)
    }

    async fn open(&self, connection: &Connection, provider: Arc<Provider>) -> Result<Option<Arc<Held>>> {
        let Some(row) = self.row(&connection.tenant, &connection.id).await? else { return Ok(None) };
        let opened = self.opened(&connection.tenant, &connection.id, row.generation, &row.sealed)?;
        let access = Arc::new(access(&provider, &row.connection, row.generation, &opened)?);
        Ok(Some(Arc::new(Held { access, provider })))
    }

    pub(super) fn opened(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        generation: u64,
        sealed: &[u8],
    ) -> Result<Credentials> {
        let text = self.0.vault.open(&place(tenant, id, &generation.to_string()), sealed).map_err(Error::internal)?;
        Credentials::from_json(&text)
    }

    pub(super) fn sealed(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        generation: u64,
        credentials: &Credentials,
    ) -> Result<Vec<u8>> {
        let text = credentials.to_json()?;
        self.0.vault.seal(&place(tenant, id, &generation.to_string()), &text).map_err(Error::internal)
    }
}

/// What the provider's description makes of the credentials.
pub(super) fn access(
    provider: &Provider,
    connection: &Connection,
    generation: u64,
    credentials: &Credentials,
) -> Result<Access> {
    let mut members = credentials.members();
    // Of headers, the members are the headers themselves.
    if let Some(Value::Object(headers)) = members.shift_remove("headers") {
        members = headers;
    }
    let carried = provider.access(credentials.kind(), &members, &connection.settings)?;
    let origin = provider.origin(&connection.settings)?;
    Ok(Access { generation, origin, headers: carried.headers, query: carried.query })
}

/// Where a connection's credentials belong; they open nowhere else.
fn place<'a>(tenant: &'a TenantId, id: &'a ConnectionId, generation: &'a str) -> [&'a [u8]; 4] {
    [b"credentials", tenant.0.as_bytes(), id.0.as_bytes(), generation.as_bytes()]
}
