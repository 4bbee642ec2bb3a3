//! One request to the vendor made from a mapping, and its answer taken apart.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant as Clock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::aside::aside;
use super::write::pointer_of;
use super::{Call, Vendor};
use crate::catalog::{Answer, COMPONENT, Leaf, RequestShape, header_values};
use crate::error::{Error, Kind, Outcome, ProviderAnswer, Violation};
use crate::mapping::Vars;
use crate::net::Body;
use crate::telemetry::Labels;
use crate::upstream::{self, Effect};

/// A vendor's JSON larger than this is refused. Bytes.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// A larger answer is parsed away from the request threads. Bytes.
const LARGE: usize = 512 * 1024;
/// What of a vendor's error body a problem shows. Bytes.
const SHOWN_BODY: usize = 4 * 1024;

/// A request ready to be sent, relative to the connection's origin.
#[derive(Debug)]
pub struct Rendered {
    pub path_and_query: String,
    /// `path_and_query` is a whole path on the bare host.
    pub root: bool,
    pub headers: HeaderMap,
    pub body: Option<Value>,
}

impl Rendered {
    /// Tells requests apart.
    pub fn key(&self, shape: &RequestShape) -> String {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        format!("{} {} {body}", shape.method, self.path_and_query)
    }
}

/// A vendor's answer with its body parsed.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    /// Lower-case names; repeated headers joined by ", ".
    pub headers: Arc<Value>,
    /// Null when there was none; text when it is not JSON.
    pub body: Value,
}

impl Answered {
    pub fn vars(&self, call: &Call, scope: &Arc<Value>) -> Vars {
        Vars::none()
            .with("status", Value::from(self.status))
            .with("headers", Arc::clone(&self.headers))
            .with("call", Arc::clone(scope))
            .with("settings", call.settings())
            .styled(call.provider.styles.clone())
    }
}

/// The variables that request leaves see besides the scope's bare names.
pub fn call_vars(call: &Call) -> Vars {
    Vars::none()
        .with("now", Value::String(call.now.to_string()))
        .with("settings", call.settings())
        .styled(call.provider.styles.clone())
}

/// `default_body` is sent where the mapping says nothing of a body.
pub fn render(
    call: &Call,
    shape: &RequestShape,
    scope: &Value,
    vars: &Vars,
    default_body: Option<Value>,
) -> Result<Rendered, Error> {
    let rendered = render_any(call, shape, scope, vars, default_body)?;
    if is_too_long(call, &rendered.path_and_query) {
        return Err(Error::new(
            Kind::InvalidRequest,
            format!(
                "The request to {} would have a URL of {} characters, which is more than it takes ({}): ask for fewer fields or filter values.",
                call.provider.title,
                rendered.path_and_query.len(),
                call.provider.max_url
            ),
        ));
    }
    Ok(rendered)
}

pub fn is_too_long(call: &Call, path_and_query: &str) -> bool {
    path_and_query.len() > call.provider.max_url
}

/// The same, however long the URL is.
pub fn render_any(
    call: &Call,
    shape: &RequestShape,
    scope: &Value,
    vars: &Vars,
    default_body: Option<Value>,
) -> Result<Rendered, Error> {
    let started = Clock::now();
    let missing = |name: String| {
        Error::new(Kind::MappingFailed, format!("{}: the URL needs `{name}`, which has no value.", call.resource.name))
    };
    let mut url = shape.path.render(scope).map_err(missing)?;
    let mut separator = '?';
    for (name, leaf) in &shape.query {
        for text in query_texts(leaf, scope, vars)? {
            url.push(separator);
            url.extend(utf8_percent_encode(name, COMPONENT));
            url.push('=');
            url.extend(utf8_percent_encode(&text, COMPONENT));
            separator = '&';
        }
    }
    let body = match &shape.body {
        Some(leaf) => leaf.evaluate(scope, vars)?,
        None => default_body,
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, leaf) in call.provider.headers.iter().chain(&shape.headers) {
        if let Some(text) = leaf.text(scope, vars)? {
            headers.insert(name.clone(), header_value(name, &text)?);
        }
    }
    call.timings.add_mapping(started.elapsed());
    Ok(Rendered { path_and_query: url, root: false, headers, body })
}

