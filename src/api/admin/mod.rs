//! The admin listener: metrics and health, for the machines that watch this one.

mod guard;
mod ready;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::api::problem::Refusal;
use crate::app::App;
use crate::audit::{Action, Entry, ReloadedBy, deployment};
use crate::auth::{AdminToken, TenantId};
use crate::catalog::Reload;
use crate::error::{Error, Kind, Violation};

pub fn admin(app: App) -> Router {
    let store = ready::StoreSaid::default();
    Router::new()
        .route("/metrics", get(metrics))
        .route("/reload", post(reload))
        .route("/connections:revoke", post(revoke))
        // All above need the token, where there is one. Probes send none, and learn nothing that is anybody's.
        .route_layer(middleware::from_fn_with_state(app.clone(), guard::authenticate))
        .route("/healthz", get(alive))
        .route("/readyz", get(move |State(app): State<App>| ready::ready(app, store)))
        .fallback(no_route)
        .layer(middleware::from_fn(guard::explain))
        .with_state(app)
}

async fn no_route() -> Refusal {
    let detail = "The admin listener has GET /metrics, /healthz and /readyz, POST /reload and /connections:revoke.";
    Error::new(Kind::NotFound, detail).into()
}

/// The kill switch: `{"provider": …, "tenant": …, "reason": …}`, at least one of the first two. Answers how many connections
/// were ended.
async fn revoke(State(app): State<App>, Json(body): Json<Value>) -> Result<Response, Refusal> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let known = ["provider", "tenant", "reason"];
    let members = body.as_object().into_iter().flat_map(|body| body.keys());
    let mut violations: Vec<Violation> = members
        .filter(|name| !known.contains(&name.as_str()) || text(name).is_none())
        .map(|name| {
            Violation::at(format!("/{name}"), "the member cannot be used")
                .expected("provider, tenant or reason, a text each")
        })
        .collect();
    let tenant = text("tenant").map(TenantId::parse);
    if tenant == Some(None) {
        violations.push(Violation::at("/tenant", "this is not the name of a tenant"));
    }
    if text("provider").is_none() && text("tenant").is_none() {
        violations
            .push(Violation::at("", "all connections there are would be ended").expected("provider, tenant or both"));
    }
    if !violations.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "The body does not say which connections to end.")
            .violations(violations)
            .into());
    }
    let reason = text("reason").unwrap_or("revoked by the operator");
    let entry = Entry::by_operator(tenant.clone().flatten().unwrap_or_else(deployment), Action::KillSwitch);
    let entry = entry.about(text("provider").unwrap_or("all providers"));
    let done = app.connections.revoke_all(tenant.flatten(), text("provider"), reason).await;
    app.cache.forget_all();
    // Each connection that was ended stands in its tenant's log as well.
    let entry = match &done {
        Ok(revoked) => entry.detail(format!("{revoked} connections ended: {reason}")),
        Err(error) => entry.outcome(error.kind().code()).detail(reason),
    };
    app.audit.record(entry).await?;
    let revoked = done?;
    tracing::warn!(
        revoked,
        provider = text("provider"),
        tenant = text("tenant"),
        reason,
        "Connections were ended by the kill switch"
    );
    Ok(Json(json!({ "revoked": revoked })).into_response())
}

async fn metrics(State(app): State<App>) -> Response {
    match app.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Loads the mappings and the listener's token anew: 200 with the revision, or 422 with every problem. What has one stays
/// as it was.
async fn reload(State(app): State<App>) -> Response {
    let Reload { before, now: reloaded } = app.reloader.reload().await;
    app.audit.reloaded(ReloadedBy::Operator, &before, reloaded.as_deref().ok()).await;
    let token = app.admin_token.as_ref().map_or(Ok(()), AdminToken::reload);
    match (reloaded, token) {
        (Ok(revision), Ok(())) => Json(json!({ "revision": revision })).into_response(),
        (reloaded, token) => {
            let mut problems: Vec<String> = reloaded.err().iter().flatten().map(ToString::to_string).collect();
            problems.extend(token.err().map(|error| format!("admin_token_file: {error}")));
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "problems": problems }))).into_response()
        }
    }
}
