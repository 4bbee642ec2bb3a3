//! Invented values, the same every time: a record of each model, and bodies as callers send them.

use serde_json::{Map, Value, json};

use super::served::Served;
use super::{schemas, search};
use crate::model::{Member, Members, Type};

/// The examples of a resource, by name.
pub fn of_model(served: &Served<'_>) -> Vec<(String, Value)> {
    let one = &served.one;
    let record = record(served);
    let write = write(served);
    vec![
        (one.clone(), record.clone()),
        (format!("{one}Page"), json!({"data": [short(&record)], "next_cursor": "Ad2hHLEyXZCm…"})),
        (format!("{one}Write"), write.clone()),
        (format!("{one}Change"), change(&write)),
        (format!("{one}Search"), search::example(served)),
        (format!("{one}Batch"), batch(&write)),
        (
            format!("{one}BatchResults"),
            json!({"results": [{"status": 201, "ref": "first", "data": record}, {"status": 204}]}),
        ),
    ]
}

/// The examples of everything else.
pub fn api(provider: Option<&str>) -> Vec<(&'static str, Value)> {
    let provider = provider.unwrap_or("acme");
    let connection = json!({
        "id": "conn_2DAE0vbLajIZQpupX0Cs",
        "provider": provider,
        "customer_id": "customer-7",
        "state": "active",
        "state_reason": null,
        "settings": {},
        "scopes": [],
        "last_used_at": null,
        "refreshed_at": null,
        "next_refresh_at": null,
        "last_error": null,
        "log_bodies_until": null,
        "created_at": "2026-09-01T12:00:00Z",
    });
    let key = json!({
        "id": "8fK2mQx4Lr",
        "name": "backend",
        "mode": "live",
        "scopes": ["read", "write"],
        "providers": [],
        "connections": [],
        "limits": {},
        "created_at": "2026-09-01T12:00:00Z",
        "expires_at": null,
        "revoked_at": null,
        "last_used_at": null,
    });
    let mut created = key.clone();
    if let Value::Object(members) = &mut created {
        members.insert("key".into(), "tl_live_8fK2mQx4Lr_…".into());
    }
    let app = json!({
        "provider": provider,
        "client_id": "4711",
        "redirect_uri": format!("https://crm.example.test/oauth/callback/{provider}"),
        "created_at": "2026-09-01T12:00:00Z",
        "updated_at": "2026-09-01T12:00:00Z",
    });
    vec![
        ("Connection", connection.clone()),
        ("ConnectionPage", json!({"data": [connection], "next_cursor": null})),
        (
            "NewConnection",
            json!({
                "provider": provider,
                "customer_id": "customer-7",
                "credentials": {"type": "oauth2", "access_token": "…", "refresh_token": "…", "expires_at": "2026-09-01T14:00:00Z"},
            }),
        ),
        ("Probe", json!({"works": true, "status": 200, "detail": "The provider accepts the credentials."})),
        ("ConnectionChange", json!({"paused": true})),
        (
            "NewConnectLink",
            json!({"customer_id": "customer-7", "providers": [provider], "return_url": "https://app.example.test/settings"}),
        ),
        ("ConnectLink", json!({"url": "https://crm.example.test/connect/Jx0…", "expires_at": "2026-09-01T12:30:00Z"})),
        ("OauthApp", app.clone()),
        ("OauthAppPage", json!({"data": [app], "next_cursor": null})),
        ("NewOauthApp", json!({"client_id": "4711", "client_secret": "…"})),
        (
            "EventPage",
            json!({
                "data": [{"number": 12, "at": "2026-09-01T12:00:00Z", "kind": "created", "detail": null}],
                "next_cursor": null,
            }),
        ),
        (
            "LoggedRequestPage",
            json!({
                "data": [{
                    "at": "2026-09-01T12:00:00.120Z",
                    "request_id": "req_4YkQ2v9sTzLm1aXc7RbE",
                    "trace_id": "0af7651916cd43dd8448eb211c80319c",
                    "key": "8fK2mQx4Lr",
                    "method": "GET",
                    "route": "/v1/crm/{resource}",
                    "path": null,
                    "resource": "contacts",
                    "operation": "list",
                    "status": 200,
                    "problem": null,
                    "outcome": null,
                    "attempts": 2,
                    "retries": 1,
                    "provider_statuses": [503, 200],
                    "duration_ms": {"total": 412.7, "upstream": 410.9, "quota": 0.0, "mapping": 0.9, "overhead": 1.8},
                    "bodies": null,
                }],
                "next_cursor": "4711",
            }),
        ),
        (
            "Credentials",
            json!({
                "type": "oauth2",
                "access_token": "…",
                "refresh_token": "…",
                "expires_at": "2026-09-01T14:00:00Z",
                "client_id": "4711",
            }),
        ),
        (
            "AuditPage",
            json!({
                "data": [{
                    "number": 7,
                    "at": "2026-09-01T12:00:00Z",
                    "since": "2026-09-01T11:58:10Z",
                    "actor": "8fK2mQx4Lr",
                    "action": "connection.used",
                    "connection": "conn_2DAE0vbLajIZQpupX0Cs",
                    "subject": "contacts list",
                    "outcome": "ok",
                    "count": 48,
                    "request_id": null,
                    "peer": null,
                    "detail": null,
                    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                }],
                "next_cursor": null,
            }),
        ),
        ("Key", key.clone()),
        ("KeyPage", json!({"data": [key], "next_cursor": null})),
        ("NewKey", json!({"name": "backend", "scopes": ["read", "write"]})),
        ("CreatedKey", created),
        (
            "FieldDescriptionPage",
            json!({"data": [{
                "name": "colour",
                "label": "Colour",
                "type": "choice",
                "list": false,
                "custom": true,
                "writable": true,
                "required": false,
                "options": [{"value": "green", "label": "Green"}],
            }], "next_cursor": null}),
        ),
        ("Association", json!({"id": "77", "labels": ["Employer"]})),
        ("AssociationPage", json!({"data": [{"id": "77", "labels": ["Employer"]}], "next_cursor": null})),
        ("AssociationWrite", json!({"labels": ["Employer"]})),
        (
            "CustomObjectTypePage",
            json!({
                "data": [{"name": "machines", "label": "Machine", "plural_label": "Machines", "description": null}],
                "next_cursor": null,
            }),
        ),
        ("ConnectionMapping", json!({"contacts": {"fields": {"favourite": "properties.colour"}}})),
        ("TenantMapping", json!({provider: {"contacts": {"fields": {"favourite": "properties.colour"}}}})),
    ]
}

