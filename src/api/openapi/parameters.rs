//! What a caller can say beside a body: query parameters, which follow from the resource, and headers.

use serde_json::{Map, Value, json};

use super::operation::reference;
use super::served::{Served, listed};
use crate::catalog::{ANY_CUSTOM, FilterCoverage};
use crate::model::{FilterOp, Members};

/// The name of a custom field.
pub const CUSTOM_NAME: &str = "^custom_fields\\..+";

/// Parameters that are the same everywhere.
pub fn shared() -> Map<String, Value> {
    let header = |name: &str, about: &str, example: &str| json!({"name": name, "in": "header", "description": about, "schema": {"type": "string"}, "example": example});
    let shared = json!({
        "Connection": header(
            "Throughline-Connection",
            "The connection that the request goes through. Needed unless `Throughline-Customer` is sent or the key is limited to one connection.",
            "conn_2DAE0vbLajIZQpupX0Cs",
        ),
        "Customer": header(
            "Throughline-Customer",
            "Your own id of the customer whose connection is meant, instead of `Throughline-Connection`.",
            "customer-7",
        ),
        "ProviderName": header(
            "Throughline-Provider",
            "The provider, for a customer who has connections to several.",
            "acme",
        ),
        "Prefer": header(
            "Prefer",
            "`wait=N`: seconds that the caller waits, from 1 to 120 (30 without it). `return=minimal`, on writes: the answer holds the id only, and the record is not read back.",
            "wait=10",
        ),
        "IdempotencyKey": header(
            "Idempotency-Key",
            "The caller's own name of this write: 1 to 255 visible ASCII characters, in quotes or without. Sent again under the same key, the write is not done again and the first answer is given once more, with `Idempotency-Replayed: true`. While the first request is running the answer is 409 `idempotency-in-flight`, of another request under the key 422 `idempotency-mismatch`, and 409 `outcome-unknown` if nobody knows what became of the first one: look (`probe` may say where), and send a new key. What was not executed may be sent again under its key. Keys belong to connection, method and path, and are remembered for a day. Reads ignore the header, with a warning.",
            "order-4711",
        ),
        "IfMatch": header(
            "If-Match",
            "The `ETag` that the record must still have, or `*`. Refused with 400 `unsupported-precondition` where the provider has no versions of these records.",
            "\"4372108\"",
        ),
        "CacheControl": header(
            "Cache-Control",
            "On reads. `no-cache`: what the provider says now; `max-age=N`: an answer at most so many seconds old; `min-fresh=N`, `max-stale=N`; `no-store`: the answer is not kept; `only-if-cached`: 504 `not-cached` unless there is a kept one. Without a rule of the deployment nothing is kept. Other directives are ignored.",
            "no-cache",
        ),
        "IfNoneMatch": header(
            "If-None-Match",
            "Weak `ETag`s that the caller has, or `*`: 304 instead of an answer that it has. A provider's version (a strong tag) always gets the whole answer, since the mapping of the record may have changed.",
            "W/\"uBm5kYp0rXq1fFzN8sJvTw\"",
        ),
        "RequestId": header("X-Request-Id", "An id for this request: at most 128 printable ASCII characters.", "order-4711"),
        "Limit": {
            "name": "limit",
            "in": "query",
            "description": "Records on the page. What is more than the provider gives is cut down, with the warning `limit-reduced`.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 10_000},
        },
        "Cursor": {
            "name": "cursor",
            "in": "query",
            "description": "`next_cursor` of the page before. It brings its query along: send it alone, or with the same parameters. Good for 24 hours.",
            "schema": {"type": "string"},
        },
        "Include": {
            "name": "include",
            "in": "query",
            "description": "`raw`: each record also holds what the provider sent, as `raw`.",
            "schema": {"type": "string", "enum": ["raw"]},
        },
    });
    match shared {
        Value::Object(shared) => shared,
        _ => Map::new(),
    }
}

