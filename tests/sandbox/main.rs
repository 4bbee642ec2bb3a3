//! The shipped sandboxes through their front door.

mod queries;
mod records;
mod refusals;
mod serving;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::Value;

use throughline::sandbox::Sandbox;

pub fn now() -> Timestamp {
    "2026-11-02T10:00:00Z".parse().expect("a moment")
}

pub fn load(name: &str, text: &str) -> Sandbox {
    match Sandbox::load(name, text) {
        Ok(sandbox) => sandbox.with_token("secret").with_clock(now),
        Err(problems) => panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

pub async fn call(sandbox: &Sandbox, request: &str, body: Option<Value>) -> (u16, Value) {
    let response = send(sandbox, request, body, &[("authorization", "Bearer secret")]).await;
    (response.status().as_u16(), json_of(&response))
}

pub async fn send(sandbox: &Sandbox, request: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Response<Bytes> {
    let (method, target) = request.split_once(' ').expect("method and target");
    let mut builder = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    sandbox.answer(builder.body(body).expect("a request")).await
}

pub fn json_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}

/// A statement as a request's target.
pub fn query(statement: &str) -> String {
    let text: String = percent_encoding::utf8_percent_encode(statement, percent_encoding::NON_ALPHANUMERIC).collect();
    format!("GET /services/data/v64.0/query?q={text}")
}

/// The shipped sandbox with a search in JSON bodies.
pub fn searching() -> Sandbox {
    load("hubspot", include_str!("../../mappings/hubspot/sandbox.yaml")).with_limit("search", 1000)
}

/// The shipped sandbox with a query language.
pub fn querying() -> Sandbox {
    load("salesforce", include_str!("../../mappings/salesforce/sandbox.yaml"))
}
