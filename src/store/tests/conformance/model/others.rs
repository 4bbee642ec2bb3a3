//! Everything of the model that is not a connection.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;

use super::{Model, taken};
use crate::auth::{KeyRecord, KeyRepository, TenantId};
use crate::connections::{
    AppRepository, ConnectRepository, ConnectionId, Consent, Event, EventRepository, KeptRequest, Key, Logged,
    MappingRepository, RequestRepository, Revocation, RevocationRepository, Session, StoredApp, Written,
};
use crate::error::Result;
use crate::upstream::ReplicaRepository;

impl KeyRepository for Model {
    fn insert(&self, key: KeyRecord) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        if state.keys.contains_key(&key.id) {
            return ready(Err(taken())).boxed();
        }
        state.keys.insert(key.id.clone(), key);
        ready(Ok(())).boxed()
    }

    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<KeyRecord>>> {
        ready(Ok(self.0.lock().keys.get(&id).cloned())).boxed()
    }

    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<KeyRecord>>> {
        let mut keys: Vec<_> = self.0.lock().keys.values().filter(|key| key.tenant == tenant).cloned().collect();
        // Stable: the order of ids is kept among equals.
        keys.sort_by_key(|key| std::cmp::Reverse(key.created_at));
        ready(Ok(keys)).boxed()
    }

    fn revoke(&self, tenant: TenantId, id: Arc<str>, at: Timestamp) -> BoxFuture<'_, Result<bool>> {
        let state = &mut *self.0.lock();
        let key = state.keys.get_mut(&id).filter(|key| key.tenant == tenant);
        ready(Ok(key.map(|key| key.revoked_at.get_or_insert(at)).is_some())).boxed()
    }

    fn touch(&self, used: Vec<(Arc<str>, Timestamp)>) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        for (id, at) in used {
            if let Some(key) = state.keys.get_mut(&id) {
                key.last_used_at = key.last_used_at.max(Some(at));
            }
        }
        ready(Ok(())).boxed()
    }
}

impl ReplicaRepository for Model {
    fn beat(&self, id: Arc<str>, alive: Duration) -> BoxFuture<'_, Result<u32>> {
        let now = self.now();
        let replicas = &mut self.0.lock().replicas;
        replicas.retain(|_, seen| *seen >= now - alive);
        replicas.insert(id, now);
        ready(Ok(replicas.len() as u32)).boxed()
    }

    fn leave(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>> {
        self.0.lock().replicas.remove(&id);
        ready(Ok(())).boxed()
    }
}

impl EventRepository for Model {
    fn append(&self, tenant: TenantId, connection: ConnectionId, event: Event) -> BoxFuture<'_, Result<()>> {
        self.0.lock().append(&tenant, &connection, &[event]);
        ready(Ok(())).boxed()
    }

    fn list(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Logged>>> {
        let state = self.0.lock();
        let own = state.events.iter().rev().filter(|(key, logged)| {
            key.tenant == tenant && key.id == connection && before.is_none_or(|before| logged.number < before)
        });
        ready(Ok(own.take(limit).map(|(_, logged)| logged.clone()).collect())).boxed()
    }
}

impl RequestRepository for Model {
    fn append_aside(&self, requests: Vec<Written>, keep: usize) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        for request in requests {
            if state.row(&request.of.tenant, &request.of.id).is_none() {
                continue;
            }
            let of = request.of.clone();
            state.numbers += 1;
            state.requests.push((state.numbers, request));
            let own = |known: &Key| *known == of;
            let count = state.requests.iter().filter(|(_, known)| own(&known.of)).count();
            if count > keep
                && let Some(oldest) = state.requests.iter().position(|(_, known)| own(&known.of))
            {
                state.requests.remove(oldest);
            }
        }
        ready(Ok(())).boxed()
    }

    fn list(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KeptRequest>>> {
        let state = self.0.lock();
        let own = state.requests.iter().rev().filter(|(number, request)| {
            request.of.tenant == tenant && request.of.id == connection && before.is_none_or(|before| *number < before)
        });
        let kept = own.map(|(number, request)| KeptRequest {
            number: *number,
            text: request.text.clone(),
            bodies: request.bodies.clone(),
        });
        ready(Ok(kept.take(limit).collect())).boxed()
    }

    fn sweep(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        let mut gone = 0;
        self.0.lock().requests.retain(|(_, request)| {
            let goes = request.at < before && gone < limit;
            gone += usize::from(goes);
            !goes
        });
        ready(Ok(gone as u64)).boxed()
    }

    fn sweep_bodies(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        let state = &mut *self.0.lock();
        let old = state.requests.iter_mut().filter(|(_, request)| request.at < before && request.bodies.is_some());
        let gone = old.take(limit).map(|(_, request)| request.bodies = None).count();
        ready(Ok(gone as u64)).boxed()
    }
}

