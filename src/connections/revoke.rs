//! Giving credentials back to their provider: when a connection is deleted, when an operator pulls the plug, when tokens
//! came for a connection that has gone.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, Credentials, State};
use super::events::{Event, EventKind};
use super::now;
use super::repository::{Along, ConnectionRepository, Row, WriteError};
use super::revocations::Revocation;
use super::service::Connections;
use super::tokens::Entry;
use crate::audit::{self, Action};
use crate::auth::{TenantId, base62};
use crate::error::Result;
use crate::limit::jittered;
use crate::telemetry::GivenBack;

const BATCH: usize = 20;
/// Longer than an exchange with the provider takes.
const HOLD: Duration = Duration::from_secs(180);
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// About two days of trying. After that the tokens have ended by themselves or the provider has gone.
const ATTEMPTS: u32 = 60;
/// How often a write is tried again when somebody else was faster.
const RACES: usize = 5;

impl Row {
    /// The row without its credentials.
    fn revoked(&self, reason: &str) -> Self {
        let mut changed = self.clone();
        changed.revision += 1;
        changed.generation += 1;
        changed.sealed = Vec::new();
        changed.failing = None;
        changed.times.next_refresh_at = None;
        changed.times.expires_at = None;
        changed.connection.state = State::Revoked;
        changed.connection.state_reason = Some(reason.to_owned());
        changed.connection.updated_at = now();
        changed
    }
}

/// Ends one connection, of which `row` was read a moment ago. False if it was revoked before or has gone.
pub async fn revoke(repository: &dyn ConnectionRepository, mut row: Row, reason: &str) -> Result<bool> {
    for _ in 0..RACES {
        if row.connection.state == State::Revoked {
            return Ok(false);
        }
        let along = Along {
            events: vec![Event::now(EventKind::Revoked, reason.to_owned())],
            revocation: Revocation::of(&row)?,
            audit: vec![
                audit::Entry::by_operator(row.connection.tenant.clone(), Action::ConnectionRevoked)
                    .on(&row.connection.id.0)
                    .about(Arc::clone(&row.connection.provider))
                    .detail(reason),
            ],
        };
        match repository.update(row.revoked(reason), row.revision, along).await {
            Ok(()) => return Ok(true),
            Err(WriteError::Failed(error)) => return Err(error),
            Err(WriteError::Stale | WriteError::Taken(_)) => {
                let Connection { tenant, id, .. } = row.connection;
                let Some(newer) = repository.find(tenant, id).await? else { return Ok(false) };
                row = newer;
            }
        }
    }
    Err(super::manage::busy())
}

impl Connections {
    /// The kill switch: ends all connections of a provider, of a tenant, or of both, at once. Their credentials are wiped
    /// here and given back to the provider. Returns how many there were.
    pub async fn revoke_all(&self, tenant: Option<TenantId>, provider: Option<&str>, reason: &str) -> Result<u64> {
        let (mut after, mut revoked) = (None, 0);
        loop {
            let provider = provider.map(Into::into);
            let rows = self.0.repository.rows(tenant.clone(), provider, after.clone(), 100).await?;
            let Some(last) = rows.last() else { return Ok(revoked) };
            after = Some(last.connection.id.clone());
            for row in rows {
                let id = row.connection.id.clone();
                let done = revoke(self.0.repository.as_ref(), row, reason).await;
                // Also after a failure: it may have come after the write.
                self.forget(&id);
                revoked += u64::from(done?);
            }
        }
    }

    /// Tokens of a connection that has gone meanwhile.
    pub(super) async fn give_back(&self, entry: &Entry) -> Result<()> {
        let Entry { key, provider, settings, fresh, .. } = entry;
        let opened = self.opened(&key.tenant, &key.id, fresh.generation, &fresh.sealed);
        if !matches!(opened, Ok(Credentials::OAuth2(_))) {
            return Ok(());
        }
        let revocation = Revocation {
            id: base62::random(20)?.into(),
            tenant: key.tenant.clone(),
            connection: key.id.clone(),
            provider: Arc::clone(provider),
            settings: settings.clone(),
            generation: fresh.generation,
            sealed: fresh.sealed.clone(),
            attempts: 0,
            created_at: now(),
        };
        self.0.revocations.insert(revocation).await
    }

    /// Takes what is due and tries it.
    pub(super) async fn give_back_due(&self) {
        let due = match self.0.revocations.claim(self.0.clock.now(), HOLD, BATCH).await {
            Ok(due) => due,
            Err(error) => {
                return tracing::warn!(%error, "The store was not able to tell which credentials to give back");
            }
        };
        for revocation in due {
            let id = revocation.id.clone();
            let given_back = self.given_back(&revocation).await;
            let last = revocation.attempts + 1 >= ATTEMPTS;
            let result = match given_back {
                Ok(()) => GivenBack::Done,
                Err(_) if last => GivenBack::GivenUp,
                Err(_) => GivenBack::Failed,
            };
            self.0.metrics.given_back(&revocation.provider, result);
            let settled = match given_back {
                Ok(()) => self.0.revocations.done(id).await,
                Err(reason) if last => {
                    tracing::error!(connection = %revocation.connection, provider = %revocation.provider, reason, "Credentials could not be given back; no further attempt is made");
                    self.0.revocations.done(id).await
                }
                Err(reason) => {
                    let pause = jittered(FIRST_PAUSE, LONGEST_PAUSE, revocation.attempts + 1);
                    let next = self.0.clock.now().saturating_add(pause).unwrap_or_else(|_| now());
                    self.0.revocations.failed(id, reason, next).await
                }
            };
            if let Err(error) = settled {
                tracing::warn!(%error, "The store did not take what became of credentials to give back");
            }
        }
    }

    /// `Err` says why it should be tried again.
    async fn given_back(&self, revocation: &Revocation) -> Result<(), String> {
        let Revocation { tenant, connection, provider, settings, generation, sealed, .. } = revocation;
        let opened = self.opened(tenant, connection, *generation, sealed).map_err(|error| error.detail().to_owned())?;
        let Credentials::OAuth2(tokens) = opened else { return Ok(()) };
        let Ok(described) = self.provider(provider) else { return Ok(()) };
        let Some(grant) = &described.grant else { return Ok(()) };
        let app = self.0.oauth.app(tenant, provider, tokens.client_id.as_deref()).await;
        let app = app.map_err(|error| error.detail().to_owned())?;
        // The refresh token takes its access tokens with it (RFC 7009, 2.1).
        let (token, hint) = match (&tokens.refresh_token, &tokens.access_token) {
            (Some(token), _) => (token, "refresh_token"),
            (None, Some(token)) => (token, "access_token"),
            (None, None) => return Ok(()),
        };
        self.0.oauth.revoke(grant, settings, &app, token, hint).await.map_err(|refused| refused.reason)
    }
}
