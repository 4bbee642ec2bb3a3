//! The operations around records: connections, keys, providers, this document.

use serde_json::{Value, json};

use super::operation::Operation;
use super::{parameters, problems};
use crate::audit::Action;

fn operation(id: &str, tag: &str, summary: &str, scopes: &str) -> Operation {
    Operation::new(id, tag, summary).about(scopes).parameters(parameters::plain())
}

const SEES: &str = "Needs one of the scopes `connect`, `admin`, `read`.";
const CONNECTS: &str = "Needs one of the scopes `connect`, `admin`.";
const ADMIN: &str = "Needs the scope `admin`.";

pub fn list_connections() -> Operation {
    let text = |name: &str, about: &str| query(name, about, json!({"type": "string"}));
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100});
    operation("listConnections", "Connections", "List connections", SEES)
        .parameter(text("provider", "Only connections to this provider."))
        .parameter(text("customer_id", "Only this customer's connections."))
        .parameter(query("limit", "Connections on the page.", limit))
        .parameter(text("cursor", "`next_cursor` of the page before."))
        .answer(200, "A page.", "ConnectionPage", "ConnectionPage", &[])
        .problems(&problems::CONNECTIONS)
}

pub fn create_connection() -> Operation {
    let replace = json!({"type": "string", "enum": ["fail", "replace"], "default": "fail"});
    operation("createConnection", "Connections", "Import a connection", CONNECTS)
        .about("A customer has one connection to a provider: another one is a conflict, unless `on_conflict` is `replace`.")
        .parameter(query("on_conflict", "Instead of the member of that name.", replace))
        .body("NewConnection", "NewConnection")
        .answer(200, "The connection there was, with its new credentials.", "Connection", "Connection", &["Location"])
        .answer(201, "The new connection.", "Connection", "Connection", &["Location"])
        .problems(&problems::NEW_CONNECTION)
}

pub fn get_connection() -> Operation {
    operation("getConnection", "Connections", "Get a connection", SEES)
        .answer(200, "The connection.", "Connection", "Connection", &[])
        .problems(&problems::CONNECTION)
}

pub fn refresh_connection() -> Operation {
    operation("refreshConnection", "Connections", "Renew a connection's tokens now", CONNECTS)
        .about("Nobody has to: tokens are renewed ahead of their end. Waits for the provider's answer.")
        .answer(200, "The connection with its new tokens.", "Connection", "Connection", &[])
        .problems(&problems::RENEWAL)
}

pub fn verify_connection() -> Operation {
    operation("verifyConnection", "Connections", "Try a connection's credentials at the provider", CONNECTS)
        .about("One harmless request of the provider's API. That it was refused is an answer, not a problem.")
        .answer(200, "What came of it.", "Probe", "Probe", &[])
        .problems(&problems::RENEWAL)
}

pub fn update_connection() -> Operation {
    operation("updateConnection", "Connections", "Pause, resume or change a connection", CONNECTS)
        .patch("ConnectionChange", "ConnectionChange")
        .answer(200, "The connection.", "Connection", "Connection", &[])
        .problems(&problems::CHANGE)
}

pub fn delete_connection() -> Operation {
    operation("deleteConnection", "Connections", "Delete a connection", CONNECTS)
        .done("It is gone, and its credentials with it.")
        .problems(&problems::CONNECTION)
}

pub fn list_audit() -> Operation {
    let text = |name: &str, about: &str| query(name, about, json!({"type": "string"}));
    let time = |name: &str, about: &str| query(name, about, json!({"type": "string", "format": "date-time"}));
    let actions: Vec<&str> = Action::all().map(Action::as_str).collect();
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100});
    operation("listAudit", "Audit", "List who did what", ADMIN)
        .about("The newest first. Calls for records and raw requests are summed up, and appear within some minutes. A key that is limited to providers or connections cannot see it.")
        .parameter(text("connection", "Only what concerns this connection."))
        .parameter(text("actor", "The id of an API key, `operator`, `customer` or `throughline`."))
        .parameter(query("action", "Only this action.", json!({"type": "string", "enum": actions})))
        .parameter(time("since", "From this time on."))
        .parameter(time("until", "Before this time."))
        .parameter(query("limit", "Rows on the page.", limit))
        .parameter(text("cursor", "`next_cursor` of the page before."))
        .answer(200, "A page.", "AuditPage", "AuditPage", &[])
        .problems(&problems::AUDIT)
}

pub fn list_keys() -> Operation {
    operation("listKeys", "Keys", "List API keys", ADMIN)
        .answer(200, "All keys of the tenant, the newest first.", "KeyPage", "KeyPage", &[])
        .problems(&problems::LOOK)
}

pub fn create_key() -> Operation {
    operation("createKey", "Keys", "Make an API key", ADMIN)
        .about("A key cannot give what it does not have itself.")
        .body("NewKey", "NewKey")
        .answer(201, "The key. Its text is shown this once.", "CreatedKey", "CreatedKey", &[])
        .problems(&problems::NEW_KEY)
}

pub fn revoke_key() -> Operation {
    operation("revokeKey", "Keys", "Revoke an API key", ADMIN)
        .done("It is not accepted any more.")
        .problems(&problems::KEY)
}

pub fn list_providers() -> Operation {
    operation("listProviders", "About", "List the providers", "Any key will do.")
        .answer(200, "The providers that the key may use.", "ProviderPage", "", &[])
        .problems(&problems::PROVIDERS)
}

pub fn get_provider() -> Operation {
    operation("getProvider", "About", "What a provider can do", "Any key will do.")
        .about("Resources, operations with what they can combine, filters, sorts, fields, page sizes, and what surprises people.")
        .answer(200, "The coverage matrix.", "Provider", "", &[])
        .problems(&problems::PROVIDER)
}

pub fn openapi() -> Operation {
    operation("getOpenapi", "About", "This document", "Needs no key.")
        .open()
        .response("200", "OpenAPI 3.1.", json!({"application/json": {"schema": {"type": "object"}}}), &[])
        .problems(&problems::OPEN)
}

fn query(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": about, "schema": schema})
}
