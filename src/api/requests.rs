//! `/v1/connections/{id}/requests`: what has gone through a connection lately.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::exports::{paging, require_any};
use super::path::Path;
use super::problem::Refusal;
use super::target::caller;
use crate::app::App;
use crate::connections::Key;

pub async fn list(State(app): State<App>, Path(id): Path<String>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    require_any(&caller)?;
    let (limit, before) = paging(&parts)?;
    let connection = app.connections.get(&caller, &id).await?.connection;
    let page = app.requests.page(Key { tenant: connection.tenant, id: connection.id }, before, limit).await?;
    let next = page.next.map(|number| number.to_string());
    Ok(Json(json!({"data": page.data, "next_cursor": next})).into_response())
}
