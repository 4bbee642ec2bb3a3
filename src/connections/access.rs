//! From sealed credentials to headers that are ready to send, once per generation of credentials and catalog; and which
//! credentials a request of this moment gets. A warm request reads memory only.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::uri::Authority;
use serde_json::Value;
use tokio::time::Instant;

use super::connection::{Access, Connection, ConnectionId, Credentials};
use super::repository::Row;
use super::service::Connections;
use super::tokens::{Key, Life};
use crate::auth::TenantId;
use crate::catalog::{Flow, Provider};
use crate::error::{Error, Result};
use crate::telemetry::TokenStage;

/// What is in memory: the access and the description of the provider that it was made by.
pub(super) struct Held {
    pub(super) key: Key,
    pub(super) generation: u64,
    /// The OAuth app that the tokens belong to.
    app: Option<Arc<str>>,
    /// None before the first exchange of a flow that needs no customer.
    access: Option<Arc<Access>>,
    provider: Arc<Provider>,
    pub(super) end: Ending,
    /// New tokens can be had without the customer.
    pub(super) renewable: bool,
    /// Microseconds since 1970; 0 if it was not used since it is in memory.
    used: AtomicI64,
    /// The last time of use that was handed out to be written down.
    noted: AtomicI64,
}

/// How exact the stored times of use are.
const USE_STEP: i64 = 10 * 60 * 1_000_000;

/// How the life of the credentials in memory goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// Nothing renews them, or nobody knows when they end.
    Unknown,
    At {
        /// From here on they are renewed in the background: the soft point, or the next attempt after a failed one.
        next: Instant,
        hard: Instant,
        end: Instant,
    },
}

/// What a request of this moment may do.
pub(super) enum Stage {
    Good(Arc<Access>),
    /// Good, and it is time to renew.
    Soft(Arc<Access>),
    /// Wait for the successor; these are good until their end, should it not come.
    Hard {
        access: Arc<Access>,
        end: Instant,
        next: Instant,
    },
    /// Nothing to send with.
    Ended {
        next: Instant,
    },
}

impl Stage {
    pub(super) fn label(&self) -> TokenStage {
        match self {
            Self::Good(_) => TokenStage::Good,
            Self::Soft(_) => TokenStage::Due,
            Self::Hard { .. } => TokenStage::Guarded,
            Self::Ended { .. } => TokenStage::Ended,
        }
    }
}

impl Held {
    pub(super) fn stage(&self, now: Instant) -> Stage {
        match (&self.access, self.end) {
            (None, Ending::At { next, .. }) => Stage::Ended { next },
            (None, Ending::Unknown) => Stage::Ended { next: now },
            (Some(access), Ending::Unknown) => Stage::Good(Arc::clone(access)),
            (Some(_), Ending::At { next, end, .. }) if now >= end => Stage::Ended { next },
            (Some(access), Ending::At { next, hard, end }) if now >= hard => {
                Stage::Hard { access: Arc::clone(access), end, next }
            }
            (Some(access), Ending::At { next, .. }) if now >= next => Stage::Soft(Arc::clone(access)),
            (Some(access), Ending::At { .. }) => Stage::Good(Arc::clone(access)),
        }
    }

    pub(super) fn used_at(&self) -> Option<jiff::Timestamp> {
        let used = self.used.load(Ordering::Relaxed);
        (used > 0).then(|| jiff::Timestamp::from_microsecond(used).ok()).flatten()
    }

    /// The time of use, if it is worth writing down once more.
    pub(super) fn use_to_note(&self) -> Option<jiff::Timestamp> {
        let used = self.used.load(Ordering::Relaxed);
        let noted = self.noted.load(Ordering::Relaxed);
        let due = used > 0 && used - noted >= USE_STEP;
        if due {
            self.noted.store(used, Ordering::Relaxed);
        }
        due.then(|| jiff::Timestamp::from_microsecond(used).ok()).flatten()
    }

    /// Good until the end, whatever comes after.
    pub(super) fn good_at(&self, now: Instant) -> Option<Arc<Access>> {
        match self.stage(now) {
            Stage::Good(access) | Stage::Soft(access) | Stage::Hard { access, .. } => Some(access),
            Stage::Ended { .. } => None,
        }
    }
}

impl Connections {
    /// What an attempt through `connection` needs. Waits only where there is nothing good to hand out.
    pub async fn access(&self, connection: &Connection) -> Result<Arc<Access>> {
        let held = self.held(connection).await?;
        held.used.store(self.0.clock.now().as_microsecond(), Ordering::Relaxed);
        match held.stage(Instant::now()) {
            Stage::Good(access) => Ok(access),
            Stage::Soft(access) => {
                self.renew_in_background(&held.key, held.generation);
                Ok(access)
            }
            Stage::Hard { access, end, next } => match self.successor(&held, end, next).await {
                Some(successor) => Ok(successor),
                None if Instant::now() < end => Ok(access),
                // It was waited for until the old one had ended as well, which nobody would take any more.
                None => self.first_or_successor(connection, &held, next).await,
            },
            Stage::Ended { next } => self.first_or_successor(connection, &held, next).await,
        }
    }

    /// What is good right now, whatever comes after it; for those who must not wait while there is any.
    pub async fn good_access(&self, connection: &Connection) -> Result<Option<Arc<Access>>> {
        Ok(self.held(connection).await?.good_at(Instant::now()))
    }

    /// Whether its credentials are in memory. Who waits all the same waits for their renewal, and otherwise for the store.
    pub fn are_at_hand(&self, connection: &Connection) -> bool {
        self.0.access.get(&connection.id).is_some()
    }