impl RevocationRepository for Model {
    fn insert(&self, revocation: Revocation) -> BoxFuture<'_, Result<()>> {
        ready(self.0.lock().revoke(revocation)).boxed()
    }

    fn claim(&self, now: Timestamp, hold: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        let state = &mut *self.0.lock();
        let mut due: Vec<_> = state.revocations.values_mut().filter(|(next, _)| *next <= now).collect();
        due.sort_by_key(|(next, _)| *next);
        let claimed = due.into_iter().take(limit).map(|(next, revocation)| {
            *next = now.saturating_add(hold).expect("a span of time");
            revocation.clone()
        });
        ready(Ok(claimed.collect())).boxed()
    }

    fn done(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>> {
        self.0.lock().revocations.remove(&id);
        ready(Ok(())).boxed()
    }

    fn failed(&self, id: Arc<str>, _error: String, next_attempt_at: Timestamp) -> BoxFuture<'_, Result<()>> {
        if let Some((next, revocation)) = self.0.lock().revocations.get_mut(&id) {
            revocation.attempts += 1;
            *next = next_attempt_at;
        }
        ready(Ok(())).boxed()
    }
}

impl AppRepository for Model {
    fn put(&self, mut app: StoredApp) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        let key = (app.tenant.clone(), app.provider.clone());
        if let Some(old) = state.apps.get(&key) {
            app.created_at = old.created_at;
        }
        state.apps.insert(key, app);
        ready(Ok(())).boxed()
    }

    fn find(&self, tenant: TenantId, provider: Arc<str>) -> BoxFuture<'_, Result<Option<StoredApp>>> {
        ready(Ok(self.0.lock().apps.get(&(tenant, provider)).cloned())).boxed()
    }

    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<StoredApp>>> {
        let state = self.0.lock();
        ready(Ok(state.apps.values().filter(|app| app.tenant == tenant).cloned().collect())).boxed()
    }

    fn delete(&self, tenant: TenantId, provider: Arc<str>) -> BoxFuture<'_, Result<bool>> {
        ready(Ok(self.0.lock().apps.remove(&(tenant, provider)).is_some())).boxed()
    }
}

impl ConnectRepository for Model {
    fn create(&self, session: Session) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        if state.sessions.contains_key(&session.id) {
            return ready(Err(taken())).boxed();
        }
        state.sessions.insert(session.id.clone(), session);
        ready(Ok(())).boxed()
    }

    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<Session>>> {
        ready(Ok(self.0.lock().sessions.get(&id).cloned())).boxed()
    }

    fn bind(&self, id: Arc<str>, browser: Arc<str>) -> BoxFuture<'_, Result<bool>> {
        let state = &mut *self.0.lock();
        let bound = state.sessions.get_mut(&id).map(|session| session.browser.get_or_insert(browser.clone()).clone());
        ready(Ok(bound == Some(browser))).boxed()
    }

    fn complete(&self, id: Arc<str>, connection: ConnectionId) -> BoxFuture<'_, Result<bool>> {
        let state = &mut *self.0.lock();
        let open = state.sessions.get_mut(&id).filter(|session| session.completed_by.is_none());
        ready(Ok(open.map(|session| session.completed_by = Some(connection)).is_some())).boxed()
    }

    fn begin(&self, consent: Consent) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        if state.consents.contains_key(&consent.id) || !state.sessions.contains_key(&consent.session) {
            return ready(Err(taken())).boxed();
        }
        state.consents.insert(consent.id.clone(), consent);
        ready(Ok(())).boxed()
    }

    fn take(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<Consent>>> {
        ready(Ok(self.0.lock().consents.remove(&id))).boxed()
    }

    fn sweep(&self, before: Timestamp) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        state.sessions.retain(|_, session| session.expires_at >= before);
        let sessions = &state.sessions;
        state.consents.retain(|_, one| one.expires_at >= before && sessions.contains_key(&one.session));
        ready(Ok(())).boxed()
    }
}

impl MappingRepository for Model {
    fn find(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<Option<String>>> {
        ready(Ok(self.0.lock().mappings.get(&(tenant, connection)).cloned())).boxed()
    }

    fn put(&self, tenant: TenantId, connection: Option<ConnectionId>, text: String) -> BoxFuture<'_, Result<()>> {
        self.0.lock().mappings.insert((tenant, connection), text);
        ready(Ok(())).boxed()
    }

    fn delete(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<bool>> {
        ready(Ok(self.0.lock().mappings.remove(&(tenant, connection)).is_some())).boxed()
    }
}
