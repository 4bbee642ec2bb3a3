//! The admin listener: metrics and health, for the machines that watch this one.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::json;

use crate::app::App;

pub fn admin() -> Router<App> {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(alive)).route("/reload", post(reload))
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

/// Loads the mappings anew: 200 with the revision, or 422 with every problem.
async fn reload(State(app): State<App>) -> Response {
    match app.reloader.reload().await {
        Ok(revision) => Json(json!({ "revision": revision })).into_response(),
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "problems": problems }))).into_response()
        }
    }
}
