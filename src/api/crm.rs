//! The unified routes of records: a request becomes a call, a reply becomes an answer.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::answer;
use super::body;
use super::freshness::unless_known;
use super::page::page;
use super::place::Place;
use super::prefer::{no_parameters, pairs};
use super::problem::Refusal;
use super::target::{Target, not_executed, run, unexpected};
use crate::app::App;
use crate::auth::Scope;
use crate::error::{Error, Kind, Violation};
use crate::model::Operation;
use crate::unified::{Asked, Call, Reply};

type Answer = Result<Response, Refusal>;

pub async fn list(State(app): State<App>, place: Place, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let target = Target::find(&app, &parts, &place, Scope::Read).await?;
    let asked = Asked::list(&target.resource.model, &pairs(&parts)?)?;
    Ok(unless_known(&parts, page(&app, target.call(Operation::List), &place, asked).await?))
}

/// The same list, asked for in JSON.
pub async fn search(State(app): State<App>, place: Place, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let target = Target::find(&app, &parts, &place, Scope::Read).await?;
    no_parameters(&parts)?;
    let asked = body::object(&parts, body).await?;
    let asked = Asked::json(&target.resource.model, &asked)?;
    page(&app, target.call(Operation::List), &place, asked).await
}

pub async fn get(State(app): State<App>, place: Place, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let target = Target::find(&app, &parts, &place, Scope::Read).await?;
    let query = Asked::record(&target.resource.model, &pairs(&parts)?)?.query;
    let call = Call { id: place.id.clone(), query, ..target.call(Operation::Get) };
    Ok(unless_known(&parts, answer::record(run(&app, call).await?, &place)?))
}

pub async fn create(State(app): State<App>, place: Place, request: Request) -> Answer {
    write(&app, &place, request, Operation::Create).await
}

pub async fn update(State(app): State<App>, place: Place, request: Request) -> Answer {
    write(&app, &place, request, Operation::Update).await
}

/// `PUT …?match=email`: the record with this value is updated, or one is created.
pub async fn upsert(State(app): State<App>, place: Place, request: Request) -> Answer {
    write(&app, &place, request, Operation::Upsert).await
}

async fn write(app: &App, place: &Place, request: Request, operation: Operation) -> Answer {
    let (parts, body) = request.into_parts();
    let target = Target::find(app, &parts, place, Scope::Write).await.map_err(not_executed)?;
    target.supports(operation)?;
    let mut pairs = pairs(&parts).map_err(not_executed)?;
    let by = match operation {
        Operation::Upsert => Some(natural_key(&mut pairs).map_err(not_executed)?),
        _ => None,
    };
    let query = Asked::record(&target.resource.model, &pairs).map_err(not_executed)?.query;
    let body = Some(body::object(&parts, body).await?);
    let call = Call { id: place.id.clone(), by, query, body, ..target.call(operation) };
    answer::record(run(app, call).await?, place)
}

/// Takes `match` out of the parameters.
fn natural_key(pairs: &mut Vec<(String, String)>) -> Result<String, Error> {
    let refused = |detail: &str| {
        Error::new(Kind::InvalidRequest, "The query parameter match says by which field the record is found.")
            .violation(Violation::parameter("match", detail).expected("one field, such as match=email"))
    };
    let mut keys = pairs.extract_if(.., |(name, _)| name == "match").map(|(_, value)| value);
    match (keys.next(), keys.next()) {
        (Some(key), None) if !key.is_empty() => Ok(key),
        (Some(_), None) => Err(refused("it is empty")),
        (Some(_), Some(_)) => Err(refused("it stands there twice")),
        (None, _) => Err(refused("it is missing")),
    }
}

pub async fn delete(State(app): State<App>, place: Place, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let target = Target::find(&app, &parts, &place, Scope::Write).await.map_err(not_executed)?;
    no_parameters(&parts).map_err(not_executed)?;
    let call = Call { id: place.id.clone(), ..target.call(Operation::Delete) };
    match run(&app, call).await? {
        Reply::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(unexpected(&other)),
    }
}
