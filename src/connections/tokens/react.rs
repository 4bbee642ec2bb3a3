//! A 401 of the API, seen from the token: whether sending the request once more with another one can help.

use std::time::Duration;

use moka::ops::compute::{CompResult, Op};
use tokio::time::Instant;

use super::flight::Landed;
use crate::catalog::Unauthorized;
use crate::connections::access::Ending;
use crate::connections::connection::{Connection, ConnectionId};
use crate::connections::service::Connections;

/// At most one renewal in that time for this reason: a vendor that answers 401 for other reasons is not helped by more.
const PAUSE: Duration = Duration::from_secs(60);
/// Where a 401 means nothing, unless the token's end is as near as that.
const NEAR: Duration = Duration::from_secs(5 * 60);

/// When connections were last renewed for a 401.
pub(in crate::connections) struct Reacted(moka::sync::Cache<ConnectionId, Instant>);

impl Default for Reacted {
    fn default() -> Self {
        Self(moka::sync::Cache::builder().max_capacity(100_000).time_to_live(PAUSE).build())
    }
}

impl Reacted {
    /// Whether it is time for one; then this is it.
    fn begin(&self, id: &ConnectionId) -> bool {
        let now = Instant::now();
        let due = |last: Option<Instant>| last.is_none_or(|last| now.duration_since(last) >= PAUSE);
        let done = self
            .0
            .entry_by_ref(id)
            .and_compute_with(|entry| if due(entry.map(|entry| *entry.value())) { Op::Put(now) } else { Op::Nop });
        matches!(done, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }
}

impl Connections {
    /// Whether there are other credentials than those of `generation`, which the provider refused: newer ones that are
    /// here already, or a renewal's.
    pub async fn others_than(&self, connection: &Connection, generation: u64) -> bool {
        let Ok(held) = self.held(connection).await else { return false };
        if held.generation > generation {
            return true;
        }
        let Ok(provider) = self.provider(&connection.provider) else { return false };
        let Some(grant) = &provider.grant else { return false };
        let near_end = match held.end {
            Ending::At { end, .. } => end.saturating_duration_since(Instant::now()) <= NEAR,
            Ending::Unknown if !held.renewable => return false,
            // Nobody knows when it ends: it may have ended now.
            Ending::Unknown => true,
        };
        if grant.unauthorized == Unauthorized::NearEnd && !near_end {
            return false;
        }
        let first = self.0.reacted.begin(&connection.id);
        // Those who come while the renewal is under way wait for it as well.
        if !first && !self.0.flights.has(&connection.id) {
            return false;
        }
        self.renew_now(&held.key, held.generation).await == Landed::Renewed
    }
}
