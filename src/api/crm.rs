//! The unified routes: a request becomes a call, a reply becomes an answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tower::ServiceExt;

use super::body;
use super::path::Path;
use super::prefer::{Prefer, no_parameters, pairs, selector};
use super::problem::Refusal;
use super::record::Facts;
use crate::app::App;
use crate::auth::{Caller, Scope};
use crate::catalog::{Catalog, Provider, Resource};
use crate::connections::Connection;
use crate::error::{Error, Kind, Outcome};
use crate::model::{Operation, Query, Warning};
use crate::telemetry::Timings;
use crate::unified::{Asked, Call, Continuation, Cursor, Reply};

type Answer = Result<Response, Refusal>;

/// What every unified route needs before it can say what is wanted.
struct Target {
    connection: Arc<Connection>,
    provider: Arc<Provider>,
    resource: Arc<Resource>,
    prefer: Prefer,
    timings: Arc<Timings>,
}

pub async fn list(State(app): State<App>, Path(resource): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let target = target(&app, &parts, &resource, Scope::Read).await?;
    let asked = Asked::list(&target.resource.model, &pairs(&parts)?)?;
    page(&app, target, asked).await
}

/// The same list, asked for in JSON.
pub async fn search(State(app): State<App>, Path(resource): Path<String>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let target = target(&app, &parts, &resource, Scope::Read).await?;
    no_parameters(&parts)?;
    let asked = body::object(&parts, body).await?;
    let asked = Asked::json(&target.resource.model, &asked)?;
    page(&app, target, asked).await
}

async fn page(app: &App, target: Target, asked: Asked) -> Answer {
    let (vault, now) = (&app.vault, Timestamp::now());
    let (connection, resource) = (target.connection.clone(), target.resource.clone());
    let (query, from) = match &asked.cursor {
        Some(text) => {
            let cursor = Cursor::open(text, vault, &connection, &resource.name, now)?;
            // A cursor brings its query along; one that is given beside it has to be the same.
            if asked.given && asked.query != cursor.query {
                let detail = "The cursor belongs to a list with other parameters: send it alone or with the same ones.";
                return Err(Error::new(Kind::InvalidCursor, detail).into());
            }
            (cursor.query, Some(cursor.from))
        }
        None => (asked.query, None),
    };
    let call = target.call(Operation::List, None, query.clone(), from, None);
    match run(app, call).await? {
        Reply::List { records, next, warnings } => {
            let next = match next {
                Some(next) => Some(Cursor::new(next, query, now).seal(vault, &connection, &resource.name)?),
                None => None,
            };
            let mut answer = Map::new();
            answer.insert("data".into(), Value::Array(records));
            answer.insert("next_cursor".into(), json!(next));
            if !warnings.is_empty() {
                answer.insert("warnings".into(), json!(warnings));
            }
            let mut response = Json(Value::Object(answer)).into_response();
            warn(response.headers_mut(), &warnings);
            if let Some(next) = next {
                let link = format!("</v1/crm/{}?cursor={next}>; rel=\"next\"", resource.name);
                response.headers_mut().extend(HeaderValue::from_str(&link).ok().map(|link| (header::LINK, link)));
            }
            Ok(response)
        }
        other => Err(unexpected(&other).into()),
    }
}

pub async fn get(State(app): State<App>, Path(place): Path<(String, String)>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let (resource, id) = place;
    let target = target(&app, &parts, &resource, Scope::Read).await?;
    let asked = Asked::record(&target.resource.model, &pairs(&parts)?)?;
    let call = target.call(Operation::Get, Some(id), asked.query, None, None);
    record(run(&app, call).await?, &resource)
}

pub async fn create(State(app): State<App>, Path(resource): Path<String>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let target = target(&app, &parts, &resource, Scope::Write).await.map_err(not_executed)?;
    target.supports(Operation::Create)?;
    let asked = Asked::record(&target.resource.model, &pairs(&parts)?).map_err(not_executed)?;
    let body = body::object(&parts, body).await?;
    let call = target.call(Operation::Create, None, asked.query, None, Some(body));
    record(run(&app, call).await?, &resource)
}

pub async fn update(State(app): State<App>, Path(place): Path<(String, String)>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let (resource, id) = place;
    let target = target(&app, &parts, &resource, Scope::Write).await.map_err(not_executed)?;
    target.supports(Operation::Update)?;
    let asked = Asked::record(&target.resource.model, &pairs(&parts)?).map_err(not_executed)?;
    let body = body::object(&parts, body).await?;
    let call = target.call(Operation::Update, Some(id), asked.query, None, Some(body));
    record(run(&app, call).await?, &resource)
}

pub async fn delete(State(app): State<App>, Path(place): Path<(String, String)>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let (resource, id) = place;
    let target = target(&app, &parts, &resource, Scope::Write).await.map_err(not_executed)?;
    no_parameters(&parts).map_err(not_executed)?;
    let call = target.call(Operation::Delete, Some(id), Query::default(), None, None);
    match run(&app, call).await? {
        Reply::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(unexpected(&other).into()),
    }
}

