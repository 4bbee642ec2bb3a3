//! Everything sealed of the model.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::{Model, State};
use crate::connections::{SealedAt, SealedRepository};
use crate::error::Result;
use crate::idempotency::Place;

impl SealedRepository for Model {
    fn sealed_texts(&self) -> BoxFuture<'_, Result<Vec<SealedAt>>> {
        let state = self.0.lock();
        let rows = || state.rows.values().map(|stored| (&stored.row, &stored.row.connection, &stored.orphan));
        let mut found: Vec<SealedAt> = Vec::new();
        found.extend(rows().filter(|(row, ..)| !row.sealed.is_empty()).map(|(row, one, _)| SealedAt::Connection {
            tenant: one.tenant.clone(),
            id: one.id.clone(),
            generation: row.generation,
        }));
        found.extend(rows().filter_map(|(_, one, orphan)| {
            let (generation, _) = orphan.as_ref()?;
            Some(SealedAt::Orphan { tenant: one.tenant.clone(), id: one.id.clone(), generation: *generation })
        }));
        found.extend(state.revocations.values().map(|(_, one)| SealedAt::Revocation {
            id: one.id.clone(),
            tenant: one.tenant.clone(),
            connection: one.connection.clone(),
            generation: one.generation,
        }));
        found.extend(
            state
                .apps
                .keys()
                .map(|(tenant, provider)| SealedAt::App { tenant: tenant.clone(), provider: provider.clone() }),
        );
        found.extend(state.secrets.keys().map(|name| SealedAt::Secret { name: name.clone() }));
        found.extend(state.writes.iter().filter(|(_, write)| write.sealed().is_some()).map(|(at, write)| {
            let Place { tenant, connection, id } = at.clone();
            SealedAt::Answer { tenant, connection, id, fingerprint: write.claim.fingerprint.clone() }
        }));
        ready(Ok(found)).boxed()
    }

    fn sealed_text(&self, at: SealedAt) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        ready(Ok(self.0.lock().text(&at).cloned())).boxed()
    }

    fn reseal(&self, at: SealedAt, old: Vec<u8>, new: Vec<u8>) -> BoxFuture<'_, Result<bool>> {
        let state = &mut *self.0.lock();
        let text = state.text(&at).filter(|text| **text == old);
        ready(Ok(text.map(|text| *text = new).is_some())).boxed()
    }

    fn keep_secret(&self, name: Arc<str>, sealed: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>>> {
        ready(Ok(self.0.lock().secrets.entry(name).or_insert(sealed).clone())).boxed()
    }
}

impl State {
    fn text(&mut self, at: &SealedAt) -> Option<&mut Vec<u8>> {
        match at {
            SealedAt::Connection { tenant, id, generation } => {
                let stored = self.row(tenant, id).filter(|stored| stored.row.generation == *generation)?;
                Some(&mut stored.row.sealed)
            }
            SealedAt::Orphan { tenant, id, generation } => {
                let (of, text) = self.row(tenant, id)?.orphan.as_mut()?;
                (of == generation).then_some(text)
            }
            SealedAt::Revocation { id, .. } => self.revocations.get_mut(id).map(|(_, one)| &mut one.sealed),
            SealedAt::App { tenant, provider } => {
                self.apps.get_mut(&(tenant.clone(), provider.clone())).map(|app| &mut app.sealed)
            }
            SealedAt::Secret { name } => self.secrets.get_mut(name),
            SealedAt::Answer { tenant, connection, id, fingerprint } => {
                let at = Place { tenant: tenant.clone(), connection: connection.clone(), id: id.clone() };
                self.writes.get_mut(&at).filter(|write| write.claim.fingerprint == *fingerprint)?.sealed_mut()
            }
        }
    }
}