/// None, one, or (for `each`) several values of one parameter.
fn query_texts<'v>(leaf: &'v Leaf, scope: &'v Value, vars: &Vars) -> Result<Vec<Cow<'v, str>>, Error> {
    let repeated = matches!(leaf, Leaf::Each(_));
    match leaf.look(scope, vars)? {
        None => Ok(Vec::new()),
        Some(Cow::Borrowed(value)) => texts_of(value, repeated, scope),
        Some(Cow::Owned(value)) => {
            let texts = texts_of(&value, repeated, scope)?;
            Ok(texts.into_iter().map(|text| Cow::Owned(text.into_owned())).collect())
        }
    }
}

fn texts_of<'v>(value: &'v Value, repeated: bool, scope: &Value) -> Result<Vec<Cow<'v, str>>, Error> {
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        value => return Ok(vec![text_of(value)]),
    };
    let texts: Vec<Cow<'v, str>> = items.iter().map(text_of).collect();
    if repeated {
        return Ok(texts);
    }
    // In a list whose entries a comma ends, a value of the caller's with a comma would be two.
    let filters = scope.get("filter");
    let of_caller = |text: &str| filters.is_some_and(|filters| holds_text(filters, text));
    if texts.iter().any(|text| text.contains(',') && of_caller(text)) {
        let detail = "A value with a comma cannot stand in a list of values at this provider.";
        return Err(Error::new(Kind::InvalidRequest, detail));
    }
    Ok(vec![Cow::Owned(texts.join(","))])
}

fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn holds_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own == text,
        Value::Array(items) => items.iter().any(|item| holds_text(item, text)),
        Value::Object(members) => members.values().any(|member| holds_text(member, text)),
        _ => false,
    }
}

fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text)
        .map_err(|_| Error::new(Kind::MappingFailed, format!("The value for the header {name} cannot be sent.")))
}

/// Sends one request and reads its answer whole.
pub async fn send(call: &Call, vendor: &Vendor, shape: &RequestShape, rendered: Rendered) -> Result<Answered, Error> {
    exchange(call, vendor, shape, rendered, false).await
}

/// The same for a request that is about several records at once.
pub async fn send_bulk(
    call: &Call,
    vendor: &Vendor,
    shape: &RequestShape,
    rendered: Rendered,
) -> Result<Answered, Error> {
    exchange(call, vendor, shape, rendered, true).await
}

async fn exchange(
    call: &Call,
    vendor: &Vendor,
    shape: &RequestShape,
    rendered: Rendered,
    bulk: bool,
) -> Result<Answered, Error> {
    let effect = match shape {
        shape if shape.safe => Effect::None,
        shape if shape.repeatable => Effect::Repeatable,
        _ => Effect::Once,
    };
    let body = match &rendered.body {
        Some(body) => Body::full(serde_json::to_vec(body).map_err(Error::internal)?),
        None => Body::empty(),
    };
    let request = upstream::Request {
        connection: call.connection.clone(),
        labels: Labels {
            provider: call.provider.name.clone(),
            resource: call.resource.name.clone(),
            operation: call.operation.into(),
        },
        method: shape.method.clone(),
        path_and_query: rendered.path_and_query.into(),
        root: rendered.root,
        passthrough: false,
        headers: Arc::new(rendered.headers),
        body,
        progress: call.progress.clone(),
        effect,
        bulk,
        read: Some(MAX_ANSWER),
        caller: call.caller.clone(),
        priority: call.priority,
        deadline: call.deadline,
        timings: call.timings.clone(),
        trace: call.trace.clone(),
    };
    let response = vendor.ask(request).await?;
    let status = response.status.as_u16();
    let headers = header_values(&response.headers);
    let executed = |error: Error| match effect != Effect::None {
        true if status < 300 => error.outcome(Outcome::Executed),
        true => error.outcome(Outcome::Unknown),
        false => error,
    };
    let bytes = response.collect(MAX_ANSWER).await.map_err(executed)?;
    let started = Clock::now();
    let bytes = bytes.into_body();
    let parsed = if bytes.len() > LARGE {
        let headers = headers.clone();
        aside(async move { parse(&bytes, status, &headers) }).await?
    } else {
        parse(&bytes, status, &headers)
    };
    let body = parsed.map_err(executed)?;
    call.timings.add_mapping(started.elapsed());
    Ok(Answered { status, headers: Arc::new(headers), body })
}

