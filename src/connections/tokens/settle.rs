//! How a renewal ends: what was gained is persisted first and published second; a failure is written down with the time of
//! the next attempt. No end is silent, and no token that was gained is dropped.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::escrow::Entry;
use super::flight::Landed;
use super::renew::Work;
use super::{Failed, Fresh, Key, LOST_ROTATION, Lease, Life};
use crate::connections::connection::{Connection, Credentials, State, Tokens};
use crate::connections::events::{Event, EventKind};
use crate::connections::oauth::{Class, Granted, Refused};
use crate::connections::repository::{Failing, Row};
use crate::connections::service::Connections;
use crate::error::Result;
use crate::limit::{jitter, jittered};
use crate::model::in_microseconds;

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// After an answer that was lost the server gets a moment to finish.
const AMBIGUOUS_PAUSE: Duration = Duration::from_secs(3);
const OPERATOR_PAUSE: Duration = Duration::from_secs(60);
/// A refusal that no table knows is final after so many attempts over so long.
const UNKNOWN_ATTEMPTS: u32 = 5;
const UNKNOWN_SPAN: Duration = Duration::from_secs(30 * 60);
/// The reason of a degraded connection whose last renewal may have spent its token.
const OUTCOME_UNKNOWN: &str = "refresh_outcome_unknown";

impl Connections {
    pub(super) async fn settle_granted(&self, work: Work, spent: Option<SecretString>, granted: Granted) -> Landed {
        let read = Instant::now();
        let (fresh, row) = match self.fresh(&work, spent, granted) {
            Ok(fresh) => fresh,
            Err(error) => {
                // Sealing does not fail for reasons that another attempt would mend; the lease runs out.
                tracing::error!(connection = %work.key.id, %error, "A renewed token could not be sealed");
                return Landed::Later { retry_after: OPERATOR_PAUSE, reason: "the vault failed".into() };
            }
        };
        let events = vec![Event::now(
            if work.lease.row.failing.is_some() { EventKind::Recovered } else { EventKind::Refreshed },
            None,
        )];
        let entry = Entry {
            key: work.key.clone(),
            provider: Arc::clone(&work.provider.name),
            settings: row.connection.settings.clone(),
            epoch: work.lease.epoch,
            fresh,
        };
        let committed = self.0.tokens.commit(entry.key.clone(), entry.epoch, entry.fresh.clone(), events).await;
        self.0.metrics.token_persisted(read.elapsed());
        match committed {
            Ok(true) => {
                self.publish(&row);
                Landed::Renewed
            }
            Ok(false) => match self.settle_late(&entry).await {
                Ok(true) => {
                    self.publish(&row);
                    Landed::Renewed
                }
                Ok(false) => self.overtaken(&work.key).await,
                Err(error) => self.settle_in_escrow(entry, &row, &error).await,
            },
            Err(error) => self.settle_in_escrow(entry, &row, &error).await,
        }
    }

    /// The store is down exactly when new tokens have come: they are kept beside it and used meanwhile.
    async fn settle_in_escrow(&self, entry: Entry, row: &Row, error: &crate::error::Error) -> Landed {
        tracing::error!(connection = %entry.key.id, %error, "The store did not take a renewed token; it is kept in the escrow file");
        self.0.escrow.keep(entry).await;
        self.publish(row);
        Landed::Renewed
    }

    /// For tokens whose lease was lost on the way. True if they are the connection's now; false if they were put where
    /// they are of use: beside the newer ones, or on the way back to the provider when the connection has gone.
    pub(super) async fn settle_late(&self, entry: &Entry) -> Result<bool> {
        let Entry { key, fresh, .. } = entry;
        let told = vec![Event::now(EventKind::Recovered, None)];
        if self.0.tokens.adopt(key.clone(), fresh.clone(), told).await? {
            return Ok(true);
        }
        if self.0.tokens.keep_orphan(key.clone(), fresh.generation, fresh.sealed.clone()).await? {
            return Ok(false);
        }
        self.give_back(entry).await?;
        Ok(false)
    }

