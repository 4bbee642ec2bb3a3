//! What owners do with their connections: import, look at, change, replace and delete them. Every one of these checks
//! the tenant and the limits of the key.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::access::{access, renewable};
use super::connection::{Connection, ConnectionId, Credentials, State};
use super::events::{Event, EventKind};
use super::repository::{Along, Filter, Listed, Overview, Row, Times, WriteError};
use super::revocations::Revocation;
use super::service::Connections;
use super::tokens::Life;
use super::{budget, imports, now};
use crate::audit::{Action, Entry};
use crate::auth::Caller;
use crate::catalog::Provider;
use crate::error::{Error, Kind, Result, Violation};
use crate::model::{cut, in_microseconds};

/// How often a write is tried again when somebody else was faster.
const ATTEMPTS: usize = 5;
/// How far ahead bodies may be asked for: what was switched on and forgotten ends by itself.
const LONGEST_BODIES: SignedDuration = SignedDuration::from_hours(24);

/// A connection to be imported.
pub struct NewConnection {
    pub provider: String,
    pub customer_id: String,
    pub settings: Map<String, Value>,
    pub credentials: Credentials,
    /// The scopes the customer granted.
    pub scopes: Vec<String>,
    pub on_conflict: OnConflict,
    pub source: Source,
}

/// Who brings a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A backend that has the credentials already.
    Import,
    /// The customer, on a connect link.
    Customer {
        /// The connection to be authorised again, if the link is for one.
        into: Option<ConnectionId>,
        /// What is to be known of the connection from the start.
        state_reason: Option<String>,
    },
}

/// What to do when the customer has a connection to the provider already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    #[default]
    Fail,
    /// Put the new settings and credentials into the connection there is; it keeps its id.
    Replace,
}

/// What became of an import.
#[derive(Debug)]
pub struct Created {
    pub overview: Overview,
    pub replaced: bool,
}

/// A change of a connection: only what is given is touched.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub paused: Option<bool>,
    pub customer_id: Option<String>,
    /// Laid over the present settings; null takes a setting back to its default.
    pub settings: Option<Map<String, Value>>,
    /// Until when bodies are kept with its requests, at most [`LONGEST_BODIES`] from now; `Some(None)` from now on none.
    pub log_bodies_until: Option<Option<Timestamp>>,
}

impl OnConflict {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "fail" => Some(OnConflict::Fail),
            "replace" => Some(OnConflict::Replace),
            _ => None,
        }
    }
}