/// JSON (of a member that stands there twice the last one counts), or the text as it is when the vendor does not even claim
/// to send JSON (HTML error pages).
fn parse(bytes: &Bytes, status: u16, headers: &Value) -> Result<Value, Error> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).or_else(|error| {
        let kind = headers.get("content-type").and_then(Value::as_str).unwrap_or_default();
        if status < 300 || kind.contains("json") && status < 400 {
            return Err(Error::new(
                Kind::InvalidProviderResponse,
                format!("The provider's answer is not valid JSON: {error} (byte {}).", offset(bytes, &error)),
            ));
        }
        Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()))
    })
}

/// Where the parser stopped, counted from 0.
fn offset(bytes: &[u8], error: &serde_json::Error) -> usize {
    let before: usize =
        bytes.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + error.column()).saturating_sub(1)
}

/// What an answer that is no error means for the call.
pub enum Meaning {
    Success,
    /// Nothing found on a list.
    Empty,
}

/// Success, or the problem that the answer is.
pub fn judge(call: &Call, answer: &Answer, answered: &Answered, vars: &Vars) -> Result<Meaning, Error> {
    let list = !call.operation.is_write() && call.operation != crate::model::Operation::Get;
    if list && answer.empty.contains(&answered.status) {
        return Ok(Meaning::Empty);
    }
    let ok = match &answer.ok {
        Some(ok) => ok.holds(&answered.body, vars)?,
        None => (200..300).contains(&answered.status),
    };
    if ok {
        return Ok(Meaning::Success);
    }
    if !list && answer.absent.contains(&answered.status) {
        return Err(problem(call, answered.status, &answered.headers, &answered.body, Some(Kind::NotFound)));
    }
    // A success status that carries an error says elsewhere in its body what the error is.
    let inner = match &answer.error {
        Some(error) if answered.status < 300 => error.evaluate(&answered.body, vars)?,
        _ => None,
    };
    Err(match inner {
        Some(inner) => {
            let status = inner.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
            let body = inner.get("body").cloned().unwrap_or(Value::Null);
            problem(call, status.unwrap_or(answered.status), &answered.headers, &body, None)
        }
        None => problem(call, answered.status, &answered.headers, &answered.body, None),
    })
}

/// A vendor's error answer as a problem, of the kind that is known already or that the provider's table says.
pub fn problem(call: &Call, status: u16, headers: &Value, body: &Value, known: Option<Kind>) -> Error {
    let write = call.operation.is_write();
    let classified = call.provider.errors.classify(status, headers, body, call.operation, Timestamp::now());
    let message = classified.message.map(|message| clean(&message, 1_000));
    let title = &call.provider.title;
    let said = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    // `unauthenticated` is about the caller's own key: a refused credential of the connection has another remedy.
    let kind = match known.unwrap_or(classified.kind) {
        Kind::Unauthenticated => Kind::NeedsReauth,
        other => other,
    };
    let pointers = classified.fields.iter().map(|field| {
        Violation::at(pointer_of(&call.resource, field), message.clone().unwrap_or_else(|| "refused".into()))
    });
    let mut error = Error::new(kind, format!("{title} answered {status}{said}"))
        .violations(pointers.collect())
        .retry_after(classified.retry_after)
        .provider(ProviderAnswer {
            name: call.provider.name.to_string(),
            status,
            code: classified.code.map(|code| clean(&code, 200)),
            message,
            body: Some(shown(body)),
            other_id: classified.other_id,
        });
    if let Some(retryable) = classified.retryable {
        error = error.retryable(retryable);
    }
    if write {
        let refused = status < 500 || matches!(kind, Kind::RateLimited | Kind::QuotaExhausted);
        // A write that may have happened is never to be sent again as it is.
        error = match refused {
            true => error.outcome(Outcome::NotExecuted),
            false => error.outcome(Outcome::Unknown).retryable(false),
        };
    }
    error
}

/// Vendor text without control characters, and not endless.
fn clean(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(most).collect()
}

fn shown(body: &Value) -> Value {
    match body {
        Value::String(text) => Value::String(clean(text, SHOWN_BODY)),
        other => {
            let text = other.to_string();
            if text.len() <= SHOWN_BODY { other.clone() } else { Value::String(clean(&text, SHOWN_BODY)) }
        }
    }
}
