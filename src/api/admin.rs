//! The admin listener: metrics and health, for the machines that watch this one.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::problem::Refusal;
use crate::app::App;
use crate::audit::{Action, Entry, deployment};
use crate::auth::TenantId;
use crate::error::{Error, Kind, Violation};

/// A store that takes longer is of no use to a request either.
const STORE_ANSWERS: Duration = Duration::from_secs(1);

pub fn admin() -> Router<App> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/reload", post(reload))
        .route("/connections:revoke", post(revoke))
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

/// Whether requests should be sent here: 200, or 503 with what stands against it.
async fn ready(State(app): State<App>) -> Response {
    let store = match tokio::time::timeout(STORE_ANSWERS, (app.ping_store)()).await {
        Ok(Ok(())) => Ok("it answers".to_owned()),
        Ok(Err(error)) => Err(error.detail().to_owned()),
        Err(_) => Err(format!("it does not answer within {STORE_ANSWERS:?}")),
    };
    let catalog = app.catalog();
    let catalog = match catalog.providers.len() {
        0 => Err("it has no provider".to_owned()),
        providers => Ok(format!("{providers} providers, revision {}", catalog.revision)),
    };
    // What was sealed can be opened again: the key is there.
    let context: &[&[u8]] = &[b"readyz"];
    let sealed = app.vault.seal(context, b"ready").and_then(|sealed| app.vault.open(context, &sealed));
    let vault = sealed.map(|_| "it is open".to_owned()).map_err(|error| error.to_string());
    let draining = match app.lifecycle.is_draining() {
        false => Ok("requests are taken".to_owned()),
        true => Err("the process is about to stop".to_owned()),
    };
    let checks = [("catalog", catalog), ("store", store), ("vault", vault), ("draining", draining)];
    let good = checks.iter().all(|(_, check)| check.is_ok());
    let checks: serde_json::Map<String, Value> = checks
        .into_iter()
        .map(|(name, check)| {
            let (ok, detail) = (check.is_ok(), check.unwrap_or_else(|fault| fault));
            (name.to_owned(), json!({ "ok": ok, "detail": detail }))
        })
        .collect();
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": good, "checks": checks }))).into_response()
}

/// Loads the mappings anew: 200 with the revision, or 422 with every problem.
async fn reload(State(app): State<App>) -> Response {
    let reloaded = app.reloader.reload().await;
    app.audit.reloaded(reloaded.as_deref().ok()).await;
    match reloaded {
        Ok(revision) => Json(json!({ "revision": revision })).into_response(),
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "problems": problems }))).into_response()
        }
    }
}