impl Change {
    /// What is to be changed besides a pause, by its names.
    fn members(&self) -> Option<String> {
        let given = [("customer_id", self.customer_id.is_some()), ("settings", self.settings.is_some())];
        let names = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned());
        let names: Vec<String> = names.chain(self.bodies()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Who lets records be kept, and for how long, has to be found again.
    fn bodies(&self) -> Option<String> {
        let until = self.log_bodies_until?;
        Some(format!("log_bodies_until: {}", until.map_or_else(|| "null".to_owned(), |until| until.to_string())))
    }
}

impl Connections {
    pub async fn create(&self, caller: &Caller, new: NewConnection) -> Result<Created> {
        let provider = self
            .provider(&new.provider)
            .map_err(|error| error.violation(Violation::at("/provider", "the catalog holds no such provider")))?;
        if !caller.may_use_provider(&new.provider) || !caller.connections.is_empty() {
            return Err(Error::new(Kind::Forbidden, "This key is limited and cannot make this connection."));
        }
        let settings = checked(&provider, &new)?;
        let now = now();
        let (into, state_reason) = match &new.source {
            Source::Import => (None, None),
            Source::Customer { into, state_reason } => (into.as_ref(), state_reason.as_ref()),
        };
        for _ in 0..ATTEMPTS {
            let connection = Connection {
                id: ConnectionId::generate()?,
                tenant: caller.tenant.clone(),
                provider: new.provider.as_str().into(),
                customer_id: new.customer_id.as_str().into(),
                state: State::Active,
                state_reason: state_reason.cloned(),
                settings: settings.clone(),
                scopes: new.scopes.clone(),
                last_error: None,
                log_bodies_until: None,
                created_at: now,
                updated_at: now,
            };
            // Said now rather than at the first request: what the provider's description cannot use.
            check_carried(&provider, &connection, &new.credentials)?;
            if let Some(id) = into {
                // Gone is gone: a customer cannot bring back what its owner has deleted.
                self.row(&caller.tenant, id).await?.ok_or_else(Connection::not_found)?;
                match self.replace(caller, id, &new, &settings, state_reason).await? {
                    Some(overview) => return Ok(Created { overview, replaced: true }),
                    None => continue,
                }
            }
            let sealed = self.sealed(&connection.tenant, &connection.id, 1, &new.credentials)?;
            let row = Row {
                connection,
                paused: false,
                times: self.times(&provider, &new.credentials),
                revision: 1,
                generation: 1,
                sealed,
                failing: None,
            };
            let customer = Arc::clone(&row.connection.customer_id);
            let overview = row.overview();
            let created = (EventKind::Created, Action::ConnectionCreated);
            let along = brought(caller, &new.source, &row.connection.id, created);
            let inserted = self.0.repository.insert(row, along).await;
            self.forget_customer(&caller.tenant, &customer);
            match inserted {
                Ok(()) => return Ok(Created { overview, replaced: false }),
                Err(WriteError::Taken(id)) if new.on_conflict == OnConflict::Fail => return Err(taken(&id)),
                Err(WriteError::Taken(id)) => match self.replace(caller, &id, &new, &settings, state_reason).await? {
                    Some(overview) => return Ok(Created { overview, replaced: true }),
                    None => continue,
                },
                Err(WriteError::Stale) => continue,
                Err(WriteError::Failed(error)) => return Err(error),
            }
        }
        Err(busy())
    }

    pub async fn get(&self, caller: &Caller, id: &str) -> Result<Overview> {
        Ok(self.with_use(self.own_row(caller, id).await?.overview()))
    }

    /// The stored time of use is minutes old; memory knows better, if this process was used.
    fn with_use(&self, mut overview: Overview) -> Overview {
        let known = self.0.access.get(&overview.connection.id).and_then(|held| held.used_at());
        overview.times.last_used_at = overview.times.last_used_at.max(known);
        overview
    }

    /// A page of the caller's connections; `filter.providers` and `filter.connections` are the key's.
    pub async fn list(&self, caller: &Caller, filter: Filter) -> Result<Listed> {
        let limit = filter.limit.max(1);
        // One more than asked for tells whether there is a next page.
        let filter = Filter {
            providers: caller.providers.clone(),
            connections: caller.connections.clone(),
            limit: limit.saturating_add(1),
            ..filter
        };
        let mut data = self.0.repository.list(caller.tenant.clone(), filter).await?;
        let next = cut(&mut data, limit, |last| last.connection.id.clone());
        let data = data.into_iter().map(|overview| self.with_use(overview)).collect();
        Ok(Listed { data, next })
    }

    pub async fn update(&self, caller: &Caller, id: &str, change: &Change) -> Result<Overview> {
        for _ in 0..ATTEMPTS {
            let row = self.own_row(caller, id).await?;
            let mut changed = row.clone();
            if let Some(until) = change.log_bodies_until {
                changed.connection.log_bodies_until = self.checked_until(until)?;
            }
            changed.paused = change.paused.unwrap_or(row.paused);
            if let Some(customer) = &change.customer_id {
                changed.connection.customer_id = customer.as_str().into();
            }
            if let Some(settings) = &change.settings {
                let settings = laid_over(&row.connection.settings, settings);
                let provider = self.provider(&row.connection.provider)?;
                changed.connection.settings = provider.check_settings(&settings).map_err(invalid)?;
                provider.origin(&changed.connection.settings)?;
            }
            let (kind, action) = match change.paused {
                Some(true) => (EventKind::Paused, Action::ConnectionPaused),
                Some(false) => (EventKind::Resumed, Action::ConnectionResumed),
                None => (EventKind::Changed, Action::ConnectionChanged),
            };
            if !changed.paused {
                changed.connection.state_reason = budget::without_pause(changed.connection.state_reason);
            }
            let mut entry = Entry::by(caller, action).on(&row.connection.id.0);
            entry.detail = change.members();
            let mut along = Along::event(Event::now(kind, None)).audited(entry);
            if let Some(bodies) = change.bodies() {
                along.events.push(Event::now(EventKind::Changed, bodies));
            }
            if let Some(overview) = self.write(changed, &row, along).await? {
                return Ok(overview);
            }
        }
        Err(busy())
    }

