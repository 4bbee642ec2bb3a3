//! `POST /v1/connect/sessions`: a link on which a customer connects an account.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::api::body;
use crate::api::prefer::no_parameters;
use crate::api::problem::Refusal;
use crate::api::target::actor;
use crate::app::App;
use crate::audit::{Action, Entry};
use crate::auth::Scope;
use crate::connections::connect::NewLink;

pub async fn create(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let caller = actor(&parts)?;
    caller.require(Scope::Connect)?;
    no_parameters(&parts)?;
    let new = NewLink::from_json(&Value::Object(body::object(&parts, body).await?))?;
    let mut entry = Entry::by(&caller, Action::ConnectSessionCreated);
    entry.connection = new.connection.as_deref().map(Into::into);
    let link = app.connect.create(&caller, new).await?;
    // If this fails, nobody has the link.
    app.audit.record(entry).await?;
    let shown = json!({"url": link.url, "expires_at": link.expires_at.to_string()});
    let mut response = (StatusCode::CREATED, Json(shown)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
