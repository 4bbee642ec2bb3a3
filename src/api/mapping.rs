//! `/v1/mapping` and `/v1/connections/{id}/mapping`: a tenant's and a connection's own lines over the mappings.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::body;
use super::path::Path;
use super::prefer::{no_parameters, once, pairs};
use super::problem::Refusal;
use super::target::{actor, caller};
use crate::app::App;
use crate::audit::{Action, Entry};
use crate::auth::{Caller, Scope};
use crate::catalog::{Catalog, Layer, MAX_OVERRIDE, check_form, layers};
use crate::connections::{Connection, ConnectionId};
use crate::error::{Error, Kind, Violation};

type Answer = Result<Response, Refusal>;

pub async fn get_tenant(State(app): State<App>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = allowed(&parts, Scope::Read)?;
    let text = app.mappings.get(&caller.tenant, None).await?;
    let view = View::of(&parts, &["view", "provider", "resource"])?;
    if !view.effective {
        return Ok(stored(&text));
    }
    let Some(provider) = &view.provider else {
        let violation = Violation::parameter("provider", "it is missing").expected("the name of a provider");
        return Err(Error::new(Kind::InvalidRequest, "The effective mapping is that of one provider.")
            .violation(violation)
            .into());
    };
    effective(&app.catalog(), provider, &layers(provider, &text, ""), view.resource.as_deref())
}

pub async fn put_tenant(State(app): State<App>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let caller = allowed(&parts, Scope::Admin)?;
    no_parameters(&parts)?;
    let given = body::object(&parts, body).await?;
    let catalog = app.catalog();
    let mut violations = Vec::new();
    for (provider, lines) in &given {
        let at = format!("/{}", crate::model::escape(provider));
        match (catalog.provider(provider), lines.as_object()) {
            (None, _) => violations.push(
                Violation::at(at, "there is no such provider")
                    .expected(catalog.provider_names().collect::<Vec<_>>().join(", ")),
            ),
            (_, None) => violations.push(Violation::at(at, "it is not an object").expected("{resource: {fields}}")),
            (_, Some(lines)) => violations.extend(faults(&app, &catalog, provider, lines, &at, "tenant", &[])),
        }
    }
    let text = written(&given, violations)?;
    app.mappings.put(&caller.tenant, None, text).await?;
    app.audit.record(Entry::by(&actor(&parts)?, Action::MappingPut).detail(names(&given))).await?;
    Ok(Json(Value::Object(given)).into_response())
}