fn shared_ones(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| reference("parameters", name)).collect()
}

/// Headers of every request that goes through a connection.
pub fn connected() -> Vec<Value> {
    shared_ones(&["Connection", "Customer", "ProviderName", "Prefer", "RequestId"])
}

/// Of reads that go through a connection.
pub fn read() -> Vec<Value> {
    connected().into_iter().chain(shared_ones(&["CacheControl", "IfNoneMatch"])).collect()
}

/// Of reads that no cache on the way may answer.
pub fn searched() -> Vec<Value> {
    connected().into_iter().chain(shared_ones(&["CacheControl"])).collect()
}

/// Of writes that go through a connection.
pub fn written() -> Vec<Value> {
    connected().into_iter().chain(keyed()).collect()
}

/// Of writes to a record that is there.
pub fn rewritten() -> Vec<Value> {
    written().into_iter().chain(shared_ones(&["IfMatch"])).collect()
}

/// Of writes that may happen once.
pub fn keyed() -> Vec<Value> {
    shared_ones(&["IdempotencyKey"])
}

/// Of routes that name the connection in their path.
pub fn patient() -> Vec<Value> {
    shared_ones(&["Prefer", "RequestId"])
}

/// Of routes that need none.
pub fn plain() -> Vec<Value> {
    shared_ones(&["RequestId"])
}

pub fn paged() -> Vec<Value> {
    shared_ones(&["Limit", "Cursor"])
}

/// What of a record the answer holds.
pub fn record(served: &Served<'_>) -> Vec<Value> {
    let mut parameters = vec![
        json!({
            "name": "fields",
            "in": "query",
            "description": "The members that the answer holds, by dotted path; all of them without it. `id`, `created_at` and `updated_at` are always there.",
            "style": "form",
            "explode": false,
            "schema": {"type": "array", "items": field(served)},
        }),
        reference("parameters", "Include"),
    ];
    let references = expandable(served);
    if !references.is_empty() {
        parameters.push(json!({
            "name": "expand",
            "in": "query",
            "description": "References that hold, as `record`, the whole record they lead to. Which of them can be expanded differs from provider to provider.",
            "style": "form",
            "explode": false,
            "schema": {"type": "array", "items": {"type": "string", "enum": references}},
        }));
    }
    parameters
}

/// Members that lead to records of another resource.
pub fn expandable<'a>(served: &Served<'a>) -> Vec<&'a str> {
    let references = served.model.members.iter().filter(|(_, member)| member.refers.is_some());
    references.map(|(name, _)| name.as_str()).collect()
}

/// The name of a member, as `fields` takes it.
pub fn field(served: &Served<'_>) -> Value {
    reference("schemas", &format!("{}Field", served.one))
}

/// Its schema: a dotted path of the model, or of a field beyond it.
pub fn field_name(members: &Members) -> Value {
    let mut paths = Vec::new();
    collect(members, "", &mut paths);
    json!({"anyOf": [{"type": "string", "enum": paths}, {"type": "string", "pattern": CUSTOM_NAME}]})
}

fn collect(members: &Members, base: &str, paths: &mut Vec<String>) {
    for (name, member) in members {
        let path = format!("{base}{name}");
        paths.push(path.clone());
        if let Some(inner) = member.kind.members() {
            collect(inner, &format!("{path}."), paths);
        }
    }
}

/// What a list can be asked for: pages, order, text, filters. What only some providers take says so.
pub fn list(served: &Served<'_>) -> Vec<Value> {
    let mut parameters = paged();
    parameters.extend(record(served));
    let sorts = served.sorts();
    if !sorts.is_empty() {
        let about = "Fields to sort by, the most important one first; `-` before a name turns its order round.";
        parameters.push(json!({
            "name": "sort",
            "in": "query",
            "description": about,
            "style": "form",
            "explode": false,
            "schema": {"type": "array", "items": {"type": "string", "enum": both_ways(&sorts)}},
        }));
    }
    let searching = served.with(|resource| resource.q);
    if !searching.is_empty() {
        parameters.push(json!({
            "name": "q",
            "in": "query",
            "description": format!("Free text. Taken by {}.", listed(&searching)),
            "schema": {"type": "string"},
        }));
    }
    let filters = served.filters().into_iter().filter(|(name, _)| *name != ANY_CUSTOM);
    parameters.extend(filters.map(|(name, op)| filter(served, name, op)));
    parameters
}

