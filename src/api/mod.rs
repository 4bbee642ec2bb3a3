//! The HTTP API: routes, and what turns requests into calls and replies into answers.

mod account;
mod admin;
mod answer;
mod associations;
pub mod audit;
mod authenticate;
mod batch;
mod body;
mod connect;
mod connections;
mod crm;
mod exports;
mod facts;
mod idempotent;
mod keys;
mod mapping;
mod metadata;
mod oauth_apps;
pub mod openapi;
mod page;
mod passthrough;
mod path;
mod place;
mod precondition;
mod prefer;
mod problem;
mod providers;
mod record;
mod requests;
mod shed;
mod target;
mod well_formed;

pub use admin::admin;
pub use authenticate::authenticate;
pub use idempotent::guard_writes;
pub use problem::{Refusal, panicked};
pub use record::record;
pub use shed::{limit_caller, shed};
pub use well_formed::well_formed;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{any, get, post, put};

use crate::app::App;
use crate::error::{Error, Kind};

/// All routes that need an API key.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/crm/objects", get(metadata::types))
        .merge(records("/v1/crm/{resource}"))
        .merge(records("/v1/crm/objects/{type}"))
        .route("/v1/passthrough", any(passthrough::by_header))
        .route("/v1/passthrough/", any(passthrough::by_header))
        .route("/v1/passthrough/{*path}", any(passthrough::by_header))
        .route("/v1/connections/{id}/passthrough", any(passthrough::by_path))
        .route("/v1/connections/{id}/passthrough/", any(passthrough::by_path))
        .route("/v1/connections/{id}/passthrough/{*path}", any(passthrough::by_path))
        .route("/v1/connections", get(connections::list).post(connections::create))
        .route("/v1/connections/{id}", get(connections::get).patch(connections::update).delete(connections::delete))
        .route("/v1/connections/{id}/refresh", post(connections::refresh))
        .route("/v1/connections/{id}/verify", post(connections::verify))
        .route("/v1/connections/{id}/mapping", get(mapping::get).put(mapping::put).delete(mapping::delete))
        .route("/v1/connections/{id}/credentials", get(exports::credentials))
        .route("/v1/connections/{id}/events", get(exports::events))
        .route("/v1/connections/{id}/requests", get(requests::list))
        .route("/v1/mapping", get(mapping::get_tenant).put(mapping::put_tenant).delete(mapping::delete_tenant))
        .route("/v1/connect/sessions", post(connect::create))
        .route("/v1/oauth-apps", get(oauth_apps::list))
        .route("/v1/oauth-apps/{provider}", get(oauth_apps::get).put(oauth_apps::put).delete(oauth_apps::delete))
        .route("/v1/audit", get(audit::list))
        .route("/v1/keys", get(keys::list).post(keys::create))
        .route("/v1/keys/{id}", axum::routing::delete(keys::revoke))
        .route("/v1/providers", get(providers::list))
        .route("/v1/providers/{name}", get(providers::get))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
}

/// What can be done with one kind of record.
fn records(base: &str) -> Router<App> {
    let below = |rest: &str| format!("{base}{rest}");
    Router::new()
        .route(base, get(crm::list).post(crm::create).put(crm::upsert))
        .route(&below("/search"), post(crm::search))
        .route(&below("/batch"), post(batch::batch))
        .route(&below("/fields"), get(metadata::fields))
        .route(&below("/{id}"), get(crm::get).patch(crm::update).delete(crm::delete))
        .route(&below("/{id}/associations/{other}"), get(associations::list))
        .route(&below("/{id}/associations/{other}/{other_id}"), put(associations::add).delete(associations::remove))
}

/// What needs no key: this API's description, and what customers' browsers open.
pub fn open_routes() -> Router<App> {
    let rendered = Arc::new(openapi::Rendered::default());
    let document = move |State(app): State<App>, request: Request| openapi::get(app, rendered, request);
    Router::new()
        .route("/openapi.json", get(document))
        .route("/connect/style.css", get(connect::style))
        .route("/connect/{token}", get(connect::show).post(connect::submit))
        // What comes back here is good once: programs that only look must not use it up.
        .route("/oauth/callback/{provider}", get(connect::callback).head(only_get))
        .method_not_allowed_fallback(no_method)
}

async fn no_route() -> Refusal {
    Error::new(Kind::NotFound, "There is no such route; the API lives below /v1.").into()
}

async fn only_get() -> Refusal {
    let detail = "This route has to be opened: what it is sent is good once.";
    Refusal::from(Error::new(Kind::UnsupportedOperation, detail)).allow("GET")
}

/// `Allow` is added by the router.
async fn no_method() -> Refusal {
    Error::new(Kind::UnsupportedOperation, "This route does not take this method; `Allow` lists those it takes.").into()
}
