//! Runs one example through the real unified stage, with a vendor that plays the example's exchanges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::difference::{difference, sides};
use super::example::{Example, Exchange, ItemSpec};
use crate::catalog::{Catalog, Count, Provider, nearest};
use crate::connections::{Connection, ConnectionId, State, TenantId};
use crate::error::{Error, Kind};
use crate::model::Operation;
use crate::net::{Body, collect_capped};
use crate::unified::{
    Asked, Call, Continuation, Item, Object, Other, Position, Precondition, Reply, Translate, list_variant,
};
use crate::upstream;

/// What an example's call became: each difference from what it says, in words.
pub async fn rehearse(catalog: &Catalog, provider: &str, example: &Example) -> Vec<String> {
    let call = match prepare(catalog, provider, example) {
        Ok(call) => call,
        Err(error) => return compare(example, Err(error)),
    };
    let vendor = Vendor(Arc::new(Script { exchanges: example.exchanges.clone(), seen: Mutex::default() }));
    let service = upstream::Service::new(vendor.clone());
    let outcome = Translate::new(service).oneshot(call).await;
    let mut differences = vendor.differences();
    differences.extend(compare(example, outcome));
    differences
}

/// The time in examples.
const NOW: &str = "2026-09-15T12:00:00Z";

/// The call that an example describes, as the API would make it.
pub fn prepare(catalog: &Catalog, provider: &str, example: &Example) -> Result<Call, Error> {
    let known = catalog.provider(provider);
    let provider = known.ok_or_else(|| unknown("provider", provider, catalog.provider_names()))?.clone();
    let names = || provider.resources.keys().map(String::as_str);
    let resource = provider.resource(&example.resource);
    let resource = resource.ok_or_else(|| unknown("resource", &example.resource, names()))?.clone();
    let operations = || Operation::ALL.into_iter().map(Operation::as_str);
    let operation = Operation::parse(&example.operation);
    let operation = operation.ok_or_else(|| unknown("operation", &example.operation, operations()))?;
    let spec = &example.call;
    let mut asked = Map::new();
    let mut put = |name: &str, value: Option<Value>| value.and_then(|value| asked.insert(name.into(), value));
    put("limit", spec.limit.map(Value::from));
    put("fields", spec.fields.clone().map(Value::from));
    put("sort", spec.sort.clone().map(Value::from));
    put("q", spec.q.clone().map(Value::from));
    put("include", spec.include.clone().map(Value::from));
    put("expand", spec.expand.clone().map(Value::from));
    put("filter", (!spec.filter.is_empty()).then(|| Value::Object(spec.filter.clone())));
    let query = Asked::json(&resource.model, &asked)?.query;
    let settings = provider.check_settings(&example.settings).map_err(|violations| {
        Error::new(Kind::ValidationFailed, "The example's settings are not valid.").violations(violations)
    })?;
    let connection = Arc::new(connection(&provider, settings));
    let deadline = Instant::now() + Duration::from_secs(30);
    let other =
        spec.other.clone().map(|resource| Other { resource, id: spec.other_id.clone(), labels: spec.labels.clone() });
    let items = spec.operations.iter().map(item).collect::<Result<_, _>>()?;
    let mut call = Call {
        object: spec.object.clone().map(Object::Named),
        id: spec.id.clone(),
        by: spec.r#match.clone(),
        other,
        query,
        body: spec.body.clone(),
        items,
        precondition: spec.if_version.as_deref().map(|version| match version {
            "*" => Precondition::Exists,
            version => Precondition::Version(version.to_owned()),
        }),
        minimal: spec.minimal,
        now: NOW.parse().map_err(Error::internal)?,
        ..Call::new(connection, provider, resource, operation, deadline)
    };
    if let Some(at) = &spec.at {
        let variant = spec.variant.or_else(|| list_variant(&call)).unwrap_or_default();
        let count = call.resource.variants(Operation::List).get(variant).and_then(|variant| variant.next.count);
        call.from = Some(Continuation { variant, position: position(at, count) });
    }
    Ok(call)
}

fn unknown<'k>(what: &str, name: &str, known: impl Iterator<Item = &'k str>) -> Error {
    let known: Vec<&str> = known.collect();
    let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Error::new(Kind::InvalidRequest, format!("There is no {what} {name:?}{near} Known: {}.", known.join(", ")))
}

fn item(spec: &ItemSpec) -> Result<Item, Error> {
    let operation = Operation::parse(&spec.operation);
    let unknown = || Error::new(Kind::InvalidRequest, format!("{:?} is not an operation.", spec.operation));
    Ok(Item {
        operation: operation.ok_or_else(unknown)?,
        id: spec.id.clone(),
        by: spec.r#match.clone(),
        body: spec.data.clone(),
    })
}