    /// The row as it will be, and what is written of it.
    fn fresh(&self, work: &Work, spent: Option<SecretString>, granted: Granted) -> Result<(Fresh, Row)> {
        let now = self.0.clock.now();
        let before = &work.tokens;
        // An answer without a refresh token keeps the one that was used.
        let kept = spent.clone().or_else(|| before.refresh_token.clone());
        let refresh_token = granted.refresh_token.clone().or(kept);
        let rotated =
            |old: &SecretString| refresh_token.as_ref().is_some_and(|new| new.expose_secret() != old.expose_secret());
        let previous = spent.filter(rotated).map(|old| (old, now)).or_else(|| before.previous.clone());
        let tokens = Tokens {
            flow: before.flow,
            access_token: Some(granted.access_token),
            refresh_token,
            expires_at: granted.expires_at,
            client_id: Some(work.app.client_id.clone()),
            subject: before.subject.clone(),
            previous,
        };
        let generation = work.lease.row.generation + 1;
        let fresh = Fresh {
            generation,
            sealed: self.sealed(&work.key.tenant, &work.key.id, generation, &Credentials::OAuth2(tokens))?,
            settings: self.with_facts(work, granted.settings),
            scopes: granted.scopes,
            refreshed_at: granted.issued_at,
            expires_at: granted.expires_at,
            next_refresh_at: granted.expires_at.map(|end| Life::new(granted.issued_at, end).soft),
        };
        let mut row = fresh.clone().over(work.lease.row.clone());
        row.revision += 1;
        Ok((fresh, row))
    }

    /// The settings with the facts that the answer told, if they are others and lead to one of the provider's hosts: an
    /// answer must not be able to send credentials elsewhere.
    fn with_facts(
        &self,
        work: &Work,
        facts: serde_json::Map<String, serde_json::Value>,
    ) -> Option<serde_json::Map<String, serde_json::Value>> {
        let before = &work.lease.row.connection.settings;
        let mut settings = before.clone();
        settings.extend(facts);
        if settings == *before {
            return None;
        }
        let checked = work.provider.check_settings(&settings).ok();
        let checked = checked.filter(|settings| work.provider.origin(settings).is_ok());
        if checked.is_none() {
            tracing::warn!(connection = %work.key.id, provider = %work.provider.name, "The token answer told settings that do not fit the provider; the old ones stay");
        }
        checked
    }

    /// The endpoint is left alone for a while: no failure of this connection, only a later time.
    pub(super) async fn settle_closed(&self, work: &Work, pause: Duration, why: &str) -> Landed {
        let row = &work.lease.row;
        let since = self.0.clock.now();
        // Those who wait for the same endpoint do not come back together.
        let pause = pause.mul_f64(1.0 + jitter() / 2.0);
        let failed = Failed {
            state: row.connection.state,
            state_reason: row.connection.state_reason.clone(),
            last_error: row.connection.last_error.clone().unwrap_or_else(|| why.to_owned()),
            failing: row.failing.unwrap_or(Failing { count: 1, since }),
            next_refresh_at: self.after(pause),
        };
        self.write_failure(&work.key, &work.lease, failed, Vec::new()).await;
        Landed::Later { retry_after: pause, reason: why.to_owned() }
    }

    /// The endpoint refused, or nothing could be asked: then the app, the vault or the mappings are at fault.
    pub(super) async fn settle_refused(&self, key: &Key, lease: &Lease, refused: Refused) -> Landed {
        let row = &lease.row;
        let now = self.0.clock.now();
        let since = row.failing.map_or(now, |failing| failing.since);
        let failing = Failing { count: row.failing.map_or(0, |failing| failing.count).saturating_add(1), since };
        let lasted = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let given_up = match refused.class {
            Class::Permanent => true,
            Class::Unknown => failing.count > UNKNOWN_ATTEMPTS && lasted >= UNKNOWN_SPAN,
            _ => false,
        };
        if given_up {
            return self.give_up(key, lease, &refused, failing).await;
        }
        let pause = match refused.class {
            Class::Ambiguous if failing.count == 1 => AMBIGUOUS_PAUSE.mul_f64(0.7 + jitter()),
            Class::Operator => OPERATOR_PAUSE.mul_f64(0.9 + jitter() / 5.0),
            _ => jittered(FIRST_BACKOFF, LONGEST_BACKOFF, failing.count),
        };
        let pause = pause.max(refused.retry_after.unwrap_or_default());
        let (state, state_reason) = match refused.class {
            // No customer's fault, and none can mend it.
            Class::Operator => (row.connection.state, row.connection.state_reason.clone()),
            Class::Ambiguous => (State::Degraded, Some(OUTCOME_UNKNOWN.to_owned())),
            _ => (State::Degraded, Some("refresh_failing".to_owned())),
        };
        // Once it is unknown whether a token was spent, no later failure makes it known.
        let unknown = row.connection.state_reason.as_deref() == Some(OUTCOME_UNKNOWN);
        let state_reason = if unknown { Some(OUTCOME_UNKNOWN.to_owned()) } else { state_reason };
        let level = refused.class.as_str();
        if refused.class == Class::Operator {
            tracing::error!(connection = %key.id, provider = %row.connection.provider, reason = %refused.reason, "Tokens cannot be renewed until the OAuth app or the configuration is put right");
        } else {
            tracing::warn!(connection = %key.id, provider = %row.connection.provider, class = level, reason = %refused.reason, "A token could not be renewed");
        }
        let events = match failing.count {
            1 => vec![Event::now(EventKind::RefreshFailed, refused.reason.clone())],
            _ => Vec::new(),
        };
        let last_error = refused.reason.clone();
        let failed = Failed { state, state_reason, last_error, failing, next_refresh_at: self.after(pause) };
        self.write_failure(key, lease, failed, events).await;
        Landed::Later { retry_after: pause, reason: refused.reason }
    }

