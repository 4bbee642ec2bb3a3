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
use crate::auth::Scope;
use crate::connections::Key;

pub async fn list(State(app): State<App>, Path(id): Path<String>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    require_any(&caller)?;
    let (limit, before) = paging(&parts)?;
    let connection = app.connections.get(&caller, &id).await?.connection;
    let of = Key { tenant: connection.tenant, id: connection.id };
    // Bodies are records: a key that may only connect accounts does not see them.
    let may_read = [Scope::Read, Scope::Admin].iter().any(|scope| caller.scopes.contains(*scope));
    let page = app.requests.page(of, before, limit, may_read).await?;
    let next = page.next.map(|number| number.to_string());
    Ok(Json(json!({"data": page.data, "next_cursor": next})).into_response())
}
