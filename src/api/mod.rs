//! The HTTP API: routes, and what turns requests into calls and replies into answers.

mod account;
mod admin;
mod answer;
mod associations;
pub mod audit;
mod authenticate;
mod batch;
mod body;
mod callers_time;
mod connect;
mod connections;
mod crm;
mod docs;
mod exports;
mod facts;
mod freshness;
mod idempotent;
mod kept;
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
mod unread;
mod well_formed;

pub use admin::admin;
pub use authenticate::authenticate;
pub use idempotent::Guard;
pub use problem::{Refusal, panicked};
pub use record::record;
pub use shed::{limit_caller, shed};
pub use unread::unread;
pub use well_formed::well_formed;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{MethodRouter, any, delete, get, patch, post, put};

use crate::app::App;
use crate::error::{Error, Kind};

/// All routes that need an API key. `guarded` lays over methods what keeps their writes.
pub fn routes(guarded: impl Fn(Guard, MethodRouter<App>) -> MethodRouter<App>) -> Router<App> {
    let reads = |methods| guarded(Guard::Read, methods);
    let manages = |methods| guarded(Guard::Management, methods);
    let raw = || guarded(Guard::Raw, any(passthrough::by_header));
    let raw_by_path = || guarded(Guard::Raw, any(passthrough::by_path));
    let writes = |methods| guarded(Guard::Write, methods);
    Router::new()
        .route("/v1/crm/objects", reads(get(metadata::types)))
        .merge(records("/v1/crm/{resource}", reads, writes))
        .merge(records("/v1/crm/objects/{type}", reads, writes))
        .route("/v1/passthrough", raw())
        .route("/v1/passthrough/", raw())
        .route("/v1/passthrough/{*path}", raw())
        .route("/v1/connections/{id}/passthrough", raw_by_path())
        .route("/v1/connections/{id}/passthrough/", raw_by_path())
        .route("/v1/connections/{id}/passthrough/{*path}", raw_by_path())
        .route("/v1/connections", reads(get(connections::list)).merge(manages(post(connections::create))))
        .route(
            "/v1/connections/{id}",
            reads(get(connections::get)).merge(manages(patch(connections::update).delete(connections::delete))),
        )
        .route("/v1/connections/{id}/refresh", manages(post(connections::refresh)))
        .route("/v1/connections/{id}/verify", manages(post(connections::verify)))
        .route(
            "/v1/connections/{id}/mapping",
            reads(get(mapping::get)).merge(manages(put(mapping::put).delete(mapping::delete))),
        )
        .route("/v1/connections/{id}/credentials", reads(get(exports::credentials)))
        .route("/v1/connections/{id}/events", reads(get(exports::events)))
        .route("/v1/connections/{id}/requests", reads(get(requests::list)))
        .route(
            "/v1/mapping",
            reads(get(mapping::get_tenant)).merge(manages(put(mapping::put_tenant).delete(mapping::delete_tenant))),
        )
        .route("/v1/connect/sessions", manages(post(connect::create)))
        .route("/v1/oauth-apps", reads(get(oauth_apps::list)))
        .route(
            "/v1/oauth-apps/{provider}",
            reads(get(oauth_apps::get)).merge(manages(put(oauth_apps::put).delete(oauth_apps::delete))),
        )
        .route("/v1/audit", reads(get(audit::list)))
        .route("/v1/keys", reads(get(keys::list)).merge(manages(post(keys::create))))
        .route("/v1/keys/{id}", manages(delete(keys::revoke)))
        .route("/v1/providers", reads(get(providers::list)))
        .route("/v1/providers/{name}", reads(get(providers::get)))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
}

/// What can be done with one kind of record.
fn records(
    base: &str,
    reads: impl Fn(MethodRouter<App>) -> MethodRouter<App>,
    writes: impl Fn(MethodRouter<App>) -> MethodRouter<App>,
) -> Router<App> {
    let below = |rest: &str| format!("{base}{rest}");
    Router::new()
        .route(base, reads(get(crm::list)).merge(writes(post(crm::create).put(crm::upsert))))
        // A list that is asked for in JSON.
        .route(&below("/search"), reads(post(crm::search)))
        .route(&below("/batch"), writes(post(batch::batch)))
        .route(&below("/fields"), reads(get(metadata::fields)))
        .route(&below("/{id}"), reads(get(crm::get)).merge(writes(patch(crm::update).delete(crm::delete))))
        .route(&below("/{id}/associations/{other}"), reads(get(associations::list)))
        .route(
            &below("/{id}/associations/{other}/{other_id}"),
            writes(put(associations::add).delete(associations::remove)),
        )
}

/// What needs no key: this API's description, and what customers' browsers open.
pub fn open_routes() -> Router<App> {
    let rendered = Arc::new(openapi::Rendered::default());
    let document = move |State(app): State<App>, request: Request| openapi::get(app, rendered, request);
    let pages = Arc::new(docs::Rendered::default());
    let page = move |State(app): State<App>, request: Request| docs::get(app, pages, request);
    Router::new()
        .route("/openapi.json", get(document))
        .route("/docs", get(page.clone()))
        .route("/docs/", get(page.clone()))
        .route("/docs/{page}", get(page.clone()))
        .route("/docs/api/{group}", get(page.clone()))
        .route("/docs/problems/{code}", get(page))
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
