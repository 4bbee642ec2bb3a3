//! What every unified route needs before it can say what is wanted: who calls, through which connection, for which
//! resource.

use std::sync::Arc;

use http::request::Parts;
use tower::ServiceExt;

use super::facts::Facts;
use super::freshness::directives;
use super::place::Place;
use super::precondition::precondition;
use super::prefer::{Prefer, selector};
use super::problem::Refusal;
use super::record::RequestId;
use super::shed::{Places, enter_connection};
use crate::app::App;
use crate::auth::{Caller, Scope};
use crate::catalog::{Catalog, Provider, Resource};
use crate::connections::{Connection, Selector};
use crate::error::{Error, Kind, Outcome};
use crate::idempotency::Progress;
use crate::model::{Operation, Priority};
use crate::net::listen::Peer;
use crate::telemetry::Timings;
use crate::unified::cache::Directives;
use crate::unified::{self, Call, Object, Precondition, Reply};

pub struct Target {
    pub connection: Arc<Connection>,
    pub provider: Arc<Provider>,
    pub resource: Arc<Resource>,
    facts: Facts,
    object: Option<Object>,
    prefer: Prefer,
    caller: Arc<str>,
    timings: Arc<Timings>,
    progress: Progress,
    precondition: Option<Precondition>,
    /// What a reader says of kept answers.
    cache: Option<Directives>,
    place: Option<Arc<dyn unified::Place>>,
}

impl Target {
    pub async fn find(app: &App, parts: &Parts, place: &Place, scope: Scope) -> Result<Self, Error> {
        let found = Self::look_up(app, parts, place, scope).await;
        // Whatever is missing here, nothing has been sent yet.
        found.map_err(|error| if scope == Scope::Write { not_executed(error) } else { error })
    }

    async fn look_up(app: &App, parts: &Parts, place: &Place, scope: Scope) -> Result<Self, Error> {
        let caller = caller(parts)?;
        caller.require(scope)?;
        let catalog = app.catalog();
        if catalog.model(&place.resource).is_none() {
            let detail = format!("There is no resource {:?}.", place.resource.chars().take(80).collect::<String>());
            return Err(Error::new(Kind::NotFound, detail).supported(catalog.models.keys().cloned()));
        }
        let connection = connection(app, parts, &selector(&parts.headers)?).await?;
        let facts = parts.extensions.get::<Facts>().cloned().unwrap_or_default();
        enter_connection(app, parts, &connection).await?;
        let provider = provider(&catalog, &connection)?;
        let Some(resource) = provider.resource(&place.resource).cloned() else {
            let detail = format!("{} has no {}.", provider.title, place.resource);
            return Err(Error::new(Kind::UnsupportedOperation, detail).supported(provider.resources.keys().cloned()));
        };
        let resource = app.overlays.apply(&catalog, &provider.name, &resource, app.mappings.of(&connection).await?)?;
        let prefer = Prefer::of(parts)?;
        let precondition = precondition(parts, scope == Scope::Write)?;
        let cache = if scope == Scope::Read { Some(directives(&parts.headers)?) } else { None };
        let timings = parts.extensions.get::<Arc<Timings>>().cloned().unwrap_or_default();
        let object = place.object.clone().map(Object::Named);
        let progress = parts.extensions.get::<Progress>().cloned().unwrap_or_default();
        let held = parts.extensions.get().map(Places::of_connection);
        let caller = caller.key_id.clone();
        Ok(Self {
            connection,
            provider,
            resource,
            facts,
            object,
            prefer,
            caller,
            timings,
            progress,
            precondition,
            cache,
            place: held,
        })
    }

    /// A call that only has to be told what it is about.
    pub fn call(self, operation: Operation) -> Call {
        self.facts.used(&self.resource.name, operation.as_str());
        Call {
            object: self.object,
            minimal: self.prefer.minimal,
            caller: self.caller,
            priority: self.prefer.priority.unwrap_or(Priority::of(operation)),
            trace: self.timings.trace().clone(),
            timings: self.timings,
            progress: self.progress,
            precondition: self.precondition,
            cache: self.cache,
            place: self.place,
            ..Call::new(self.connection, self.provider, self.resource, operation, self.prefer.deadline)
        }
    }