    async fn give_up(&self, key: &Key, lease: &Lease, refused: &Refused, failing: Failing) -> Landed {
        let unknown = lease.row.connection.state_reason.as_deref() == Some(OUTCOME_UNKNOWN);
        let lost = lease.interrupted || unknown;
        let reason = match (lost, refused.error.as_deref()) {
            (true, _) => LOST_ROTATION,
            (_, Some("invalid_scope")) => "scope",
            (_, Some("interaction_required" | "consent_required" | "login_required")) => "consent_required",
            _ => "refused",
        };
        tracing::warn!(connection = %key.id, provider = %lease.row.connection.provider, reason, said = %refused.reason, "The customer has to authorise the connection again");
        if lost {
            self.0.metrics.rotation_lost(&lease.row.connection.provider);
        }
        let failed = Failed {
            state: State::NeedsReauth,
            state_reason: Some(reason.to_owned()),
            last_error: refused.reason.clone(),
            failing,
            next_refresh_at: None,
        };
        let told = format!("{reason}: {}", refused.reason);
        self.write_failure(key, lease, failed, vec![Event::now(EventKind::NeedsReauth, told)]).await;
        Landed::Lost
    }

    /// A store that does not take it loses no token: the lease runs out, and the next attempt finds the same.
    async fn write_failure(&self, key: &Key, lease: &Lease, failed: Failed, events: Vec<Event>) {
        let written = self.0.tokens.fail(key.clone(), lease.epoch, failed.clone(), events).await;
        match written {
            Ok(true) => {
                let mut row = lease.row.clone();
                row.connection.state = failed.state;
                row.connection.state_reason = failed.state_reason;
                row.connection.last_error = Some(failed.last_error);
                row.failing = Some(failed.failing);
                row.times.next_refresh_at = failed.next_refresh_at;
                row.revision += 1;
                self.publish(&row);
            }
            Ok(false) => self.forget(&key.id),
            Err(error) => {
                tracing::warn!(connection = %key.id, %error, "The store did not take the failure of a renewal");
                // Not again with every request.
                let mut row = lease.row.clone();
                row.failing = Some(failed.failing);
                row.times.next_refresh_at = self.after(FIRST_BACKOFF);
                self.publish(&row);
            }
        }
    }

    /// Somebody else renewed, or changed the connection: what they made of it is read anew.
    pub(super) async fn overtaken(&self, key: &Key) -> Landed {
        match self.row(&key.tenant, &key.id).await {
            Ok(Some(row)) if row.connection.check_usable().is_ok() => {
                self.publish(&row);
                Landed::Renewed
            }
            Ok(_) => {
                self.forget(&key.id);
                Landed::Lost
            }
            Err(error) => Landed::Later { retry_after: FIRST_BACKOFF, reason: error.detail().to_owned() },
        }
    }

    /// Into memory, where requests read it.
    pub(in crate::connections) fn publish(&self, row: &Row) {
        let id = &row.connection.id;
        if self.0.access.get(id).is_some_and(|held| held.generation > row.generation) {
            return;
        }
        match self.hold(row) {
            Ok(held) => {
                self.0.access.put(id.clone(), Arc::new(held));
                let shown: Connection = row.shown();
                self.0.known.put(id.clone(), Arc::new(shown));
            }
            Err(_) => self.forget(id),
        }
    }

    fn after(&self, pause: Duration) -> Option<jiff::Timestamp> {
        self.0.clock.now().saturating_add(pause).ok().map(in_microseconds)
    }
}
