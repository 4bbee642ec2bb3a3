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
use crate::limit::KeyLimits;

type Answer = Result<Response, Refusal>;

const MEMBERS: [&str; 6] = ["scopes", "name", "providers", "connections", "limits", "expires_at"];
const LIMITS: [&str; 3] = ["rate", "burst", "concurrency"];

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
    // No key can be made mightier than its maker, and none over the API than the configuration says.
    let most = app.admission.key_limits(&caller.limits);
    let new = parse(&body::object(&parts, body).await?, mode, &caller.limits, &most)?;
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
        "limits": key.limits,
        "created_at": key.created_at.to_string(),
        "expires_at": time(key.expires_at),
        "revoked_at": time(key.revoked_at),
        "last_used_at": time(key.last_used_at),
    })
}

fn parse(body: &Map<String, Value>, mode: Mode, own: &KeyLimits, most: &KeyLimits) -> Result<NewKey, Error> {
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
    let limits = limits(body.get("limits"), own, most, &mut violations);
    if !violations.is_empty() {
        return Err(Error::new(Kind::ValidationFailed, "The key is not valid.").violations(violations));
    }
    Ok(NewKey { mode, scopes, providers, connections, limits, name, expires_at })
}

/// What is left out is as it is for the key that makes the new one.
fn limits(asked: Option<&Value>, own: &KeyLimits, most: &KeyLimits, violations: &mut Vec<Violation>) -> KeyLimits {
    let none = Map::new();
    let asked = match asked {
        None | Some(Value::Null) => &none,
        Some(Value::Object(asked)) => asked,
        Some(_) => {
            violations.push(Violation::at("/limits", "it is not an object").expected(LIMITS.join(", ")));
            &none
        }
    };
    for name in asked.keys().filter(|name| !LIMITS.contains(&name.as_str())) {
        let violation = Violation::at(format!("/limits/{name}"), "there is no such limit");
        violations.push(violation.expected(format!("one of {}", LIMITS.join(", "))));
    }
    let mut count = |name: &str, most: Option<u32>| {
        let asked = asked.get(name).filter(|value| !value.is_null())?;
        let most = most.unwrap_or(u32::MAX);
        let count = asked.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|n| (1..=most).contains(n));
        if count.is_none() {
            let violation = Violation::at(format!("/limits/{name}"), "it is no number that this key can give");
            violations.push(violation.expected(format!("an integer from 1 to {most}")));
        }
        count
    };
    let (rate, burst) = (count("rate", most.rate), count("burst", most.burst));
    let concurrency = count("concurrency", most.concurrency).or(own.concurrency);
    match rate {
        Some(_) => KeyLimits { rate, burst, concurrency },
        None => KeyLimits { rate: own.rate, burst: burst.or(own.burst), concurrency },
    }
}
