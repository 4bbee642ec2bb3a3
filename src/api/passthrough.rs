//! The raw route: method, path, query and body to the connection's own CRM and back, streamed, never re-serialised.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use tower::ServiceExt;

use super::authenticate::{remove_keys, without_keys};
use super::body;
use super::facts::Facts;
use super::path::Path;
use super::prefer::{Prefer, selector};
use super::problem::Refusal;
use super::shed::enter_connection;
use super::target::{caller, connection, not_executed, provider};
use crate::app::App;
use crate::auth::Scope;
use crate::connections::Selector;
use crate::error::{Error, Kind, Violation};
use crate::idempotency::Progress;
use crate::model::Priority;
use crate::net::{Body, TakenDown};
use crate::telemetry::trace::redacted_path;
use crate::telemetry::{Labels, Operation, Outcome, PASSTHROUGH, Pen, Timings};
use crate::upstream::path::passthrough_path;
use crate::upstream::{self, Effect, headers};

/// The largest upload. It is streamed, so this bounds abuse, not memory. Bytes.
const MAX_UPLOAD: usize = 5 * 1024 * 1024 * 1024;

/// Segments of the routes' own part: `/v1/passthrough` and `/v1/connections/{id}/passthrough`. They are counted rather
/// than compared, because an id may stand there in percent-encoding.
const BY_HEADER: usize = 2;
const BY_PATH: usize = 4;

const ORIGIN: HeaderName = HeaderName::from_static("throughline-origin");

/// `/v1/passthrough/…`: the connection is named by header, or is the key's only one.
pub async fn by_header(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let selector = selector(request.headers())?;
    forward(&app, request, selector, BY_HEADER).await
}

/// `/v1/connections/{id}/passthrough/…`: for clients that can set only a base URL and a key.
pub async fn by_path(
    State(app): State<App>,
    Path(place): Path<Vec<(String, String)>>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = place.into_iter().find(|(name, _)| name == "id").map(|(_, id)| id).unwrap_or_default();
    let mut selector: Selector = selector(request.headers())?;
    if selector.connection.as_ref().is_some_and(|other| *other != id) {
        let detail = "The path and the header Throughline-Connection name different connections.";
        let violation = Violation::parameter("Throughline-Connection", "another connection than the path's");
        return Err(Error::new(Kind::InvalidRequest, detail).violation(violation).into());
    }
    selector.connection = Some(id);
    forward(&app, request, selector, BY_PATH).await
}

async fn forward(app: &App, request: Request, selector: Selector, segments: usize) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let caller = caller(&parts)?;
    caller.require(Scope::Passthrough)?;
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if !reads {
        caller.require(Scope::Write)?;
    }
    // The path as it came: decoding and encoding it again would change what the vendor sees.
    let raw = behind(parts.uri.path(), segments);
    let raw = if raw.is_empty() { "/" } else { raw };
    // Before anything is refused: its owner is told of that, too.
    if let Some(facts) = parts.extensions.get::<Facts>() {
        facts.path(redacted_path(raw).into_owned());
    }
    let found = connection(app, &parts, &selector).await;
    let connection = found.map_err(|error| if reads { error } else { not_executed(error) })?;
    enter_connection(app, &parts, &connection).await?;
    let provider = provider(&app.catalog(), &connection)?;
    let target = match parts.uri.query().map(without_keys).filter(|query| !query.is_empty()) {
        Some(query) => format!("{raw}?{query}"),
        None => raw.to_owned(),
    };
    let target = passthrough_path(&target)?;
    let rules = &provider.passthrough;
    let closed_method = rules.methods.as_ref().is_some_and(|methods| !methods.contains(&parts.method));
    if closed_method || rules.denies(raw) {
        let detail = format!("{} is not open to passthrough here, or not with this method.", provider.title);
        return Err(Error::new(Kind::Forbidden, detail).into());
    }
    let prefer = Prefer::of(&parts)?;
    let timings = parts.extensions.get::<Arc<Timings>>().cloned().unwrap_or_default();
    let labels = Labels {
        provider: connection.provider.clone(),
        resource: PASSTHROUGH.into(),
        operation: if reads { Operation::Read } else { Operation::Write },
    };
    if let Some(facts) = parts.extensions.get::<Facts>() {
        facts.used(&labels.resource, labels.operation.as_str());
    }
    remove_keys(&mut parts.headers);
    let body = upload(body, body::pen(&parts));
    let guard = app.metrics.request(labels.clone(), timings.clone());
    let answer = app
        .upstream
        .clone()
        .oneshot(upstream::Request {
            connection,
            labels,
            effect: Effect::of(&parts.method),
            method: parts.method,
            path_and_query: target.into(),
            root: true,
            passthrough: true,
            headers: Arc::new(headers::passthrough_request(&parts.headers)),
            body,
            progress: parts.extensions.get::<Progress>().cloned().unwrap_or_default(),
            bulk: false,
            read: None,
            caller: caller.key_id.clone(),
            priority: prefer.priority.unwrap_or(if reads { Priority::READ } else { Priority::WRITE }),
            deadline: prefer.deadline,
            trace: timings.trace().clone(),
            timings,
        })
        .await;
    guard.finish(Outcome::of(&answer));
    let answer = answer?;
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers::passthrough_response(&answer.headers);
    response.headers_mut().insert(ORIGIN, HeaderValue::from_static("provider"));
    // Whatever its status says: it was not executed.
    if let Some(throttled) = answer.throttled {
        response.extensions_mut().insert(throttled);
    }
    *response.body_mut() = axum::body::Body::new(answer.into_stream());
    Ok(response)
}

/// The path behind its first segments, with its leading slash.
fn behind(path: &str, segments: usize) -> &str {
    path.match_indices('/').nth(segments).map_or("", |(at, _)| path.get(at..).unwrap_or_default())
}

/// An empty body is sent as none, so that a request can be resent where nothing of it was.
fn upload(body: axum::body::Body, pen: Option<Pen>) -> Body {
    if http_body::Body::is_end_stream(&body) {
        return Body::empty();
    }
    match pen {
        None => Body::streaming(http_body_util::Limited::new(body, MAX_UPLOAD)),
        Some(pen) => Body::streaming(http_body_util::Limited::new(TakenDown::new(body, pen), MAX_UPLOAD)),
    }
}