    fn checked_until(&self, until: Option<Timestamp>) -> Result<Option<Timestamp>> {
        let Some(until) = until else { return Ok(None) };
        let now = self.0.clock.now();
        let latest = now.saturating_add(LONGEST_BODIES).unwrap_or(now);
        if now < until && until <= latest {
            return Ok(Some(in_microseconds(until)));
        }
        let expected = format!("null, or a time after {now:.0} and not after {latest:.0}: 24 hours from now");
        let violation = Violation::at("/log_bodies_until", "bodies can be kept for a limited time only");
        Err(invalid(vec![violation.expected(expected)]))
    }

    /// The connection is gone at once; its credentials are given back to the provider by a row that stays.
    pub async fn delete(&self, caller: &Caller, id: &str) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let row = self.own_row(caller, id).await?;
            let entry = Entry::by(caller, Action::ConnectionDeleted).on(&row.connection.id.0);
            let entry = entry.about(Arc::clone(&row.connection.provider));
            let along = Along { revocation: Revocation::of(&row)?, ..Along::default() }.audited(entry);
            let Connection { id, tenant, customer_id, .. } = row.connection;
            let deleted = self.0.repository.delete(tenant.clone(), id.clone(), row.revision, along).await;
            self.forget(&id);
            self.forget_customer(&tenant, &customer_id);
            if deleted? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// Of credentials that have just come.
    fn times(&self, provider: &Provider, credentials: &Credentials) -> Times {
        let Credentials::OAuth2(tokens) = credentials else { return Times::default() };
        let now = self.0.clock.now();
        let soft = match (&tokens.access_token, tokens.expires_at) {
            (None, _) => Some(now),
            (Some(_), end) => end.map(|end| Life::new(now.min(end), end).soft),
        };
        let next_refresh_at = soft.filter(|_| renewable(provider, credentials));
        Times { expires_at: tokens.expires_at, next_refresh_at, ..Times::default() }
    }

    /// New settings and credentials for a connection there is; `None` if it changed under our hands.
    async fn replace(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        new: &NewConnection,
        settings: &Map<String, Value>,
        state_reason: Option<&String>,
    ) -> Result<Option<Overview>> {
        let Some(row) = self.row(&caller.tenant, id).await? else { return Ok(None) };
        let mut changed = row.clone();
        changed.generation += 1;
        changed.sealed = self.sealed(&caller.tenant, id, changed.generation, &new.credentials)?;
        let provider = self.provider(&row.connection.provider)?;
        changed.times = self.times(&provider, &new.credentials);
        changed.times.last_used_at = row.times.last_used_at;
        let connection = &mut changed.connection;
        connection.settings = settings.clone();
        connection.scopes = new.scopes.clone();
        connection.state = State::Active;
        connection.state_reason = state_reason.cloned();
        connection.last_error = None;
        changed.failing = None;
        let reconnected = (EventKind::Reconnected, Action::ConnectionReconnected);
        self.write(changed, &row, brought(caller, &new.source, id, reconnected)).await
    }

