//! One renewal per connection in this process. It runs in a task of its own: callers wait for it but do not own it, so
//! that one who hangs up ends nothing, and a panic frees the place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Key;
use crate::connections::access::Held;
use crate::connections::connection::{Access, Connection, ConnectionId};
use crate::connections::service::Connections;
use crate::error::{Error, Kind, Result};

/// What became of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landed {
    /// There are newer credentials, by this renewal or by somebody else's.
    Renewed,
    /// Not now; worth another attempt after that time.
    Later { retry_after: Duration, reason: String },
    /// The customer has to authorise again.
    Lost,
}

/// The renewals that are under way.
#[derive(Clone, Default)]
pub(in crate::connections) struct Flights(Arc<Mutex<HashMap<ConnectionId, watch::Receiver<Option<Landed>>>>>);

impl Flights {
    pub(super) fn has(&self, id: &ConnectionId) -> bool {
        self.0.lock().contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// Frees the place of a renewal, however it ends.
struct Place {
    flights: Flights,
    id: ConnectionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.flights.0.lock().remove(&self.id);
    }
}

/// How long a caller who was told to wait may be asked to stay away, at least.
const LEAST_WAIT: Duration = Duration::from_secs(1);

impl Connections {
    pub(in crate::connections) fn renew_in_background(&self, key: &Key, generation: u64) {
        drop(self.fly(key, generation));
    }

    /// Joins the renewal that is under way, or begins one.
    pub(super) fn fly(&self, key: &Key, generation: u64) -> watch::Receiver<Option<Landed>> {
        let flights = self.0.flights.clone();
        let mut under_way = flights.0.lock();
        if let Some(landing) = under_way.get(&key.id) {
            return landing.clone();
        }
        let (land, landing) = watch::channel(None);
        under_way.insert(key.id.clone(), landing.clone());
        drop(under_way);
        let (connections, key) = (self.clone(), key.clone());
        tokio::spawn(async move {
            let place = Place { flights, id: key.id.clone() };
            let landed = connections.renew(&key, generation).await;
            // Free before it is told: who hears of a failure may begin anew.
            drop(place);
            let _ = land.send(Some(landed));
        });
        landing
    }

    /// Renews now, and waits for it.
    pub(in crate::connections) async fn renew_now(&self, key: &Key, generation: u64) -> Landed {
        let mut landing = self.fly(key, generation);
        let landed = landing.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        // The task has gone without a word: it panicked.
        landed.unwrap_or(Landed::Later { retry_after: LEAST_WAIT, reason: "the renewal broke off".into() })
    }

    /// Behind the guard: the successor if it comes before the end.
    pub(in crate::connections) async fn successor(
        &self,
        held: &Arc<Held>,
        end: Instant,
        next: Instant,
    ) -> Option<Arc<Access>> {
        if next > Instant::now() {
            return None;
        }
        let landed = timeout_at(end, self.renew_now(&held.key, held.generation)).await;
        matches!(landed, Ok(Landed::Renewed))
            .then(|| self.0.access.get(&held.key.id))
            .flatten()?
            .good_at(Instant::now())
    }

    /// After the end there is nothing but the successor.
    pub(in crate::connections) async fn first_or_successor(
        &self,
        connection: &Connection,
        held: &Arc<Held>,
        next: Instant,
    ) -> Result<Arc<Access>> {
        let pause = next.saturating_duration_since(Instant::now());
        if !pause.is_zero() {
            return Err(pending(connection.last_error.as_deref(), pause));
        }
        match self.renew_now(&held.key, held.generation).await {
            Landed::Renewed => {
                let renewed = self.held(connection).await?;
                let good = renewed.good_at(Instant::now());
                good.ok_or_else(|| pending(None, LEAST_WAIT))
            }
            Landed::Later { retry_after, reason } => Err(pending(Some(&reason), retry_after)),
            Landed::Lost => Err(connection.needs_reauth()),
        }
    }
}

fn pending(reason: Option<&str>, retry_after: Duration) -> Error {
    let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let detail = format!("The connection's access token has ended and could not be renewed yet{why}.");
    let error = Error::new(Kind::CredentialRefreshPending, detail);
    error.retryable(true).retry_after(Some(retry_after.max(LEAST_WAIT)))
}