/// A list is keyset values, a number counts rows or pages where the variant counts; else it is the vendor's cursor.
fn position(at: &Value, count: Option<Count>) -> Position {
    match (at, at.as_u64(), count) {
        (Value::Array(keys), ..) => Position::Keys(keys.clone()),
        (_, Some(rows), Some(Count::Rows(_))) => Position::Offset(rows),
        (_, Some(page), Some(Count::Pages(_))) => Position::Page(page),
        _ => serde_json::from_value(at.clone()).unwrap_or_else(|_| Position::Cursor(at.clone())),
    }
}

fn connection(provider: &Provider, settings: Map<String, Value>) -> Connection {
    Connection {
        id: ConnectionId("conn_example".into()),
        tenant: TenantId("example".into()),
        provider: provider.name.clone(),
        customer_id: "example".into(),
        state: State::Active,
        state_reason: None,
        settings,
        scopes: Vec::new(),
        last_error: None,
        log_bodies_until: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// Plays the exchanges in order and notes what was asked otherwise.
#[derive(Clone)]
struct Vendor(Arc<Script>);

struct Script {
    exchanges: Vec<Exchange>,
    /// How many exchanges were asked for, and what differed.
    seen: Mutex<(usize, Vec<String>)>,
}

impl Vendor {
    fn differences(&self) -> Vec<String> {
        let (count, mut differences) = self.0.seen.lock().clone();
        if count < self.0.exchanges.len() {
            let next = self.0.exchanges.get(count).map(|exchange| &exchange.request);
            let next = next.map(|next| format!("; {} {} was not asked for", next.method, next.url)).unwrap_or_default();
            differences.push(format!("{} of {} exchanges happened{next}", count, self.0.exchanges.len()));
        }
        differences
    }
}

impl Service<upstream::Request> for Vendor {
    type Response = upstream::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<upstream::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: upstream::Request) -> Self::Future {
        let script = self.0.clone();
        Box::pin(async move {
            let index = {
                let mut seen = script.seen.lock();
                seen.0 += 1;
                seen.0 - 1
            };
            let Some(exchange) = script.exchanges.get(index) else {
                let text = format!("unexpected request {} {}", request.method, request.path_and_query);
                script.seen.lock().1.push(text);
                return Err(Error::new(Kind::ProviderUnavailable, "The example has no such exchange."));
            };
            let body = match request.body.try_clone() {
                Some(body) => collect_capped(body, usize::MAX, Duration::from_secs(1)).await.unwrap_or_default(),
                None => Default::default(),
            };
            let differences = request_differences(index, exchange, &request, &body);
            script.seen.lock().1.extend(differences);
            answer(exchange, &request)
        })
    }
}

fn answer(exchange: &Exchange, request: &upstream::Request) -> Result<upstream::Response, Error> {
    let spec = &exchange.response;
    let status = StatusCode::from_u16(spec.status).map_err(Error::internal)?;
    let mut headers = HeaderMap::new();
    let body = match &spec.body {
        None => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(json) => {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            serde_json::to_vec(json).map_err(Error::internal)?
        }
    };
    for (name, value) in &spec.headers {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let name: HeaderName = name.parse().map_err(Error::internal)?;
        headers.insert(name, HeaderValue::from_str(&value).map_err(Error::internal)?);
    }
    Ok(upstream::Response::new(status, headers, Body::full(body), request, 1))
}

fn request_differences(index: usize, exchange: &Exchange, request: &upstream::Request, body: &[u8]) -> Vec<String> {
    let spec = &exchange.request;
    let mut differences = Vec::new();
    let mut differs = |what: &str, expected: String, found: String| {
        if expected != found {
            differences.push(format!("request {}: {what}{}", index + 1, sides(&expected, &found)));
        }
    };
    differs("method", spec.method.clone(), request.method.to_string());
    let (expected, found) = (split(&spec.url), split(&request.path_and_query));
    differs("path", expected.0, found.0);
    for name in expected.1.keys().chain(found.1.keys().filter(|name| !expected.1.contains_key(*name))) {
        let show = |values: Option<&Vec<String>>| values.map_or("(absent)".into(), |values| values.join(" | "));
        differs(&format!("query parameter {name}"), show(expected.1.get(name)), show(found.1.get(name)));
    }
    for (name, value) in &spec.headers {
        let expected = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let found = request.headers.get(name.as_str()).and_then(|value| value.to_str().ok());
        differs(&format!("header {name}"), expected, found.unwrap_or("(absent)").to_owned());
    }
    let found: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let expected = spec.body.clone().unwrap_or(Value::Null);
    differences.extend(difference(&format!("request {}: body", index + 1), &expected, &found));
    differences
}

/// Path as it is, parameters decoded and in the order of their names.
fn split(url: &str) -> (String, BTreeMap<String, Vec<String>>) {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decode(name)).or_default().push(decode(value));
    }
    (path.to_owned(), parameters)
}

