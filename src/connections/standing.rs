//! What the provider's answers say about a connection whose credentials nothing renews, or whose renewed ones are refused
//! as well: shown as degraded, so that somebody looks, and as active again once it works. A single refusal is no verdict:
//! some vendors answer 401 to what a user may not see.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, ConnectionId, State};
use super::events::{Event, EventKind};
use super::repository::{Along, WriteError};
use super::service::Connections;
use crate::error::Result;

/// The reason of a connection that is degraded for this.
const REFUSED: &str = "credentials_refused";
/// Each standing is written at most once in that time: answers that differ from path to path must not make a store busy.
const STEADY: Duration = Duration::from_secs(60);

/// Connections whose standing, refused or not, was written just now.
pub(super) struct Written(moka::sync::Cache<(ConnectionId, bool), ()>);

impl Default for Written {
    fn default() -> Self {
        Self(moka::sync::Cache::builder().max_capacity(100_000).time_to_live(STEADY).build())
    }
}

impl Connections {
    /// The provider's last word on the credentials of `generation`: refused with a 401, or taken. Costs nothing unless the
    /// standing changes, which is written in the background.
    pub fn heard(&self, connection: &Arc<Connection>, generation: u64, refused: bool) {
        let known = connection.state == State::Degraded && connection.state_reason.as_deref() == Some(REFUSED);
        let changes = if refused { connection.state == State::Active } else { known };
        if !changes || !self.0.standings.0.entry((connection.id.clone(), refused)).or_insert(()).is_fresh() {
            return;
        }
        let (connections, connection) = (self.clone(), Arc::clone(connection));
        tokio::spawn(async move {
            if let Err(error) = connections.stand(&connection, generation, refused).await {
                tracing::warn!(connection = %connection.id, %error, "The standing of a connection could not be written");
            }
        });
    }

    async fn stand(&self, connection: &Connection, generation: u64, refused: bool) -> Result<()> {
        let Some(mut row) = self.row(&connection.tenant, &connection.id).await? else { return Ok(()) };
        let is_known = row.connection.state_reason.as_deref() == Some(REFUSED);
        let expected = match refused {
            true => row.connection.state == State::Active,
            false => row.connection.state == State::Degraded && is_known,
        };
        // Other credentials, or another state: it was about something that is over.
        if row.generation != generation || !expected {
            return Ok(());
        }
        let revision = row.revision;
        row.revision += 1;
        let event = if refused {
            let said = "The provider refuses the credentials (401).";
            row.connection.state = State::Degraded;
            row.connection.state_reason = Some(REFUSED.to_owned());
            row.connection.last_error = Some(said.to_owned());
            Event::now(EventKind::Refused, said.to_owned())
        } else {
            row.connection.state = State::Active;
            row.connection.state_reason = None;
            row.connection.last_error = None;
            Event::now(EventKind::Recovered, None)
        };
        match self.0.repository.update(row.clone(), revision, Along::event(event)).await {
            Ok(()) => self.publish(&row),
            // Somebody else wrote: what they know is as new.
            Err(WriteError::Stale | WriteError::Taken(_)) => {}
            Err(WriteError::Failed(error)) => return Err(error),
        }
        Ok(())
    }
}
