//! `/v1/connections/{id}/credentials` and `/events`: what an owner takes away or looks back at.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::connections::tried;
use super::path::Path;
use super::prefer::{no_parameters, once, pairs};
use super::problem::Refusal;
use super::target::{actor, caller};
use crate::app::App;
use crate::audit::Action;
use crate::auth::{Caller, Scope};
use crate::connections::Logged;
use crate::error::{Error, Kind, Violation};

type Answer = Result<Response, Refusal>;

const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

pub async fn credentials(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = actor(&parts)?;
    caller.require(Scope::Export)?;
    no_parameters(&parts)?;
    if !app.credentials_export {
        let detail = "This deployment does not give credentials back: `credentials_export: true` in its configuration would let it.";
        return Err(Error::new(Kind::Forbidden, detail).into());
    }
    let exported = app.connections.export(&caller, &id).await;
    // Before they leave.
    tried(&app, &caller, Action::ConnectionExported, &id, exported.as_ref().map(|_| "ok")).await?;
    let credentials = exported?;
    let mut response = credentials.to_string().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

pub async fn events(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    require_any(&caller)?;
    let (limit, before) = paging(&parts)?;
    let history = app.connections.history(&caller, &id, before, limit).await?;
    let data: Vec<Value> = history.data.iter().map(event).collect();
    let next = history.next.map(|number| number.to_string());
    Ok(Json(json!({"data": data, "next_cursor": next})).into_response())
}

/// `limit` and `cursor` of a list in which rows have numbers.
pub fn paging(parts: &Parts) -> Result<(usize, Option<u64>), Error> {
    let (mut limit, mut before) = (PAGE, None);
    for (name, value) in once(pairs(parts)?)? {
        match name.as_str() {
            "limit" => {
                let given = value.parse::<usize>().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
                limit = given.ok_or_else(|| {
                    Error::new(Kind::InvalidRequest, "A query parameter cannot be understood.").violation(
                        Violation::parameter("limit", "the value cannot be used")
                            .expected(format!("an integer from 1 to {LONGEST_PAGE}")),
                    )
                })?;
            }
            "cursor" => {
                let number = value.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
                before =
                    Some(number.ok_or_else(|| Error::new(Kind::InvalidCursor, "The cursor is not one of this list."))?);
            }
            _ => {
                return Err(Error::new(Kind::UnknownParameter, "There is no such query parameter here.")
                    .violation(Violation::parameter(name, "it is not known"))
                    .supported(["limit", "cursor"]));
            }
        }
    }
    Ok((limit, before))
}

fn event(logged: &Logged) -> Value {
    json!({
        "number": logged.number,
        "at": logged.event.at.to_string(),
        "kind": logged.event.kind.as_str(),
        "detail": logged.event.detail,
    })
}

pub fn require_any(caller: &Caller) -> Result<(), Error> {
    if [Scope::Admin, Scope::Read].iter().any(|scope| caller.scopes.contains(*scope)) {
        return Ok(());
    }
    caller.require(Scope::Connect)
}
