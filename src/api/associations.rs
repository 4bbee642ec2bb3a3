//! `…/{id}/associations/{other}`: records of another resource that hang together with this one.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;

use super::freshness::unless_known;
use super::page::page;
use super::place::Place;
use super::prefer::{no_parameters, pairs};
use super::problem::Refusal;
use super::target::{Target, not_executed, run, unexpected};
use super::{answer, body};
use crate::app::App;
use crate::auth::Scope;
use crate::error::{Error, Kind, Violation};
use crate::model::Operation;
use crate::unified::{Asked, Call, Other, Reply};

type Answer = Result<Response, Refusal>;

pub async fn list(State(app): State<App>, place: Place, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let target = Target::find(&app, &parts, &place, Scope::Read).await?;
    target.supports(Operation::Associations)?;
    let asked = Asked::page(&pairs(&parts)?)?;
    let other = other(&place, Vec::new());
    let call = Call { id: place.id.clone(), other, ..target.call(Operation::Associations) };
    Ok(unless_known(&parts, page(&app, call, &place, asked).await?))
}

pub async fn add(State(app): State<App>, place: Place, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let target = Target::find(&app, &parts, &place, Scope::Write).await.map_err(not_executed)?;
    target.supports(Operation::Associate)?;
    no_parameters(&parts).map_err(not_executed)?;
    let labels = labels(&parts, body).await.map_err(not_executed)?;
    let call = Call { id: place.id.clone(), other: other(&place, labels), ..target.call(Operation::Associate) };
    answer::record(run(&app, call).await?, &place)
}

pub async fn remove(State(app): State<App>, place: Place, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let target = Target::find(&app, &parts, &place, Scope::Write).await.map_err(not_executed)?;
    target.supports(Operation::Dissociate)?;
    no_parameters(&parts).map_err(not_executed)?;
    let other = other(&place, Vec::new());
    let call = Call { id: place.id.clone(), other, ..target.call(Operation::Dissociate) };
    match run(&app, call).await? {
        Reply::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(unexpected(&other)),
    }
}

fn other(place: &Place, labels: Vec<String>) -> Option<Other> {
    Some(Other { resource: place.other.clone()?, id: place.other_id.clone(), labels })
}

/// `{"labels": […]}`, or no body at all.
async fn labels(parts: &Parts, body: Body) -> Result<Vec<String>, Error> {
    if http_body::Body::size_hint(&body).exact() == Some(0) {
        return Ok(Vec::new());
    }
    let given = body::object(parts, body).await?;
    let refused = |at: &str, detail: &str| {
        Error::new(Kind::ValidationFailed, "The association is not valid.")
            .violation(Violation::at(at, detail).expected("{\"labels\": [text]}"))
    };
    if let Some(name) = given.keys().find(|name| *name != "labels") {
        return Err(refused(&format!("/{name}"), "it is not known"));
    }
    match given.get("labels") {
        None => Ok(Vec::new()),
        Some(Value::Array(labels)) => {
            let labels = labels.iter().map(|label| label.as_str().map(str::to_owned));
            labels.collect::<Option<_>>().ok_or_else(|| refused("/labels", "a label is text"))
        }
        Some(_) => Err(refused("/labels", "it is not a list")),
    }
}
