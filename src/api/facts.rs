//! What is learnt of a request on its way down, for what is written down of it in the end.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// Filled in by whoever learns it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Facts(Arc<Mutex<Known>>);

#[derive(Default)]
pub(super) struct Known {
    pub tenant: Option<Arc<str>>,
    pub key: Option<Arc<str>>,
    pub connection: Option<Arc<str>>,
    pub provider: Option<Arc<str>>,
    /// What the connection was used for.
    pub used: Option<(Arc<str>, &'static str)>,
    /// Where a raw request went, without what may be a value.
    pub path: Option<String>,
}

impl Facts {
    pub fn caller(&self, tenant: &Arc<str>, key: &Arc<str>) {
        let mut facts = self.0.lock();
        facts.tenant = Some(tenant.clone());
        facts.key = Some(key.clone());
    }

    /// The connection is used for this now, for good or ill.
    pub fn used(&self, resource: &Arc<str>, operation: &'static str) {
        self.0.lock().used = Some((Arc::clone(resource), operation));
    }

    pub fn connection(&self, id: &Arc<str>, provider: &Arc<str>) {
        let mut facts = self.0.lock();
        facts.connection = Some(id.clone());
        facts.provider = Some(provider.clone());
    }

    /// A raw request goes there.
    pub fn path(&self, path: String) {
        self.0.lock().path = Some(path);
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock()
    }
}
