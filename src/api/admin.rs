//! The admin listener: metrics and health, for the machines that watch this one.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

use crate::app::App;

pub fn admin() -> Router<App> {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(alive))
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