/// A record with a value for every member.
fn record(served: &Served<'_>) -> Value {
    let mut record = object(&served.model.members, &served.model.name);
    record.insert("id".into(), text("501"));
    Value::Object(record)
}

/// What can be written of it. References are written by their ids.
fn write(served: &Served<'_>) -> Value {
    let Value::Object(mut record) = record(served) else { return Value::Null };
    let schema = schemas::writable(served);
    let open = schema.get("properties").and_then(Value::as_object);
    record.retain(|name, _| open.is_some_and(|open| open.contains_key(name)));
    record.values_mut().for_each(by_id);
    Value::Object(record)
}

fn by_id(value: &mut Value) {
    match value {
        Value::Object(members) if members.contains_key("id") => members.retain(|name, _| name == "id"),
        Value::Array(items) => items.iter_mut().for_each(by_id),
        _ => {}
    }
}

/// A few members of a record, as `fields` would pick them.
fn short(record: &Value) -> Value {
    let members = record.as_object().into_iter().flatten();
    Value::Object(members.take(6).map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Sets a text and clears another.
fn change(write: &Value) -> Value {
    let members = write.as_object().into_iter().flatten();
    let texts = members.filter(|(_, value)| value.is_string()).take(2).enumerate();
    let change = |(index, (name, value)): (usize, (&String, &Value))| {
        (name.clone(), if index == 0 { value.clone() } else { Value::Null })
    };
    Value::Object(texts.map(change).collect())
}

fn batch(write: &Value) -> Value {
    json!({"operations": [
        {"operation": "create", "ref": "first", "data": change(write)},
        {"operation": "delete", "id": "501"},
    ]})
}

/// What can hold anything is left out, except for custom fields: an example of it would say nothing.
fn object(members: &Members, of: &str) -> Map<String, Value> {
    let told = members.iter().filter(|(name, member)| member.kind != Type::Any || *name == "custom_fields");
    told.map(|(name, member)| (name.clone(), value(name, member, of))).collect()
}

fn value(name: &str, member: &Member, of: &str) -> Value {
    let one = match &member.kind {
        Type::Object(inner) => Value::Object(object(&inner.members, name)),
        Type::Enum(values) => values.first().cloned().map_or(Value::Null, Value::String),
        Type::Id => text("77"),
        Type::Text => text(&words(name, of)),
        Type::Integer => json!(48),
        Type::Number => json!(50),
        Type::Decimal => text("12500.10"),
        Type::Boolean => json!(name == "primary"),
        Type::Date => text("2026-10-01"),
        Type::DateTime if name == "created_at" => text("2026-03-02T08:15:30Z"),
        Type::DateTime => text("2026-09-01T12:00:00Z"),
        Type::Any => json!({"favourite_colour": "green"}),
    };
    if member.list { json!([one]) } else { one }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A text for a member; one that says nothing special is called by its name.
fn words(name: &str, of: &str) -> String {
    let known = match (of, name) {
        ("emails" | "urls" | "phones", "type") => "work",
        ("addresses", "type") => "mailing",
        ("contact" | "lead" | "user" | "contacts" | "owner" | "attendees", "name") => "Ada Byron",
        ("company", "name") => "Analytical Engines",
        ("deal", "name") => "Looms for the mill",
        ("pipeline" | "stage", "name") => "Sales",
        (_, "first_name") => "Ada",
        (_, "last_name") => "Byron",
        (_, "middle_name") => "Augusta",
        (_, "salutation") => "Ms",
        (_, "title") => "Analyst",
        (_, "department") => "Research",
        (_, "industry") => "Weaving",
        (_, "lead_source") => "Fair",
        (_, "tags") => "vip",
        (_, "state") => "England",
        (_, "description") => "Met at the fair.",
        (_, "email") => "ada@example.test",
        (_, "number") => "+44 20 7946 0100",
        (_, "street") => "12 St James's Square",
        (_, "city") => "London",
        (_, "postal_code") => "SW1Y 4JH",
        (_, "country") => "United Kingdom",
        (_, "currency") => "EUR",
        (_, "language") => "en",
        (_, "domain") => "example.test",
        (_, "url" | "website") => "https://example.test",
        _ => return spaced(name),
    };
    known.to_owned()
}

fn spaced(name: &str) -> String {
    let mut letters = name.chars().map(|letter| if letter == '_' { ' ' } else { letter });
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
