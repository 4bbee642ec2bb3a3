//! What an owner takes away or looks back at: credentials as an import takes them, and a connection's events.

use secrecy::zeroize::Zeroizing;
use serde_json::Value;

use super::connection::Connection;
use super::events::{Event, EventKind, Logged};
use super::service::Connections;
use crate::auth::Caller;
use crate::error::{Error, Kind, Result};
use crate::model::cut;

/// A page of events, the newest first.
#[derive(Debug)]
pub struct History {
    pub data: Vec<Logged>,
    /// `before` of the next page, if there is one.
    pub next: Option<u64>,
}

impl Connections {
    /// The credentials as JSON that `POST /v1/connections` takes. That they were taken is written down first.
    pub async fn export(&self, caller: &Caller, id: &str) -> Result<Zeroizing<String>> {
        let row = self.own_row(caller, id).await?;
        let Connection { id, tenant, scopes, .. } = &row.connection;
        if row.sealed.is_empty() {
            return Err(Error::new(Kind::NeedsReauth, "The connection's credentials were revoked: there are none."));
        }
        let credentials = self.opened(tenant, id, row.generation, &row.sealed)?;
        let event = Event::now(EventKind::Exported, format!("by the API key {}", caller.key_id));
        self.0.events.append(tenant.clone(), id.clone(), event).await?;
        let mut members = credentials.members();
        members.shift_insert(0, "type".into(), credentials.kind().into());
        if credentials.kind() == "oauth2" && !scopes.is_empty() {
            members.insert("scopes".into(), scopes.clone().into());
        }
        Ok(Zeroizing::new(Value::Object(members).to_string()))
    }

    /// At most `limit` events before the one with the number `before`.
    pub async fn history(&self, caller: &Caller, id: &str, before: Option<u64>, limit: usize) -> Result<History> {
        let connection = self.own_row(caller, id).await?.connection;
        // One more than asked for tells whether there is a next page.
        let mut data = self.0.events.list(connection.tenant, connection.id, before, limit.saturating_add(1)).await?;
        let next = cut(&mut data, limit, |last| last.number);
        Ok(History { data, next })
    }
}