pub async fn delete_tenant(State(app): State<App>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = allowed(&parts, Scope::Admin)?;
    no_parameters(&parts)?;
    app.mappings.delete(&caller.tenant, None).await?;
    app.audit.record(Entry::by(&actor(&parts)?, Action::MappingDeleted)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub async fn get(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = allowed(&parts, Scope::Read)?;
    let connection = own(&app, &caller, &id).await?;
    let view = View::of(&parts, &["view", "resource"])?;
    if !view.effective {
        return Ok(stored(&app.mappings.get(&caller.tenant, Some(&connection.id)).await?));
    }
    let (tenant, own) = app.mappings.of(&connection).await?;
    let provider = &connection.provider;
    effective(&app.catalog(), provider, &layers(provider, &tenant, &own), view.resource.as_deref())
}

pub async fn put(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let caller = allowed(&parts, Scope::Admin)?;
    no_parameters(&parts)?;
    let connection = own(&app, &caller, &id).await?;
    let given = body::object(&parts, body).await?;
    let tenant = app.mappings.get(&caller.tenant, None).await?;
    let below = layers(&connection.provider, &tenant, "");
    let catalog = app.catalog();
    let violations = faults(&app, &catalog, &connection.provider, &given, "", "connection", &below);
    let text = written(&given, violations)?;
    app.mappings.put(&caller.tenant, Some(&connection.id), text).await?;
    let entry = Entry::by(&actor(&parts)?, Action::MappingPut).on(&connection.id.0);
    app.audit.record(entry.detail(names(&given))).await?;
    Ok(Json(Value::Object(given)).into_response())
}

pub async fn delete(State(app): State<App>, Path(id): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = allowed(&parts, Scope::Admin)?;
    no_parameters(&parts)?;
    let connection: ConnectionId = own(&app, &caller, &id).await?.id;
    app.mappings.delete(&caller.tenant, Some(&connection)).await?;
    app.audit.record(Entry::by(&actor(&parts)?, Action::MappingDeleted).on(&connection.0)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Which providers, or resources, the lines are for. They are known ones.
fn names(given: &Map<String, Value>) -> String {
    given.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn allowed(parts: &Parts, scope: Scope) -> Result<std::sync::Arc<Caller>, Error> {
    let caller = caller(parts)?;
    if !caller.scopes.contains(Scope::Admin) {
        caller.require(scope)?;
    }
    Ok(caller)
}

async fn own(app: &App, caller: &Caller, id: &str) -> Result<Connection, Error> {
    Ok(app.connections.get(caller, id).await?.connection)
}

/// What a GET asks for.
#[derive(Default)]
struct View {
    effective: bool,
    provider: Option<String>,
    resource: Option<String>,
}

impl View {
    fn of(parts: &Parts, known: &[&str]) -> Result<Self, Error> {
        let mut view = Self::default();
        for (name, value) in once(pairs(parts)?)? {
            match (name.as_str(), value.as_str()) {
                ("view", "effective") => view.effective = true,
                ("view", "own") => {}
                ("view", _) => {
                    let violation = Violation::parameter("view", "there is no such view").expected("own or effective");
                    return Err(Error::new(Kind::InvalidRequest, "The view is not known.").violation(violation));
                }
                ("resource", _) => view.resource = Some(value),
                ("provider", _) if known.contains(&"provider") => view.provider = Some(value),
                _ => {
                    return Err(Error::new(Kind::UnknownParameter, "There is no such query parameter here.")
                        .violation(Violation::parameter(name, "it is not known"))
                        .supported(known.iter().copied()));
                }
            }
        }
        Ok(view)
    }
}

fn stored(text: &str) -> Response {
    let lines: Value = serde_json::from_str(text).unwrap_or_else(|_| json!({}));
    Json(lines).into_response()
}

fn effective(catalog: &Catalog, provider: &str, layers: &[Layer], resource: Option<&str>) -> Answer {
    let Some(found) = catalog.provider(provider) else {
        let error = Error::new(Kind::ProviderNotFound, "There is no such provider.");
        return Err(error.supported(catalog.provider_names()).into());
    };
    let names: Vec<&String> =
        found.resources.keys().filter(|name| resource.is_none_or(|wanted| *name == wanted)).collect();
    if names.is_empty() {
        let error = Error::new(Kind::NotFound, format!("{} has no such resource.", found.title));
        return Err(error.supported(found.resources.keys().cloned()).into());
    }
    let mut answer = Map::new();
    for name in names {
        let view = catalog.effective(provider, name, layers).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Error::new(Kind::MappingFailed, texts.join("; "))
        })?;
        answer.insert(name.clone(), view);
    }
    Ok(Json(Value::Object(answer)).into_response())
}

/// Everything that is wrong with the lines: their form, then what the compiler says of them.
fn faults(
    app: &App,
    catalog: &Catalog,
    provider: &str,
    lines: &Map<String, Value>,
    at: &str,
    origin: &'static str,
    below: &[Layer],
) -> Vec<Violation> {
    let violations = check_form(lines, at, app.expressions_in_overrides);
    if !violations.is_empty() {
        return violations;
    }
    let mut all = below.to_vec();
    all.push(Layer { origin, lines: lines.clone() });
    let problems = catalog.check_layers(provider, &all);
    let mine = problems.into_iter().filter(|(resource, _)| lines.contains_key(resource));
    mine.map(|(resource, problem)| Violation::at(format!("{at}/{}", crate::model::escape(&resource)), problem.message))
        .collect()
}

/// The text that is stored, if nothing is wrong.
fn written(given: &Map<String, Value>, violations: Vec<Violation>) -> Result<String, Error> {
    let text = serde_json::to_string(given).map_err(Error::internal)?;
    if text.len() > MAX_OVERRIDE {
        let detail = format!("The override is longer than {MAX_OVERRIDE} bytes.");
        return Err(Error::new(Kind::PayloadTooLarge, detail));
    }
    if violations.is_empty() {
        return Ok(text);
    }
    Err(Error::new(Kind::ValidationFailed, "The override does not fit the mapping; nothing was saved.")
        .violations(violations))
}
