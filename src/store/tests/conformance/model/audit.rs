//! Audit logs of the model.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;

use super::{Model, State};
use crate::audit::{AuditRepository, Chain, Entry, Recorded, Wanted, hash};
use crate::auth::TenantId;
use crate::error::Result;

impl State {
    pub(super) fn record(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            let log = self.logs.entry(entry.tenant.clone()).or_default();
            log.chain.head += 1;
            log.chain.head_hash = hash(&log.chain.head_hash, log.chain.head, &entry);
            log.rows.push(Recorded { number: log.chain.head, entry, hash: log.chain.head_hash });
        }
    }
}

impl AuditRepository for Model {
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<()>> {
        self.0.lock().record(entries);
        ready(Ok(())).boxed()
    }

    fn append_aside(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<()>> {
        self.append(entries)
    }

    fn list(&self, tenant: TenantId, wanted: Wanted) -> BoxFuture<'_, Result<Vec<Recorded>>> {
        let state = self.0.lock();
        let rows = state.logs.get(&tenant).into_iter().flat_map(|log| log.rows.iter().rev());
        let fits = |row: &&Recorded| {
            let Recorded { number, entry, .. } = row;
            let same =
                |wanted: &Option<String>, own: Option<&str>| wanted.as_deref().is_none_or(|one| own == Some(one));
            same(&wanted.connection, entry.connection.as_deref())
                && same(&wanted.actor, Some(&entry.actor))
                && wanted.action.is_none_or(|action| action == entry.action)
                && wanted.since.is_none_or(|since| entry.at >= since)
                && wanted.until.is_none_or(|until| entry.at < until)
                && wanted.before.is_none_or(|before| *number < before)
        };
        ready(Ok(rows.filter(fits).take(wanted.limit).cloned().collect())).boxed()
    }

    fn rows(&self, tenant: TenantId, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Recorded>>> {
        let state = self.0.lock();
        let rows = state.logs.get(&tenant).into_iter().flat_map(|log| &log.rows);
        ready(Ok(rows.filter(|row| row.number > after).take(limit).cloned().collect())).boxed()
    }

    fn chain(&self, tenant: TenantId) -> BoxFuture<'_, Result<Chain>> {
        ready(Ok(self.0.lock().logs.get(&tenant).map(|log| log.chain).unwrap_or_default())).boxed()
    }

    fn sweep(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        let mut gone = 0;
        for log in self.0.lock().logs.values_mut() {
            let old = log.rows.iter().take_while(|row| row.entry.at < before).take(limit).count();
            for row in log.rows.drain(..old) {
                (log.chain.swept, log.chain.swept_hash) = (row.number, row.hash);
                gone += 1;
            }
        }
        ready(Ok(gone)).boxed()
    }
}
