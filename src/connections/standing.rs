//! What the provider's answers say about a connection whose credentials nothing renews, or whose renewed ones are refused
//! as well: shown as degraded, so that somebody looks, and as active again once it works. A single refusal is no verdict:
//! some vendors answer 401 to what a user may not see.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, ConnectionId, State};
use super::events::{Event, EventKind};
use super::repository::Along;
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
        if !changes(connection, refused)
            || !self.0.standings.0.entry((connection.id.clone(), refused)).or_insert(()).is_fresh()
        {
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
        let Some(row) = self.row(&connection.tenant, &connection.id).await? else { return Ok(()) };
        // Other credentials, or another state: it was about something that is over.
        if row.generation != generation || !changes(&row.connection, refused) {
            return Ok(());
        }
        let mut changed = row.clone();
        let connection = &mut changed.connection;
        let event = if refused {
            let said = "The provider refuses the credentials (401).";
            connection.state = State::Degraded;
            connection.state_reason = Some(REFUSED.to_owned());
            connection.last_error = Some(said.to_owned());
            Event::now(EventKind::Refused, said.to_owned())
        } else {
            connection.state = State::Active;
            connection.state_reason = None;
            connection.last_error = None;
            Event::now(EventKind::Recovered, None)
        };
        // Where somebody else was faster, what they know is as new.
        self.write(changed, &row, Along::event(event)).await.map(drop)
    }
}

/// Whether the connection does not stand so yet.
fn changes(connection: &Connection, refused: bool) -> bool {
    match refused {
        true => connection.state == State::Active,
        false => connection.state == State::Degraded && connection.state_reason.as_deref() == Some(REFUSED),
    }
}