    /// Writes `changed` in the place of `row`; `None` if somebody else was faster.
    pub(super) async fn write(&self, mut changed: Row, row: &Row, along: Along) -> Result<Option<Overview>> {
        changed.revision = row.revision + 1;
        changed.connection.updated_at = now();
        let (overview, customer) = (changed.overview(), Arc::clone(&changed.connection.customer_id));
        let written = self.0.repository.update(changed, row.revision, along).await;
        // Also after a failure: it may have come after the write.
        self.forget(&row.connection.id);
        self.forget_customer(&row.connection.tenant, &row.connection.customer_id);
        self.forget_customer(&row.connection.tenant, &customer);
        match written {
            Ok(()) => Ok(Some(overview)),
            Err(WriteError::Stale) => Ok(None),
            Err(WriteError::Taken(id)) => Err(taken(&id)),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }

    pub(super) async fn own_row(&self, caller: &Caller, id: &str) -> Result<Row> {
        let id = ConnectionId::parse(id).ok_or_else(Connection::not_found)?;
        let row = self.row(&caller.tenant, &id).await?;
        let usable = row.filter(|row| caller.may_use(id.as_str(), &row.connection.provider));
        usable.ok_or_else(Connection::not_found)
    }
}

/// What is written along with a connection that somebody brings. A customer has come to the end of a connect link.
fn brought(caller: &Caller, source: &Source, id: &ConnectionId, (kind, action): (EventKind, Action)) -> Along {
    let along = Along::event(Event::now(kind, None)).audited(Entry::by(caller, action).on(&id.0));
    match source {
        Source::Import => along,
        Source::Customer { .. } => along.audited(Entry::by(caller, Action::ConnectSessionCompleted).on(&id.0)),
    }
}

/// Whether what the provider's description makes of the credentials can be sent.
fn check_carried(provider: &Provider, connection: &Connection, credentials: &Credentials) -> Result<()> {
    match credentials {
        // There is nothing to carry before the first exchange.
        Credentials::OAuth2(tokens) if tokens.access_token.is_none() => provider.origin(&connection.settings).map(drop),
        credentials => access(provider, connection, 1, credentials).map(drop),
    }
}

/// The settings with their defaults, if they and the kind of credentials are what the provider takes.
fn checked(provider: &Provider, new: &NewConnection) -> Result<Map<String, Value>> {
    let (settings, mut violations) = match provider.check_settings(&new.settings) {
        Ok(settings) => (settings, Vec::new()),
        Err(violations) => (Map::new(), violations),
    };
    let kinds = provider.credential_kinds();
    if !kinds.contains(&new.credentials.kind()) {
        let violation = Violation::at("/credentials/type", "the provider does not take credentials of this type");
        violations.push(violation.expected(format!("one of {}", kinds.join(", "))));
        return Err(invalid(violations).supported(kinds));
    }
    // What a customer was granted just now is what the provider gives.
    if new.source == Source::Import {
        violations.extend(imports::faults(provider, &new.credentials));
    }
    if violations.is_empty() { Ok(settings) } else { Err(invalid(violations)) }
}

fn laid_over(present: &Map<String, Value>, given: &Map<String, Value>) -> Map<String, Value> {
    let mut settings = present.clone();
    for (name, value) in given {
        match value {
            Value::Null => drop(settings.shift_remove(name)),
            value => drop(settings.insert(name.clone(), value.clone())),
        }
    }
    settings
}

pub(super) fn invalid(violations: Vec<Violation>) -> Error {
    Error::new(Kind::ValidationFailed, "The connection is not valid.").violations(violations)
}

fn taken(id: &ConnectionId) -> Error {
    let detail =
        format!("The customer has a connection to this provider already: {id}. `on_conflict=replace` replaces it.");
    let violation = Violation::at("/customer_id", format!("connection {id} has this customer and provider"));
    Error::new(Kind::Conflict, detail).violation(violation)
}

pub(super) fn busy() -> Error {
    Error::new(Kind::Conflict, "The connection is being changed by others at the same time.").retryable(true)
}