fn compare(example: &Example, outcome: Result<Reply, Error>) -> Vec<String> {
    match (outcome, &example.answer, &example.problem) {
        (Ok(reply), Some(expected), _) => {
            let found = shown(&reply);
            let mut differences = Vec::new();
            let warnings: Vec<Value> = expected
                .warnings
                .iter()
                .map(|warning| json!({"code": warning.code, "pointer": warning.pointer}))
                .collect();
            let status = expected.status.map(Value::from).or_else(|| found.get("status").cloned());
            if let (Some(version), Reply::Record { version: found, .. }) = (&expected.version, &reply) {
                differences.extend(difference("answer: version", &json!(version), &json!(found)));
            }
            let expected = json!({
                "status": status, "data": expected.data, "next": expected.next, "warnings": warnings,
            });
            for part in ["status", "data", "next", "warnings"] {
                let (expected, found) = (expected.get(part), found.get(part));
                let what = format!("answer: {part}");
                differences.extend(difference(&what, expected.unwrap_or(&Value::Null), found.unwrap_or(&Value::Null)));
            }
            differences
        }
        (Ok(reply), None, _) => vec![format!("it succeeded with {}", shown(&reply))],
        (Err(error), _, Some(expected)) => {
            let mut differences = Vec::new();
            let mut differs = |what: &str, expected: Option<Value>, found: Value| {
                if let Some(expected) = expected {
                    differences.extend(difference(&format!("problem: {what}"), &expected, &found));
                }
            };
            let pointers: Vec<Value> = error.get_violations().iter().map(place).collect();
            let provider = error.get_provider();
            differs("code", Some(json!(expected.code)), json!(error.kind().code()));
            differs("pointers", expected.pointers.clone().map(Value::from), Value::Array(pointers));
            differs(
                "outcome",
                expected.outcome.clone().map(Value::from),
                json!(error.get_outcome().map(|o| o.as_str())),
            );
            differs("retryable", expected.retryable.map(Value::from), json!(error.is_retryable()));
            let after = error.get_retry_after().map(|delay| delay.as_secs());
            differs("retry_after", expected.retry_after.map(Value::from), json!(after));
            if let Some(expected) = &expected.provider {
                let found = |pick: fn(&crate::error::ProviderAnswer) -> Value| provider.map_or(Value::Null, pick);
                differs("provider status", expected.status.map(Value::from), found(|answer| json!(answer.status)));
                differs("provider code", expected.code.clone().map(Value::from), found(|answer| json!(answer.code)));
                differs("provider message", expected.message.clone().map(Value::from), found(|a| json!(a.message)));
                differs("provider other_id", expected.other_id.clone().map(Value::from), found(|a| json!(a.other_id)));
            }
            differences
        }
        (Err(error), _, None) => vec![format!("it failed: {error:?}")],
    }
}

fn place(violation: &crate::error::Violation) -> Value {
    match &violation.place {
        crate::error::Place::Pointer(text) | crate::error::Place::Parameter(text) => json!(text),
    }
}

/// A reply as an example would write it.
pub fn shown(reply: &Reply) -> Value {
    let warnings: Vec<Value> =
        reply.warnings().iter().map(|warning| json!({"code": warning.code, "pointer": warning.pointer})).collect();
    match reply {
        Reply::List { records, next, .. } => {
            let next = next.as_ref().map(|next| match &next.position {
                Position::Cursor(cursor) => cursor.clone(),
                Position::Keys(keys) => Value::Array(keys.clone()),
                Position::Offset(number) | Position::Page(number) => Value::from(*number),
                other => serde_json::to_value(other).unwrap_or_default(),
            });
            json!({"status": 200, "data": records, "next": next, "warnings": warnings})
        }
        Reply::Record { record, created, .. } => {
            json!({"status": if *created { 201 } else { 200 }, "data": record, "next": null, "warnings": warnings})
        }
        // Examples are run without what keeps answers.
        Reply::Kept { .. } => Value::Null,
        Reply::Deleted => json!({"status": 204, "data": null, "next": null, "warnings": []}),
        Reply::Batch { results } => {
            let results = results.iter().map(|result| match result {
                Ok(reply) => {
                    let mut entry = shown(reply);
                    if let Value::Object(entry) = &mut entry {
                        entry.retain(|name, value| name != "next" && *value != json!([]) && !value.is_null());
                    }
                    entry
                }
                Err(error) => json!({
                    "error": error.kind().code(),
                    "outcome": error.get_outcome().map(|outcome| outcome.as_str()),
                }),
            });
            json!({"status": 200, "data": results.collect::<Vec<_>>(), "next": null, "warnings": []})
        }
    }
}
