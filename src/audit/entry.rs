//! One line of the log, as whoever acts writes it down.

use std::sync::Arc;

use jiff::Timestamp;

use super::Action;
use crate::auth::{Caller, TenantId};
use crate::model::in_microseconds;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub tenant: TenantId,
    /// Of sums: the last time.
    pub at: Timestamp,
    /// Of sums: the first time.
    pub since: Option<Timestamp>,
    /// The id of an API key; or `operator` (the command line, the admin listener), `customer` (a connect link),
    /// `throughline` (the server by itself).
    pub actor: Arc<str>,
    pub action: Action,
    pub connection: Option<Arc<str>>,
    /// What else it is about: a key, a provider, `contacts list`.
    pub subject: Option<Arc<str>>,
    /// `ok`, or the code of the problem; of sums `ok`, `refused` (4xx) or `failed` (5xx).
    pub outcome: Arc<str>,
    /// How often; more than one in sums only.
    pub count: u64,
    pub request_id: Option<Arc<str>>,
    /// Where the request came from.
    pub peer: Option<Arc<str>>,
    /// In words, without values.
    pub detail: Option<String>,
}

/// Owns what concerns no tenant alone. No tenant can have this name.
pub fn deployment() -> TenantId {
    TenantId("".into())
}

impl Entry {
    /// What a caller does, once and with success unless told otherwise.
    pub fn by(caller: &Caller, action: Action) -> Self {
        let mut entry = Self::of(caller.tenant.clone(), &caller.key_id, action);
        entry.request_id.clone_from(&caller.request_id);
        entry.peer = caller.peer.map(|peer| peer.to_string().into());
        entry
    }

    /// What is done from the machine itself, without a key.
    pub fn by_operator(tenant: TenantId, action: Action) -> Self {
        Self::of(tenant, "operator", action)
    }

    /// What the server does by itself.
    pub fn by_itself(tenant: TenantId, action: Action) -> Self {
        Self::of(tenant, "throughline", action)
    }

    fn of(tenant: TenantId, actor: &str, action: Action) -> Self {
        Self {
            tenant,
            at: in_microseconds(Timestamp::now()),
            since: None,
            actor: actor.into(),
            action,
            connection: None,
            subject: None,
            outcome: "ok".into(),
            count: 1,
            request_id: None,
            peer: None,
            detail: None,
        }
    }

    pub fn on(mut self, connection: &Arc<str>) -> Self {
        self.connection = Some(Arc::clone(connection));
        self
    }

    pub fn about(mut self, subject: impl Into<Arc<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    pub fn outcome(mut self, outcome: &str) -> Self {
        self.outcome = outcome.into();
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
