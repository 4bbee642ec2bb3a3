//! An answer as a template, and how it becomes an HTTP response.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::fault::Fault;
use super::template::Template;
use super::words::{Problems, Words};
use crate::catalog::Node;

#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: Template,
    headers: Vec<(String, Template)>,
    /// An answer without one has an empty body.
    body: Option<Template>,
}

impl Answer {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let status = words.get("status").map(Node::to_value);
        if let Some(code) = status.as_ref().and_then(Value::as_u64).filter(|code| !(200..=599).contains(code)) {
            problems.add(node, format!("{code} is no status that an answer can have"));
        }
        let answer = Self {
            status: words.template("status").unwrap_or(Template::Const(json!(200))),
            headers: words.templates("headers"),
            body: words.template("body"),
        };
        words.finish();
        answer
    }

    /// The response, without the headers that every answer has.
    pub(super) fn render(&self, scope: &Value, kind: &str) -> Result<Response<Bytes>, Fault> {
        let status = self.status.render(scope)?.and_then(|status| status.as_f64());
        let status = status.and_then(|status| StatusCode::from_u16(status as u16).ok());
        let status = status.ok_or_else(|| Fault::broken("the status of an answer is not a number".to_owned()))?;
        let body = match &self.body {
            Some(body) => body.render(scope)?.map(|body| Bytes::from(body.to_string())),
            None => None,
        };
        let mut response = Response::new(body.unwrap_or_default());
        *response.status_mut() = status;
        if !response.body().is_empty() {
            let kind = HeaderValue::from_str(kind).unwrap_or(HeaderValue::from_static("application/json"));
            response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        }
        response.headers_mut().extend(headers(&self.headers, scope)?);
        Ok(response)
    }
}

/// Headers as templates say them; those without a value are left out.
pub(super) fn headers(templates: &[(String, Template)], scope: &Value) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, value) in templates {
        let value = value.render_text(scope)?.and_then(|value| HeaderValue::from_str(&value).ok());
        if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value) {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// What is said where the file has no answer for a fault.
pub(super) fn plain(fault: &Fault, status: u16) -> Response<Bytes> {
    let body = json!({ "error": fault.name, "detail": fault.members });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
