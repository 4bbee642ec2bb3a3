//! Writes that happen once, of the model.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;

use super::Model;
use crate::error::Result;
use crate::idempotency::{Claim, Claimed, End, IdempotencyRepository, Place};

pub(super) struct Write {
    pub claim: Claim,
    end: Option<End>,
    began: Timestamp,
    alive_until: Timestamp,
    expires_at: Timestamp,
}

impl Write {
    pub(super) fn sealed(&self) -> Option<&Vec<u8>> {
        match self.end.as_ref()? {
            End::Done(sealed) => Some(sealed),
            End::Unknown(sealed) => sealed.as_ref(),
        }
    }

    pub(super) fn sealed_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self.end.as_mut()? {
            End::Done(sealed) => Some(sealed),
            End::Unknown(sealed) => sealed.as_mut(),
        }
    }
}

impl IdempotencyRepository for Model {
    fn claim(&self, at: Place, claim: Claim) -> BoxFuture<'_, Result<Claimed>> {
        let (state, now) = (&mut *self.0.lock(), self.now());
        let claimed = match state.writes.get(&at).filter(|write| write.expires_at >= now) {
            Some(write) if write.claim.fingerprint != claim.fingerprint => Claimed::Mismatch,
            Some(write) => match &write.end {
                Some(End::Done(sealed)) => Claimed::Done(sealed.clone()),
                Some(End::Unknown(sealed)) => Claimed::Unknown(sealed.clone()),
                None if write.alive_until >= now => Claimed::InFlight,
                None => Claimed::Unknown(None),
            },
            None => {
                let (alive_until, expires_at) = (now + claim.lease, now + claim.ttl);
                state.writes.insert(at, Write { claim, end: None, began: now, alive_until, expires_at });
                Claimed::New
            }
        };
        ready(Ok(claimed)).boxed()
    }

    fn settle(&self, at: Place, claim: Arc<str>, end: End) -> BoxFuture<'_, Result<bool>> {
        let state = &mut *self.0.lock();
        let write = state.writes.get_mut(&at).filter(|write| write.claim.id == claim);
        ready(Ok(write.map(|write| write.end = Some(end)).is_some())).boxed()
    }

    fn release(&self, at: Place, claim: Arc<str>) -> BoxFuture<'_, Result<()>> {
        let state = &mut *self.0.lock();
        if state.writes.get(&at).is_some_and(|write| write.claim.id == claim) {
            state.writes.remove(&at);
        }
        ready(Ok(())).boxed()
    }

    fn renew(&self, owner: Arc<str>, lease: Duration, longest: Duration) -> BoxFuture<'_, Result<()>> {
        let (state, now) = (&mut *self.0.lock(), self.now());
        let young = |write: &&mut Write| write.claim.owner == owner && now - longest <= write.began;
        for write in state.writes.values_mut().filter(young) {
            write.alive_until = now + lease;
        }
        ready(Ok(())).boxed()
    }

    fn give_up_dead(&self, owner: Arc<str>) -> BoxFuture<'_, Result<u64>> {
        let (state, now) = (&mut *self.0.lock(), self.now());
        let dead = |write: &&mut Write| write.claim.owner != owner && write.end.is_none() && write.alive_until < now;
        let given_up = state.writes.values_mut().filter(dead).map(|write| write.end = Some(End::Unknown(None)));
        ready(Ok(given_up.count() as u64)).boxed()
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64>> {
        let (state, now) = (&mut *self.0.lock(), self.now());
        let over = state.writes.iter().filter(|(_, write)| write.expires_at < now).map(|(at, _)| at.clone());
        let over: Vec<Place> = over.take(limit).collect();
        over.iter().for_each(|at| drop(state.writes.remove(at)));
        ready(Ok(over.len() as u64)).boxed()
    }
}
