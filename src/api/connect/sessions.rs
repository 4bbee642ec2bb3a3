//! `POST /v1/connect/sessions`: a link on which a customer connects an account.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::api::body;
use crate::api::prefer::no_parameters;
use crate::api::problem::Refusal;
use crate::api::target::caller;
use crate::app::App;
use crate::auth::Scope;
use crate::connections::connect::NewLink;

pub async fn create(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let caller = caller(&parts)?;
    caller.require(Scope::Connect)?;
    no_parameters(&parts)?;
    let new = NewLink::from_json(&Value::Object(body::object(&parts, body).await?))?;
    let link = app.connect.create(&caller, new).await?;
    let shown = json!({"url": link.url, "expires_at": link.expires_at.to_string()});
    let mut response = (StatusCode::CREATED, Json(shown)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