/// On the filters that a document cannot list, since they have an account's own names.
pub fn custom_filters(served: &Served<'_>) -> String {
    let ops: Vec<&str> = served.custom_filters().map(FilterOp::as_str).collect();
    let by = served.with(|resource| resource.filters.contains_key(ANY_CUSTOM));
    if by.is_empty() {
        return String::new();
    }
    format!(
        "Custom fields are filters, too: `filter[custom_fields.name][op]`, with {}. Taken by {}.",
        listed(&ops),
        listed(&by)
    )
}

/// Each name, and each name downwards.
pub fn both_ways(sorts: &[&str]) -> Vec<String> {
    sorts.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]).collect()
}

fn filter(served: &Served<'_>, name: &str, op: FilterOp) -> Value {
    let takes = |filter: &FilterCoverage| filter.operators.contains(&op);
    let by = served.with(|resource| resource.filters.get(name).is_some_and(takes));
    let short = if op == FilterOp::Eq { format!(" Also written `filter[{name}]`.") } else { String::new() };
    let commas = if op == FilterOp::In { " A comma within a value is written `\\,`." } else { "" };
    let mut parameter = json!({
        "name": format!("filter[{name}][{}]", op.as_str()),
        "in": "query",
        "description": format!("{} Taken by {}.{short}{commas}", meaning(name, op), listed(&by)),
        "schema": filter_value(served, name, op),
        "x-taken-by": by,
    });
    if let (Value::Object(parameter), FilterOp::In) = (&mut parameter, op) {
        parameter.insert("style".into(), "form".into());
        parameter.insert("explode".into(), false.into());
    }
    parameter
}

/// The schema of what a filter compares with.
pub fn filter_value(served: &Served<'_>, name: &str, op: FilterOp) -> Value {
    match op {
        FilterOp::Exists => json!({"type": "boolean"}),
        FilterOp::Contains | FilterOp::StartsWith => json!({"type": "string"}),
        FilterOp::In => json!({"type": "array", "items": one_value(served, name)}),
        _ => one_value(served, name),
    }
}

fn one_value(served: &Served<'_>, name: &str) -> Value {
    let mut values: Vec<&str> = Vec::new();
    for value in served.filter(name).flat_map(|filter| &filter.values) {
        if !values.contains(&value.as_str()) {
            values.push(value);
        }
    }
    if !values.is_empty() {
        return json!({"type": "string", "enum": values});
    }
    match served.filter(name).next().map_or("string", |filter| filter.r#type) {
        kind @ ("integer" | "number" | "boolean") => json!({"type": kind}),
        format @ ("id" | "decimal" | "date" | "date-time") => json!({"type": "string", "format": format}),
        _ => json!({"type": "string"}),
    }
}

fn meaning(name: &str, op: FilterOp) -> String {
    match op {
        FilterOp::Eq => format!("`{name}` is this."),
        FilterOp::Ne => format!("`{name}` is not this."),
        FilterOp::Gt => format!("`{name}` is after or above this."),
        FilterOp::Gte => format!("`{name}` is this, or after or above it."),
        FilterOp::Lt => format!("`{name}` is before or below this."),
        FilterOp::Lte => format!("`{name}` is this, or before or below it."),
        FilterOp::In => format!("`{name}` is one of these."),
        FilterOp::Contains => format!("`{name}` holds this text."),
        FilterOp::StartsWith => format!("`{name}` begins with this text."),
        FilterOp::Exists => format!("Whether `{name}` has a value."),
    }
}
