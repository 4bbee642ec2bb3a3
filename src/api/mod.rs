//! The HTTP API: routes, and what turns requests into calls and replies into answers.

mod admin;
mod authenticate;
mod body;
mod connections;
mod crm;
mod keys;
pub mod openapi;
mod passthrough;
mod path;
mod prefer;
mod problem;
mod providers;
mod record;

pub use admin::admin;
pub use authenticate::authenticate;
pub use problem::{Refusal, panicked};
pub use record::record;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{any, get};

use crate::app::App;
use crate::error::{Error, Kind};

/// All routes that need an API key.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/crm/{resource}", get(crm::list).post(crm::create))
        .route("/v1/crm/{resource}/search", axum::routing::post(crm::search))
        .route("/v1/crm/{resource}/{id}", get(crm::get).patch(crm::update).delete(crm::delete))
        .route("/v1/passthrough", any(passthrough::by_header))
        .route("/v1/passthrough/", any(passthrough::by_header))
        .route("/v1/passthrough/{*path}", any(passthrough::by_header))
        .route("/v1/connections/{id}/passthrough", any(passthrough::by_path))
        .route("/v1/connections/{id}/passthrough/", any(passthrough::by_path))
        .route("/v1/connections/{id}/passthrough/{*path}", any(passthrough::by_path))
        .route("/v1/connections", get(connections::list).post(connections::create))
        .route("/v1/connections/{id}", get(connections::get).patch(connections::update).delete(connections::delete))
        .route("/v1/keys", get(keys::list).post(keys::create))
        .route("/v1/keys/{id}", axum::routing::delete(keys::revoke))
        .route("/v1/providers", get(providers::list))
        .route("/v1/providers/{name}", get(providers::get))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
}

/// What needs no key.
pub fn open_routes() -> Router<App> {
    let rendered = Arc::new(openapi::Rendered::default());
    let document = move |State(app): State<App>, request: Request| openapi::get(app, rendered, request);
    Router::new().route("/openapi.json", get(document)).method_not_allowed_fallback(no_method)
}

async fn no_route() -> Refusal {
    Error::new(Kind::NotFound, "There is no such route; the API lives below /v1.").into()
}

/// `Allow` is added by the router.
async fn no_method() -> Refusal {
    Error::new(Kind::UnsupportedOperation, "This route does not take this method; `Allow` lists those it takes.").into()
}
