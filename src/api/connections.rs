//! `/v1/connections`: accounts of customers, created by importing their credentials.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::body;
use super::path::Path;
use super::prefer::{no_parameters, once, pairs};
use super::problem::Refusal;
use super::target::{actor, caller};
use crate::app::App;
use crate::audit::{Action, Entry};
use crate::auth::{Caller, Scope};
use crate::connections::{Change, ConnectionId, Filter, NewConnection, OnConflict, view};
use crate::error::{Error, Kind, Violation};
use crate::upstream::Standing;

type Answer = Result<Response, Refusal>;

const PAGE: usize = 100;

pub async fn list(State(app): State<App>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    require_any(&caller, &[Scope::Connect, Scope::Admin, Scope::Read])?;
    let mut filter = Filter { limit: PAGE, ..Filter::default() };
    for (name, value) in once(pairs(&parts)?)? {
        match name.as_str() {
            "provider" => filter.provider = Some(value),
            "customer_id" => filter.customer_id = Some(value),
            "limit" => {
                let limit = value.parse::<usize>().ok().filter(|limit| (1..=1000).contains(limit));
                filter.limit = limit.ok_or_else(|| invalid("limit", "an integer from 1 to 1000"))?;
            }
            "cursor" => {
                filter.after = Some(
                    ConnectionId::parse(&value)
                        .ok_or_else(|| Error::new(Kind::InvalidCursor, "The cursor is not one of this list."))?,
                );
            }
            _ => {
                let known = ["provider", "customer_id", "limit", "cursor"];
                return Err(Error::new(Kind::UnknownParameter, "There is no such query parameter here.")
                    .violation(Violation::parameter(name, "it is not known"))
                    .supported(known)
                    .into());
            }
        }
    }
    let listed = app.connections.list(&caller, filter).await?;
    let data: Vec<Value> = listed.data.iter().map(view::record).collect();
    Ok(Json(json!({"data": data, "next_cursor": listed.next.map(|id| id.0.to_string())})).into_response())
}

pub async fn create(State(app): State<App>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let caller = actor(&parts)?;
    require_any(&caller, &[Scope::Connect, Scope::Admin])?;
    let mut on_conflict = None;
    for (name, value) in once(pairs(&parts)?)? {
        if name != "on_conflict" {
            return Err(Error::new(Kind::UnknownParameter, "There is no such query parameter here.")
                .violation(Violation::parameter(name, "it is not known"))
                .supported(["on_conflict"])
                .into());
        }
        on_conflict = Some(OnConflict::parse(&value).ok_or_else(|| invalid("on_conflict", "fail or replace"))?);
    }
    let body = Value::Object(body::object(&parts, body).await?);
    let mut new = NewConnection::from_json(&body)?;
    if let Some(on_conflict) = on_conflict {
        new.on_conflict = on_conflict;
    }
    let created = app.connections.create(&caller, new).await?;
    let status = if created.replaced { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = (status, Json(view::record(&created.overview))).into_response();
    let location = format!("/v1/connections/{}", created.overview.connection.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub async fn get(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    require_any(&caller, &[Scope::Connect, Scope::Admin, Scope::Read])?;
    no_parameters(&parts)?;
    let overview = app.connections.get(&caller, &id).await?;
    let mut record = view::record(&overview);
    if let Value::Object(members) = &mut record {
        members.insert("quota".to_owned(), quota(&app, &overview.connection.id));
    }
    Ok(Json(record).into_response())
}

/// How the provider's limits stand for a connection, as far as this server knows; null if nothing was sent lately.
fn quota(app: &App, connection: &ConnectionId) -> Value {
    let Some(standing) = app.quota.standing(connection) else { return Value::Null };
    let limits = standing.into_iter().map(|Standing { name, left }| {
        let resets_at = (!left.reset.is_zero()).then(|| (jiff::Timestamp::now() + left.reset).to_string());
        json!({
            "name": &*name,
            "limit": (left.count < u32::MAX).then_some(left.count),
            "remaining": left.remaining,
            "resets_at": resets_at,
        })
    });
    Value::Array(limits.collect())
}

pub async fn update(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let caller = actor(&parts)?;
    require_any(&caller, &[Scope::Connect, Scope::Admin])?;
    no_parameters(&parts)?;
    let change = Change::from_json(&Value::Object(body::object(&parts, body).await?))?;
    if matches!(change.log_bodies_until, Some(Some(_))) && !app.requests.is_on() {
        let detail =
            "This deployment keeps no log of requests, and so no bodies: its configuration says `request_log.keep: 0`.";
        let violation = Violation::at("/log_bodies_until", "there is no log of requests").expected("null");
        return Err(Error::new(Kind::ValidationFailed, detail).violation(violation).into());
    }
    let overview = app.connections.update(&caller, &id, &change).await?;
    if change.paused == Some(false) {
        app.budgets.begin_anew(&overview.connection.id);
    }
    Ok(Json(view::record(&overview)).into_response())
}

pub async fn delete(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = actor(&parts)?;
    require_any(&caller, &[Scope::Connect, Scope::Admin])?;
    no_parameters(&parts)?;
    app.connections.delete(&caller, &id).await?;
    app.cache.forget(&ConnectionId(id.into()));
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Writes down what was tried with a connection of the caller's, and how it ended.
pub async fn tried(
    app: &App,
    caller: &Caller,
    action: Action,
    id: &str,
    outcome: Result<&'static str, &Error>,
) -> Result<(), Error> {
    // What is not the caller's leaves no trace: whoever guesses ids would fill the log.
    if outcome.is_err_and(|error| error.kind() == Kind::ConnectionNotFound) {
        return Ok(());
    }
    let entry = Entry::by(caller, action).on(&id.into());
    app.audit.record(entry.outcome(outcome.unwrap_or_else(|error| error.kind().code()))).await
}

/// Any of the scopes will do; the refusal names the first.
fn require_any(caller: &Caller, scopes: &[Scope]) -> Result<(), Error> {
    if scopes.iter().any(|scope| caller.scopes.contains(*scope)) {
        return Ok(());
    }
    scopes.first().map_or(Ok(()), |scope| caller.require(*scope))
}

fn invalid(parameter: &str, expected: &str) -> Error {
    Error::new(Kind::InvalidRequest, "A query parameter cannot be understood.")
        .violation(Violation::parameter(parameter, "the value cannot be used").expected(expected))
}

/// Renews the tokens now; the record as it is then.
pub async fn refresh(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = actor(&parts)?;
    require_any(&caller, &[Scope::Connect, Scope::Admin])?;
    no_parameters(&parts)?;
    let refreshed = app.connections.refresh(&caller, &id).await;
    tried(&app, &caller, Action::ConnectionRefreshed, &id, refreshed.as_ref().map(|_| "ok")).await?;
    let overview = refreshed?;
    Ok(Json(view::record(&overview)).into_response())
}

/// Tries the credentials at the provider: 200 with what came of it, also when they do not work.
pub async fn verify(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = actor(&parts)?;
    require_any(&caller, &[Scope::Connect, Scope::Admin])?;
    no_parameters(&parts)?;
    let verified = app.connections.verify(&caller, &id).await;
    let outcome = verified.as_ref().map(|probe| if probe.works == Some(false) { "refused" } else { "ok" });
    tried(&app, &caller, Action::ConnectionVerified, &id, outcome).await?;
    let probe = verified?;
    Ok(Json(json!({"works": probe.works, "status": probe.status, "detail": probe.detail})).into_response())
}