    /// The OAuth app that a connection was authorised for, if it was for one. From memory if possible.
    pub async fn app_of(&self, connection: &Connection) -> Result<Option<Arc<str>>> {
        Ok(self.held(connection).await?.app.clone())
    }

    /// The host that requests through `connection` go to; none if that is not known, as before the first token.
    pub async fn host(&self, connection: &Connection) -> Option<Authority> {
        let held = self.held(connection).await.ok()?;
        held.access.as_ref().map(|access| access.origin.authority().clone())
    }

    pub(super) async fn held(&self, connection: &Connection) -> Result<Arc<Held>> {
        let provider = self.provider(&connection.provider)?;
        let memory = &self.0.access;
        match memory.get(&connection.id) {
            Some(held) if Arc::ptr_eq(&held.provider, &provider) => return Ok(held),
            // The catalog was reloaded: the headers may be other ones now.
            Some(_) => memory.forget(&connection.id),
            None => {}
        }
        let load = || async {
            let Some(row) = self.row(&connection.tenant, &connection.id).await? else { return Ok(None) };
            Ok(Some(Arc::new(self.hold(&row)?)))
        };
        memory.get_or_load(&connection.id, load).await?.ok_or_else(Connection::not_found)
    }

    /// What memory holds of a row.
    pub(super) fn hold(&self, row: &Row) -> Result<Held> {
        // The store may not have taken the newest yet.
        let newer = self.0.escrow.newer(&row.connection.id, row.generation).map(|fresh| fresh.over(row.clone()));
        let row = newer.as_ref().unwrap_or(row);
        let provider = self.provider(&row.connection.provider)?;
        let (tenant, id) = (&row.connection.tenant, &row.connection.id);
        if row.sealed.is_empty() {
            return Err(row.connection.needs_reauth());
        }
        let opened = self.opened(tenant, id, row.generation, &row.sealed)?;
        let access = match &opened {
            Credentials::OAuth2(tokens) if tokens.access_token.is_none() => None,
            _ => Some(Arc::new(access(&provider, &row.connection, row.generation, &opened)?)),
        };
        let end = self.ending(&provider, row, &opened);
        let app = match &opened {
            Credentials::OAuth2(tokens) => tokens.client_id.as_deref().map(Arc::from),
            _ => None,
        };
        let key = Key { tenant: tenant.clone(), id: id.clone() };
        let used = AtomicI64::new(0);
        let noted = AtomicI64::new(row.times.last_used_at.map_or(0, jiff::Timestamp::as_microsecond));
        let renewable = renewable(&provider, &opened);
        Ok(Held { key, generation: row.generation, app, access, provider, end, renewable, used, noted })
    }

    fn ending(&self, provider: &Provider, row: &Row, credentials: &Credentials) -> Ending {
        let Credentials::OAuth2(tokens) = credentials else { return Ending::Unknown };
        if !renewable(provider, credentials) {
            return Ending::Unknown;
        }
        let clock = &self.0.clock;
        let failing = row.failing.and(row.times.next_refresh_at);
        match (&tokens.access_token, tokens.expires_at) {
            (None, _) => {
                let now = Instant::now();
                Ending::At { next: failing.map_or(now, |next| clock.instant(next)), hard: now, end: now }
            }
            (Some(_), None) => Ending::Unknown,
            (Some(_), Some(expires_at)) => {
                let issued = row.times.refreshed_at.unwrap_or(row.connection.updated_at);
                let life = Life::new(issued.min(expires_at), expires_at);
                // After a failure the stored time is the next attempt's. A soft point is drawn anew by every process.
                let next = clock.instant(failing.unwrap_or(life.soft));
                Ending::At { next, hard: clock.instant(life.hard), end: clock.instant(life.end) }
            }
        }
    }

    pub(super) fn opened(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        generation: u64,
        sealed: &[u8],
    ) -> Result<Credentials> {
        let text = self.0.vault.open(&place(tenant, id, &generation.to_string()), sealed).map_err(Error::internal)?;
        Credentials::from_json(&text)
    }

    pub(super) fn sealed(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        generation: u64,
        credentials: &Credentials,
    ) -> Result<Vec<u8>> {
        let text = credentials.to_json()?;
        self.0.vault.seal(&place(tenant, id, &generation.to_string()), &text).map_err(Error::internal)
    }
}

/// Whether new tokens can be had without the customer.
pub(super) fn renewable(provider: &Provider, credentials: &Credentials) -> bool {
    let Credentials::OAuth2(tokens) = credentials else { return false };
    provider.grant.is_some() && (tokens.refresh_token.is_some() || tokens.flow != Flow::AuthorizationCode)
}

/// What the provider's description makes of the credentials.
pub(super) fn access(
    provider: &Provider,
    connection: &Connection,
    generation: u64,
    credentials: &Credentials,
) -> Result<Access> {
    let mut members = credentials.members();
    // Of headers, the members are the headers themselves.
    if let Some(Value::Object(headers)) = members.shift_remove("headers") {
        members = headers;
    }
    let carried = provider.access(credentials.kind(), &members, &connection.settings)?;
    let origin = provider.origin(&connection.settings)?;
    Ok(Access { generation, origin, headers: carried.headers, query: carried.query })
}

/// Where a connection's credentials belong; they open nowhere else.
pub(super) fn place<'a>(tenant: &'a TenantId, id: &'a ConnectionId, generation: &'a str) -> [&'a [u8]; 4] {
    [b"credentials", tenant.0.as_bytes(), id.0.as_bytes(), generation.as_bytes()]
}