    /// Refuses before the body is read what the mapping cannot do.
    pub fn supports(&self, operation: Operation) -> Result<(), Refusal> {
        if self.resource.supports(operation) {
            return Ok(());
        }
        let error = Error::new(
            Kind::UnsupportedOperation,
            format!("{} cannot {} {}.", self.provider.title, operation.as_str(), self.resource.name),
        );
        let known = Operation::ALL.into_iter().filter(|operation| self.resource.supports(*operation));
        let error = error.supported(known.map(Operation::as_str));
        let error = if operation.is_write() { error.outcome(Outcome::NotExecuted) } else { error };
        Err(Refusal::from(error).allow(&allow(&self.resource)))
    }
}

/// The methods behind a resource's operations.
fn allow(resource: &Resource) -> String {
    let methods = [
        (Operation::List, "GET"),
        (Operation::Get, "GET"),
        (Operation::Create, "POST"),
        (Operation::Upsert, "PUT"),
        (Operation::Update, "PATCH"),
        (Operation::Delete, "DELETE"),
    ];
    let mut allowed: Vec<&str> = Vec::new();
    for (operation, method) in methods {
        if resource.supports(operation) && !allowed.contains(&method) {
            allowed.push(method);
        }
    }
    allowed.join(", ")
}

pub fn caller(parts: &Parts) -> Result<Arc<Caller>, Error> {
    let caller = parts.extensions.get::<Arc<Caller>>().cloned();
    caller.ok_or_else(|| Error::internal("a route without authentication"))
}

/// The connection that a request is for, ready for use.
pub async fn connection(app: &App, parts: &Parts, selector: &Selector) -> Result<Arc<Connection>, Error> {
    let connection = app.connections.resolve(&*caller(parts)?, selector).await?;
    // Before its state is looked at: its owner is told of what is refused, too.
    if let Some(facts) = parts.extensions.get::<Facts>() {
        facts.connection(&connection.id.0, &connection.provider);
    }
    if connection.logs_bodies()
        && let Some(timings) = parts.extensions.get::<Arc<Timings>>()
    {
        timings.transcribe();
    }
    connection.check_usable()?;
    Ok(connection)
}

/// The caller with what is written down of those who change something: which request, from where.
pub fn actor(parts: &Parts) -> Result<Caller, Error> {
    let mut caller = Caller::clone(&*caller(parts)?);
    caller.request_id = parts.extensions.get::<RequestId>().map(|id| Arc::clone(&id.0));
    caller.peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    Ok(caller)
}

pub fn provider(catalog: &Catalog, connection: &Connection) -> Result<Arc<Provider>, Error> {
    catalog.provider(&connection.provider).cloned().ok_or_else(|| {
        Error::new(Kind::ProviderNotFound, "The connection's provider is not among the mappings any more.")
    })
}

pub async fn run(app: &App, call: Call) -> Result<Reply, Refusal> {
    let resource = call.resource.clone();
    let object = match &call.object {
        Some(Object::Named(name)) => Some(name.clone()),
        _ => None,
    };
    app.unified.clone().oneshot(call).await.map_err(|error| {
        let place = Place { resource: resource.name.to_string(), object, ..Place::default() };
        let error = place.probed(error);
        let unsupported = error.kind() == Kind::UnsupportedOperation;
        let refusal = Refusal::from(error);
        if unsupported { refusal.allow(&allow(&resource)) } else { refusal }
    })
}

pub fn not_executed(error: Error) -> Error {
    error.outcome(Outcome::NotExecuted)
}

pub fn unexpected(reply: &Reply) -> Refusal {
    Error::internal(format!("a reply of another kind: {reply:?}")).into()
}
