//! The one list of routes. A route is described whether it is served or not; `on` and `off` say which, and a test holds
//! the list against the router.

use serde_json::Value;

use super::operation::Operation;
use super::served::Served;
use super::{connect, management, overrides, pages, passthrough, records, relations};

pub struct Route {
    /// Lower-case, or `any`.
    pub method: &'static str,
    /// As the router writes it.
    pub path: String,
    pub live: bool,
    pub made: Made,
}

/// How a route becomes operations of the document.
#[derive(Clone, Copy)]
pub enum Made {
    Once(fn() -> Operation),
    /// One for each resource that some provider can do it with.
    Each(fn(&Served<'_>) -> Option<Operation>),
    /// One for each method.
    Any(fn(&'static str) -> Operation),
    /// Another spelling of a route that is described.
    Alias,
}

use Made::{Alias, Any, Each, Once};

/// Method, path, whether it is served, and what it becomes.
type Line = (&'static str, &'static str, bool, Made);

/// What can be done with one kind of record, below the collections.
const RECORDS: [Line; 12] = [
    on("get", "", Each(records::list)),
    on("post", "", Each(records::create)),
    on("put", "", Each(records::upsert)),
    on("post", "/search", Each(records::search)),
    on("post", "/batch", Each(records::batch)),
    on("get", "/fields", Each(records::fields)),
    on("get", "/{id}", Each(records::get)),
    on("patch", "/{id}", Each(records::update)),
    on("delete", "/{id}", Each(records::delete)),
    on("get", "/{id}/associations/{other}", Each(relations::list)),
    on("put", "/{id}/associations/{other}/{other_id}", Each(relations::add)),
    on("delete", "/{id}/associations/{other}/{other_id}", Each(relations::remove)),
];

const OTHERS: [Line; 44] = [
    on("get", "/v1/crm/objects", Each(relations::types)),
    on("any", "/v1/passthrough", Alias),
    on("any", "/v1/passthrough/", Alias),
    on("any", "/v1/passthrough/{*path}", Any(passthrough::by_header)),
    on("any", "/v1/connections/{id}/passthrough", Alias),
    on("any", "/v1/connections/{id}/passthrough/", Alias),
    on("any", "/v1/connections/{id}/passthrough/{*path}", Any(passthrough::by_path)),
    on("get", "/v1/connections", Once(management::list_connections)),
    on("post", "/v1/connections", Once(management::create_connection)),
    on("get", "/v1/connections/{id}", Once(management::get_connection)),
    on("patch", "/v1/connections/{id}", Once(management::update_connection)),
    on("delete", "/v1/connections/{id}", Once(management::delete_connection)),
    on("post", "/v1/connections/{id}/refresh", Once(management::refresh_connection)),
    on("post", "/v1/connections/{id}/verify", Once(management::verify_connection)),
    on("get", "/v1/connections/{id}/mapping", Once(overrides::get_of_connection)),
    on("put", "/v1/connections/{id}/mapping", Once(overrides::put_of_connection)),
    on("delete", "/v1/connections/{id}/mapping", Once(overrides::delete_of_connection)),
    on("get", "/v1/connections/{id}/credentials", Once(connect::credentials)),
    on("get", "/v1/connections/{id}/events", Once(connect::events)),
    on("get", "/v1/connections/{id}/requests", Once(connect::requests)),
    on("get", "/v1/mapping", Once(overrides::get_of_tenant)),
    on("put", "/v1/mapping", Once(overrides::put_of_tenant)),
    on("delete", "/v1/mapping", Once(overrides::delete_of_tenant)),
    on("post", "/v1/connect/sessions", Once(connect::create_link)),
    on("get", "/connect/{token}", Once(connect::show)),
    on("post", "/connect/{token}", Once(connect::submit)),
    on("get", "/connect/style.css", Once(connect::style)),
    on("get", "/oauth/callback/{provider}", Once(connect::callback)),
    on("get", "/v1/oauth-apps", Once(connect::list_apps)),
    on("get", "/v1/oauth-apps/{provider}", Once(connect::get_app)),
    on("put", "/v1/oauth-apps/{provider}", Once(connect::put_app)),
    on("delete", "/v1/oauth-apps/{provider}", Once(connect::delete_app)),
    on("get", "/v1/audit", Once(management::list_audit)),
    on("get", "/v1/keys", Once(management::list_keys)),
    on("post", "/v1/keys", Once(management::create_key)),
    on("delete", "/v1/keys/{id}", Once(management::revoke_key)),
    on("get", "/v1/providers", Once(management::list_providers)),
    on("get", "/v1/providers/{name}", Once(management::get_provider)),
    on("get", "/openapi.json", Once(management::openapi)),
    on("get", "/docs", Once(pages::guide)),
    on("get", "/docs/", Alias),
    on("get", "/docs/{page}", Once(pages::page_named)),
    on("get", "/docs/api/{group}", Once(pages::group)),
    on("get", "/docs/problems/{code}", Once(pages::problem)),
];

/// All routes, in the order of the document.
pub fn routes() -> Vec<Route> {
    let collections = ["/v1/crm/{resource}", "/v1/crm/objects/{type}"];
    let records = collections.into_iter().flat_map(|base| RECORDS.into_iter().map(move |line| (base, line)));
    let lines = records.chain(OTHERS.into_iter().map(|line| ("", line)));
    lines
        .map(|(base, (method, rest, live, made))| Route { method, path: format!("{base}{rest}"), live, made })
        .collect()
}

/// The methods that a raw route is described with.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

const fn on(method: &'static str, path: &'static str, made: Made) -> Line {
    (method, path, true, made)
}

#[expect(dead_code, reason = "at present everything that is described is served")]
const fn off(method: &'static str, path: &'static str, made: Made) -> Line {
    (method, path, false, made)
}

impl Route {
    /// Path, method and operation of each entry that it makes.
    pub(super) fn operations(&self, served: &[Served<'_>]) -> Vec<(String, &'static str, Value)> {
        let path = self.path.replace("{*", "{");
        match self.made {
            Once(operation) => vec![(path.clone(), self.method, operation().into_value(&path))],
            Any(operation) => {
                METHODS.into_iter().map(|method| (path.clone(), method, operation(method).into_value(&path))).collect()
            }
            Each(operation) => {
                // Custom objects have their own collections, one a type.
                let generic = self.path.contains("{resource}");
                let here = served.iter().filter(|served| generic != served.is_objects());
                let made = here.filter_map(|served| Some((served, operation(served)?)));
                made.map(|(served, operation)| {
                    let path = path.replace("{resource}", &served.model.resource);
                    let operation = operation.into_value(&path);
                    (path, self.method, operation)
                })
                .collect()
            }
            Alias => Vec::new(),
        }
    }
}