impl Target {
    fn call(
        self,
        operation: Operation,
        id: Option<String>,
        query: Query,
        from: Option<Continuation>,
        body: Option<Map<String, Value>>,
    ) -> Call {
        Call {
            connection: self.connection,
            provider: self.provider,
            resource: self.resource,
            operation,
            id,
            query,
            from,
            body,
            minimal: self.prefer.minimal,
            deadline: self.prefer.deadline,
            timings: self.timings,
        }
    }

    /// Refuses before the body is read what the mapping cannot do.
    fn supports(&self, operation: Operation) -> Result<(), Refusal> {
        if self.resource.supports(operation) {
            return Ok(());
        }
        let error = Error::new(
            Kind::UnsupportedOperation,
            format!("{} cannot {} {}.", self.provider.title, operation.as_str(), self.resource.name),
        );
        let known = Operation::ALL.into_iter().filter(|operation| self.resource.supports(*operation));
        Err(Refusal::from(error.supported(known.map(Operation::as_str)).outcome(Outcome::NotExecuted))
            .allow(&allow(&self.resource)))
    }
}

/// The methods behind a resource's operations.
fn allow(resource: &Resource) -> String {
    let methods = [
        (Operation::List, "GET"),
        (Operation::Get, "GET"),
        (Operation::Create, "POST"),
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

/// Who calls, through which connection, for which resource.
async fn target(app: &App, parts: &Parts, resource: &str, scope: Scope) -> Result<Target, Error> {
    let caller = caller(parts)?;
    caller.require(scope)?;
    let catalog = app.catalog();
    if catalog.model(resource).is_none() {
        let detail = format!("There is no resource {:?}.", resource.chars().take(80).collect::<String>());
        return Err(Error::new(Kind::NotFound, detail).supported(catalog.models.keys().cloned()));
    }
    let connection = app.connections.resolve(&caller, &selector(&parts.headers)?).await?;
    connection.check_usable()?;
    if let Some(facts) = parts.extensions.get::<Facts>() {
        facts.connection(&connection.id.0, &connection.provider);
    }
    let provider = provider(&catalog, &connection)?;
    let Some(resource) = provider.resource(resource).cloned() else {
        let detail = format!("{} has no {resource}.", provider.title);
        return Err(Error::new(Kind::UnsupportedOperation, detail).supported(provider.resources.keys().cloned()));
    };
    let prefer = Prefer::of(&parts.headers)?;
    if parts.headers.keys().any(|name| name == header::IF_MATCH || name == header::IF_UNMODIFIED_SINCE) {
        let detail = format!("{} has no versions of {} to hold a precondition against.", provider.title, resource.name);
        return Err(Error::new(Kind::UnsupportedPrecondition, detail));
    }
    let timings = parts.extensions.get::<Arc<Timings>>().cloned().unwrap_or_default();
    Ok(Target { connection, provider, resource, prefer, timings })
}

pub fn caller(parts: &Parts) -> Result<Arc<Caller>, Error> {
    let caller = parts.extensions.get::<Arc<Caller>>().cloned();
    caller.ok_or_else(|| Error::internal("a route without authentication"))
}

pub fn provider(catalog: &Catalog, connection: &Connection) -> Result<Arc<Provider>, Error> {
    catalog.provider(&connection.provider).cloned().ok_or_else(|| {
        Error::new(Kind::ProviderNotFound, "The connection's provider is not among the mappings any more.")
    })
}

async fn run(app: &App, call: Call) -> Result<Reply, Refusal> {
    let resource = call.resource.clone();
    app.unified.clone().oneshot(call).await.map_err(|error| {
        let unsupported = error.kind() == Kind::UnsupportedOperation;
        let refusal = Refusal::from(error);
        if unsupported { refusal.allow(&allow(&resource)) } else { refusal }
    })
}

fn record(reply: Reply, resource: &str) -> Answer {
    let Reply::Record { record, created, warnings } = reply else { return Err(unexpected(&reply).into()) };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = record.get("id").and_then(Value::as_str).filter(|_| created).map(|id| {
        let id = percent_encoding::utf8_percent_encode(id, crate::catalog::COMPONENT);
        format!("/v1/crm/{resource}/{id}")
    });
    let mut response = (status, Json(record)).into_response();
    if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    warn(response.headers_mut(), &warnings);
    Ok(response)
}

/// `Throughline-Warning`: a structured list of codes with their pointers (RFC 9651).
fn warn(headers: &mut HeaderMap, warnings: &[Warning]) {
    let items = warnings.iter().map(|warning| match &warning.pointer {
        Some(pointer) => format!("{};pointer=\"{}\"", warning.code, pointer.replace(['"', '\\'], "")),
        None => warning.code.to_owned(),
    });
    let text = items.collect::<Vec<_>>().join(", ");
    if let Some(value) = HeaderValue::from_str(&text).ok().filter(|_| !warnings.is_empty()) {
        headers.insert("throughline-warning", value);
    }
}

fn not_executed(error: Error) -> Error {
    error.outcome(Outcome::NotExecuted)
}

fn unexpected(reply: &Reply) -> Error {
    Error::internal(format!("a reply of another kind: {reply:?}"))
}
