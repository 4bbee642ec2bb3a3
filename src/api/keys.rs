//! `/v1/keys`: a tenant's own API keys. The secret is shown once, when the key is made.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::body;
use super::path::Path;
use super::prefer::no_parameters;
use super::problem::Refusal;
use super::target::{actor, caller};
use crate::app::App;
use crate::audit::{Action, Entry};
use crate::auth::{KeyRecord, Mode, NewKey, Scope, Scopes};
use crate::error::{Error, Kind, Violation};

type Answer = Result<Response, Refusal>;

const MEMBERS: [&str; 5] = ["scopes", "name", "providers", "connections", "expires_at"];

pub async fn list(State(app): State<App>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    caller.require(Scope::Admin)?;
    no_parameters(&parts)?;
    let keys = app.keys.list(caller.tenant.clone()).await?;
    let data: Vec<Value> = keys.iter().map(view).collect();
    Ok(Json(json!({"data": data, "next_cursor": null})).into_response())
}

pub async fn create(State(app): State<App>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let caller = actor(&parts)?;
    caller.require(Scope::Admin)?;
    no_parameters(&parts)?;
    let mode = if caller.test { Mode::Test } else { Mode::Live };
    let new = parse(&body::object(&parts, body).await?, mode)?;
    caller.may_grant(&new)?;
    let (secret, record) = app.keys.create(caller.tenant.clone(), new).await?;
    // If this fails, nobody has seen the key's text: it is of no use to anybody.
    app.audit.record(Entry::by(&caller, Action::KeyCreated).about(Arc::clone(&record.id))).await?;
    let mut shown = view(&record);
    if let Value::Object(members) = &mut shown {
        members.insert("key".into(), json!(secret));
    }
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

pub async fn revoke(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = actor(&parts)?;
    caller.require(Scope::Admin)?;
    no_parameters(&parts)?;
    app.keys.revoke(caller.tenant.clone(), &id).await?;
    app.audit.record(Entry::by(&caller, Action::KeyRevoked).about(id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn view(key: &KeyRecord) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "id": &*key.id,
        "name": key.name,
        "mode": key.mode.as_str(),
        "scopes": key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "providers": key.providers,
        "connections": key.connections,
        "created_at": key.created_at.to_string(),
        "expires_at": time(key.expires_at),
        "revoked_at": time(key.revoked_at),
        "last_used_at": time(key.last_used_at),
    })
}

fn parse(body: &Map<String, Value>, mode: Mode) -> Result<NewKey, Error> {
    let mut violations = Vec::new();
    for name in body.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let expected = format!("one of {}", MEMBERS.join(", "));
        violations.push(Violation::at(format!("/{name}"), "it is not a member of a key").expected(expected));
    }
    let mut texts = |name: &str| -> Vec<String> {
        match body.get(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) => {
                violations
                    .push(Violation::at(format!("/{name}"), "it is not a list of texts").expected("array of string"));
                Vec::new()
            }
        }
    };
    let (scopes, providers, connections) = (texts("scopes"), texts("providers"), texts("connections"));
    let scopes = match scopes.join(",").parse::<Scopes>() {
        Ok(scopes) if !scopes.is_empty() => scopes,
        _ => {
            let known = Scope::ALL.map(Scope::as_str).join(", ");
            violations.push(
                Violation::at("/scopes", "a key has at least one known scope").expected(format!("some of {known}")),
            );
            Scopes::from_iter([])
        }
    };
    let expires_at = match body.get("expires_at") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let time =
                value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).filter(|time| *time > Timestamp::now());
            if time.is_none() {
                violations.push(Violation::at("/expires_at", "it is no time to come").expected("RFC 3339 date-time"));
            }
            time
        }
    };
    let name = match body.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if name.len() <= 200 && !name.chars().any(char::is_control) => Some(name.clone()),
        Some(_) => {
            violations.push(Violation::at("/name", "it cannot be used").expected("a line of at most 200 characters"));
            None
        }
    };
    if !violations.is_empty() {
        return Err(Error::new(Kind::ValidationFailed, "The key is not valid.").violations(violations));
    }
    Ok(NewKey { mode, scopes, providers, connections, name, expires_at })
}
