//! `/v1/oauth-apps`: the apps under which a tenant's customers authorise their accounts. A secret goes in and never
//! comes out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::body;
use super::path::Path;
use super::prefer::no_parameters;
use super::problem::Refusal;
use super::target::{actor, caller};
use crate::app::App;
use crate::audit::{Action, Entry};
use crate::auth::{Caller, Scope};
use crate::catalog::{Provider, nearest};
use crate::connections::oauth::{NewApp, OwnApp};
use crate::error::{Error, Kind, Violation};

type Answer = Result<Response, Refusal>;

const MEMBERS: [&str; 3] = ["client_id", "client_secret", "private_key"];
const LONGEST: usize = 16 * 1024;

pub async fn list(State(app): State<App>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    caller.require(Scope::Admin)?;
    no_parameters(&parts)?;
    let apps = app.connections.oauth().own_apps(&caller.tenant).await?;
    let visible = apps.iter().filter(|own| caller.may_use_provider(&own.provider));
    let data: Vec<Value> = visible.map(|own| view(&app, own)).collect();
    Ok(Json(json!({"data": data, "next_cursor": null})).into_response())
}

pub async fn get(State(app): State<App>, Path(provider): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    allowed(&caller, &provider)?;
    no_parameters(&parts)?;
    let own = app.connections.oauth().own_app(&caller.tenant, &provider).await?.ok_or_else(none)?;
    Ok(Json(view(&app, &own)).into_response())
}

pub async fn put(State(app): State<App>, Path(provider): Path<String>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let caller = actor(&parts)?;
    allowed(&caller, &provider)?;
    no_parameters(&parts)?;
    let provider = with_grant(&app, &provider)?;
    let new = parse(&body::object(&parts, body).await?)?;
    let own = app.connections.oauth().put_app(&caller.tenant, &provider.name, new).await?;
    app.audit.record(Entry::by(&caller, Action::OauthAppPut).about(Arc::clone(&provider.name))).await?;
    Ok(Json(view(&app, &own)).into_response())
}

pub async fn delete(State(app): State<App>, Path(provider): Path<String>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let caller = actor(&parts)?;
    allowed(&caller, &provider)?;
    no_parameters(&parts)?;
    if !app.connections.oauth().delete_app(&caller.tenant, &provider).await? {
        return Err(none().into());
    }
    app.audit.record(Entry::by(&caller, Action::OauthAppDeleted).about(provider)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn allowed(caller: &Caller, provider: &str) -> Result<(), Error> {
    caller.require(Scope::Admin)?;
    if caller.may_use_provider(provider) {
        return Ok(());
    }
    Err(Error::new(Kind::Forbidden, "This key is limited to other providers."))
}

fn with_grant(app: &App, name: &str) -> Result<Arc<Provider>, Error> {
    let catalog = app.catalog();
    let Some(provider) = catalog.provider(name) else {
        let error = Error::new(Kind::ProviderNotFound, "The catalog holds no provider with this name.");
        return Err(error.supported(catalog.provider_names()));
    };
    if provider.grant.is_none() {
        let detail = format!("{} has no OAuth: its accounts are connected without an app.", provider.title);
        return Err(Error::new(Kind::ValidationFailed, detail));
    }
    Ok(Arc::clone(provider))
}

fn none() -> Error {
    Error::new(Kind::NotFound, "The tenant has no app of its own for this provider.")
}

/// With the address that the app has to name at the provider as its redirect URI.
fn view(app: &App, own: &OwnApp) -> Value {
    json!({
        "provider": &*own.provider,
        "client_id": own.client_id,
        "redirect_uri": app.connect.redirect_uri(&own.provider),
        "created_at": own.created_at.to_string(),
        "updated_at": own.updated_at.to_string(),
    })
}

fn parse(body: &Map<String, Value>) -> Result<NewApp, Error> {
    let mut violations = Vec::new();
    for name in body.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let hint = nearest(name, MEMBERS).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let violation = Violation::at(format!("/{name}"), format!("it is not a member of an app{hint}"));
        violations.push(violation.expected(format!("one of {}", MEMBERS.join(", "))));
    }
    // A key in PEM has several lines; nothing else has.
    let is_good = |name: &str, text: &str| {
        let control = |c: char| c.is_control() && !(name == "private_key" && matches!(c, '\n' | '\r'));
        !text.is_empty() && text.len() <= LONGEST && !text.chars().any(control)
    };
    let mut text = |name: &str, needed: bool| match body.get(name) {
        None | Some(Value::Null) if !needed => None,
        Some(Value::String(text)) if is_good(name, text) => Some(text.clone()),
        given => {
            let detail = if given.is_none() { "the member is missing" } else { "the value cannot be used" };
            let expected = format!("a string of 1 to {LONGEST} bytes without control characters");
            violations.push(Violation::at(format!("/{name}"), detail).expected(expected));
            None
        }
    };
    let client_id = text("client_id", true);
    let client_secret = text("client_secret", false).map(SecretString::from);
    let private_key = text("private_key", false).map(SecretString::from);
    match (client_id, violations.is_empty()) {
        (Some(client_id), true) => Ok(NewApp { client_id, client_secret, private_key }),
        _ => Err(Error::new(Kind::ValidationFailed, "The app is not valid.").violations(violations)),
    }
}
