//! `/v1/audit`: who did what with a tenant's connections.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::prefer::{once, pairs};
use super::problem::Refusal;
use super::target::caller;
use crate::app::App;
use crate::audit::{Action, Recorded, Wanted};
use crate::auth::Scope;
use crate::error::{Error, Kind, Violation};
use crate::model::hex;

const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;
const KNOWN: [&str; 7] = ["connection", "actor", "action", "since", "until", "limit", "cursor"];

pub async fn list(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    caller.require(Scope::Admin)?;
    if !caller.providers.is_empty() || !caller.connections.is_empty() {
        let detail = "The audit log is that of the whole tenant, and this key is limited to some of its providers or connections.";
        return Err(Error::new(Kind::Forbidden, detail).into());
    }
    let page = app.audit.page(&caller.tenant, wanted(&parts)?).await?;
    let data: Vec<Value> = page.data.iter().map(shown).collect();
    Ok(Json(json!({"data": data, "next_cursor": page.next.map(|number| number.to_string())})).into_response())
}

fn wanted(parts: &Parts) -> Result<Wanted, Error> {
    let mut wanted = Wanted { limit: PAGE, ..Wanted::default() };
    for (name, value) in once(pairs(parts)?)? {
        let refused = |expected: &str| {
            Error::new(Kind::InvalidRequest, "A query parameter cannot be understood.")
                .violation(Violation::parameter(name.clone(), "the value cannot be used").expected(expected))
        };
        let time = || value.parse::<Timestamp>().map_err(|_| refused("RFC 3339 date-time"));
        match name.as_str() {
            "connection" => wanted.connection = Some(value),
            "actor" => wanted.actor = Some(value),
            "action" => {
                let known = || Action::all().map(Action::as_str).collect::<Vec<_>>().join(", ");
                wanted.action = Some(Action::parse(&value).ok_or_else(|| refused(&format!("one of {}", known())))?);
            }
            "since" => wanted.since = Some(time()?),
            "until" => wanted.until = Some(time()?),
            "limit" => {
                let limit = value.parse::<usize>().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
                wanted.limit = limit.ok_or_else(|| refused(&format!("an integer from 1 to {LONGEST_PAGE}")))?;
            }
            "cursor" => {
                let number = value.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
                wanted.before =
                    Some(number.ok_or_else(|| Error::new(Kind::InvalidCursor, "The cursor is not one of this list."))?);
            }
            _ => {
                return Err(Error::new(Kind::UnknownParameter, "There is no such query parameter here.")
                    .violation(Violation::parameter(name, "it is not known"))
                    .supported(KNOWN));
            }
        }
    }
    Ok(wanted)
}

/// A row as it is shown, over HTTP and in an export.
pub fn shown(row: &Recorded) -> Value {
    let Recorded { number, entry, hash } = row;
    json!({
        "number": number,
        "at": entry.at.to_string(),
        "since": entry.since.map(|since| since.to_string()),
        "actor": &*entry.actor,
        "action": entry.action.as_str(),
        "connection": entry.connection.as_deref(),
        "subject": entry.subject.as_deref(),
        "outcome": &*entry.outcome,
        "count": entry.count,
        "request_id": entry.request_id.as_deref(),
        "peer": entry.peer.as_deref(),
        "detail": entry.detail,
        "hash": hex(hash),
    })
}
