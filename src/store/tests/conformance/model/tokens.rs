//! Leases and renewed credentials of the model.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;

use super::{Model, Stored};
use crate::connections::{
    Counted, Due, Event, Failed, Fresh, Key, LOST_ROTATION, Lease, Leased, Row, State, TokenRepository,
};
use crate::error::Result;

fn renewable(row: &Row) -> bool {
    matches!(row.connection.state, State::Active | State::Degraded)
}

fn held(stored: &Stored, now: Timestamp) -> bool {
    stored.lease_until.is_some_and(|until| until >= now)
}

impl Model {
    fn renew(&self, key: &Key, fresh: Fresh, events: &[Event], allowed: impl Fn(&Stored) -> bool) -> bool {
        let state = &mut *self.0.lock();
        let next = |stored: &&mut Stored| stored.row.generation + 1 == fresh.generation && allowed(stored);
        let Some(stored) = state.row(&key.tenant, &key.id).filter(next) else { return false };
        let row = &mut stored.row;
        (row.sealed, row.generation, row.failing) = (fresh.sealed, fresh.generation, None);
        row.revision += 1;
        let connection = &mut row.connection;
        (connection.state, connection.state_reason, connection.last_error) = (State::Active, None, None);
        if let Some(settings) = fresh.settings {
            connection.settings = settings;
        }
        if let Some(scopes) = fresh.scopes {
            connection.scopes = scopes;
        }
        row.times.refreshed_at = Some(fresh.refreshed_at);
        (row.times.expires_at, row.times.next_refresh_at) = (fresh.expires_at, fresh.next_refresh_at);
        (stored.lease_until, stored.intent, stored.orphan) = (None, false, None);
        state.append(&key.tenant, &key.id, events);
        true
    }
}

impl TokenRepository for Model {
    fn lease(&self, key: Key, generation: u64, _owner: Arc<str>, ttl: Duration) -> BoxFuture<'_, Result<Leased>> {
        let (state, now) = (&mut *self.0.lock(), self.now());
        let leased = match state.row(&key.tenant, &key.id) {
            Some(stored) if stored.row.generation != generation || stored.row.paused || !renewable(&stored.row) => {
                Leased::Moved
            }
            None => Leased::Moved,
            Some(stored) if held(stored, now) => Leased::Held,
            Some(stored) => {
                let interrupted = stored.intent;
                stored.epoch += 1;
                (stored.lease_until, stored.intent) = (now.checked_add(ttl).ok(), true);
                let (epoch, orphan) = (stored.epoch, stored.orphan.clone());
                Leased::Granted(Box::new(Lease { epoch, row: stored.row.clone(), interrupted, orphan }))
            }
        };
        ready(Ok(leased)).boxed()
    }

    fn extend(&self, key: Key, epoch: u64, generation: u64, ttl: Duration) -> BoxFuture<'_, Result<Option<Lease>>> {
        let state = &mut *self.0.lock();
        let own = state.row(&key.tenant, &key.id).filter(|stored| {
            stored.epoch == epoch && stored.row.generation == generation && stored.lease_until.is_some()
        });
        let lease = own.map(|stored| {
            stored.lease_until = self.now().checked_add(ttl).ok();
            Lease { epoch, row: stored.row.clone(), interrupted: false, orphan: stored.orphan.clone() }
        });
        ready(Ok(lease)).boxed()
    }

    fn commit(&self, key: Key, epoch: u64, fresh: Fresh, events: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        let allowed = |stored: &Stored| stored.epoch == epoch && renewable(&stored.row);
        ready(Ok(self.renew(&key, fresh, &events, allowed))).boxed()
    }

    fn adopt(&self, key: Key, fresh: Fresh, events: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        let allowed = |stored: &Stored| {
            let connection = &stored.row.connection;
            let lost = connection.state_reason.as_deref() == Some(LOST_ROTATION);
            !held(stored, self.now()) && (renewable(&stored.row) || (connection.state == State::NeedsReauth && lost))
        };
        ready(Ok(self.renew(&key, fresh, &events, allowed))).boxed()
    }

    fn fail(&self, key: Key, epoch: u64, failed: Failed, events: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        let state = &mut *self.0.lock();
        let written = match state.row(&key.tenant, &key.id) {
            Some(stored) if stored.epoch == epoch && renewable(&stored.row) => {
                let connection = &mut stored.row.connection;
                connection.state = failed.state;
                connection.state_reason = failed.state_reason;
                connection.last_error = Some(failed.last_error);
                stored.row.failing = Some(failed.failing);
                stored.row.times.next_refresh_at = failed.next_refresh_at;
                stored.row.revision += 1;
                (stored.lease_until, stored.intent) = (None, false);
                true
            }
            _ => false,
        };
        if written {
            state.append(&key.tenant, &key.id, &events);
        }
        ready(Ok(written)).boxed()
    }

    fn keep_orphan(&self, key: Key, generation: u64, sealed: Vec<u8>) -> BoxFuture<'_, Result<bool>> {
        let state = &mut *self.0.lock();
        let stored = state.row(&key.tenant, &key.id);
        ready(Ok(stored.map(|stored| stored.orphan = Some((generation, sealed))).is_some())).boxed()
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>>> {
        let (state, here) = (self.0.lock(), self.now());
        let due =
            state.rows.values().filter(|stored| !held(stored, here) && !stored.row.paused).map(|stored| &stored.row);
        let due = due.filter(|row| renewable(row) && row.times.next_refresh_at.is_some_and(|at| at <= now));
        let mut due: Vec<&Row> = due.collect();
        // Stable: the order of ids is kept among equals.
        due.sort_by_key(|row| std::cmp::Reverse(row.times.last_used_at));
        let due = due.into_iter().take(limit).map(|row| Due {
            key: Key { tenant: row.connection.tenant.clone(), id: row.connection.id.clone() },
            provider: row.connection.provider.clone(),
            generation: row.generation,
            last_used_at: row.times.last_used_at,
            refreshed_at: row.times.refreshed_at,
            created_at: row.connection.created_at,
        });
        ready(Ok(due.collect())).boxed()
    }

    fn postpone(&self, key: Key, generation: u64, until: Option<Timestamp>) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        if let Some(stored) = state.row(&key.tenant, &key.id).filter(|stored| stored.row.generation == generation) {
            stored.row.times.next_refresh_at = until;
        }
        ready(Ok(())).boxed()
    }

    fn touch(&self, used: Vec<(Key, Timestamp)>) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        for (key, at) in used {
            if let Some(stored) = state.row(&key.tenant, &key.id) {
                stored.row.times.last_used_at = stored.row.times.last_used_at.max(Some(at));
            }
        }
        ready(Ok(())).boxed()
    }

    fn census(&self) -> BoxFuture<'_, Result<Vec<Counted>>> {
        let state = self.0.lock();
        let mut counted: Vec<Counted> = Vec::new();
        for Stored { row, .. } in state.rows.values() {
            let shown = if row.paused { State::Paused } else { row.connection.state };
            match counted
                .iter_mut()
                .find(|(provider, state, _)| *provider == row.connection.provider && *state == shown)
            {
                Some((.., count)) => *count += 1,
                None => counted.push((row.connection.provider.clone(), shown, 1)),
            }
        }
        ready(Ok(counted)).boxed()
    }
}
