//! Writes, whatever route they take: each runs to its end even if its caller leaves, and one that its caller has named by
//! an `Idempotency-Key` happens once. The first answer is kept and given again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::authenticate::{is_passthrough, without_keys};
use super::body::{self, MAX_BODY};
use super::callers_time::{CallersTime, over, over_meanwhile};
use super::prefer::{Prefer, selector};
use super::problem::{self, Refusal};
use super::record::RequestId;
use super::target::{caller, connection};
use crate::app::App;
use crate::auth::Scope;
use crate::connections::Connection;
use crate::error::{Error, Kind, Outcome, Violation};
use crate::idempotency::{self, Answer, Begun, Claimant, Key, Parts, Progress};
use crate::upstream::Throttled;

/// The largest body of a raw write with a key, which is read whole before anything is sent. Bytes.
const MAX_RAW: usize = 8 * 1024 * 1024;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const WARNING: HeaderName = HeaderName::from_static("throughline-warning");

/// What a route does with an `Idempotency-Key`, and whether it outlives its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Changes nothing: a key says nothing that is not true anyway.
    Read,
    /// A write of a connection.
    Write,
    /// A vendor's own API: a write unless its method says otherwise, and then the vendor gets the header as it is.
    Raw,
    /// A write of ours, which is not kept.
    Management,
}

impl Guard {
    /// Lays the guard over methods of a route.
    pub fn over(self, methods: MethodRouter<App>, app: &App) -> MethodRouter<App> {
        let layer = middleware::from_fn_with_state((app.clone(), self), guard_writes);
        match self {
            // Whatever the method: there is none that the route does not take.
            Guard::Raw => methods.layer(layer),
            // What the route does not take is refused by the router, which knows what it does.
            Guard::Read | Guard::Write | Guard::Management => methods.route_layer(layer),
        }
    }
}

/// Runs a route's handler for as long as its caller waits. What of it is dropped then is a write that nobody waits for any
/// more: it goes on if it has begun, and is given up if it has not.
async fn guard_writes(State((app, guard)): State<(App, Guard)>, mut request: Request, next: Next) -> Response {
    let time = CallersTime::within(request.extensions(), request.headers());
    let key = Key::of(request.headers());
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // What a key of a raw read says is the vendor's to know.
    if guard == Guard::Raw && safe || guard == Guard::Read && matches!(key, Ok(None)) {
        return time.cut(next.run(request)).await.unwrap_or_else(|| refused(over(false)));
    }
    let key = match key {
        Ok(key) => key,
        Err(error) => return refused(error),
    };
    let progress = Progress::default();
    request.extensions_mut().insert(progress.clone());
    if let Some(response) = time.cut(guarded(app, guard, request, next, key.clone(), progress.clone())).await {
        return response;
    }
    refused(match (guard, progress.has_begun()) {
        (_, false) => over(guard != Guard::Read),
        (Guard::Management, true) => over_meanwhile(Kind::Overloaded),
        (_, true) => {
            let error = over_meanwhile(Kind::OutcomeUnknown);
            // Under its key the answer will be found.
            match key {
                Some(key) => error.idempotency_key(&key.0).retryable(true),
                None => error,
            }
        }
    })
}

async fn guarded(
    app: App,
    guard: Guard,
    request: Request,
    next: Next,
    key: Option<Key>,
    progress: Progress,
) -> Response {
    let most = match (guard, &key) {
        (Guard::Write, _) => MAX_BODY,
        (Guard::Raw, _) => MAX_RAW,
        (Guard::Management, Some(_)) => return refused(no_key_here()),
        (Guard::Management, None) => {
            // What it has done when it is cut off only the store knows.
            progress.begin();
            return next.run(request).await;
        }
        (Guard::Read, _) => {
            let mut response = next.run(request).await;
            add_warning(response.headers_mut(), "ignored-header;header=\"Idempotency-Key\"");
            return response;
        }
    };
    let work = match key {
        None => handled(next, request, progress.clone()).boxed(),
        Some(key) => once(app.clone(), next, request, key, most, progress.clone()).boxed(),
    };
    app.shield.run(progress.clone(), alone(app.clone(), progress, work)).await
}

/// A write with a key, from the claim to the end that is written down. As a whole it is cancelled by nobody: a claim
/// that has been made is always settled.
async fn once(app: App, next: Next, request: Request, key: Key, most: usize, progress: Progress) -> Response {
    let (request, claimant) = match begin(&app, request, &key, most).await {
        Ok(Started::New(started)) => *started,
        Ok(Started::Replay(answer)) => return replay(answer),
        Err(error) => return refused(error),
    };
    let id = request.extensions().get::<RequestId>().cloned();
    let response = with_key(handled(next, request, progress.clone()).await, &key, &progress);
    settle(response, claimant, app.idempotency.keeps_bodies(), id).await
}

/// The handler's answer, whatever happens to it. Its caller's leaving before anything was sent ends it.
async fn handled(next: Next, request: Request, progress: Progress) -> Response {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    tokio::select! {
        biased;
        response = answered => response.unwrap_or_else(problem::panicked),
        () = progress.given_up() => {
            refused(Error::new(Kind::InvalidRequest, "The caller left.").outcome(Outcome::NotExecuted))
        }
    }
}

/// Runs a write, and tells of its end if nobody else is there to hear of it.
async fn alone(app: App, progress: Progress, work: impl Future<Output = Response>) -> Response {
    let response = with_outcome(work.await, &progress);
    if progress.is_alone() {
        let status = response.status();
        let error = response.extensions().get::<Arc<Error>>();
        let outcome = match error.and_then(|error| error.get_outcome()) {
            Some(outcome) => outcome,
            None if status.is_server_error() => Outcome::Unknown,
            None if status.is_client_error() => Outcome::NotExecuted,
            None => Outcome::Executed,
        };
        app.metrics.write_finished_alone(outcome);
        tracing::info!(status = status.as_u16(), outcome = outcome.as_str(), "a write was finished without its caller");
    }
    response
}

enum Started {
    New(Box<(Request, Claimant)>),
    Replay(Answer),
}

/// Reads the request whole and claims it.
async fn begin(app: &App, request: Request, key: &Key, most: usize) -> Result<Started, Error> {
    let not_executed = |error: Error| error.outcome(Outcome::NotExecuted);
    let (parts, body) = request.into_parts();
    // An answer is given again to those only who might have asked for it.
    let scopes: &[Scope] = match is_passthrough(parts.uri.path()) {
        true => &[Scope::Passthrough, Scope::Write],
        // Which scope a batch needs stands in its body.
        false if parts.uri.path().ends_with("/batch") => &[Scope::Read],
        false => &[Scope::Write],
    };
    let known = caller(&parts).map_err(not_executed)?;
    scopes.iter().try_for_each(|scope| known.require(*scope)).map_err(not_executed)?;
    let connection = meant(app, &parts).await.map_err(not_executed)?;
    let minimal = Prefer::of(&parts).map_err(not_executed)?.minimal;
    let time = CallersTime::within(&parts.extensions, &parts.headers);
    // The caller waits from here on; the store's time with the claim is a part of it.
    time.stop();
    let body = body::bytes(&parts, body, most).await;
    time.begin();
    let body = body?;
    let query = parts.uri.query().map(without_keys).unwrap_or_default();
    let asked = Parts {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: &query,
        headers: &parts.headers,
        minimal,
        body: &body,
    };
    Ok(match app.idempotency.begin(&connection, key, &asked, time.ends()).await? {
        Begun::New(claimant) => Started::New(Box::new((Request::from_parts(parts, Body::from(body)), claimant))),
        Begun::Replay(answer) => Started::Replay(answer),
    })
}

/// The connection that the request means. Found in memory, as the handler will find it again.
async fn meant(app: &App, parts: &http::request::Parts) -> Result<Arc<Connection>, Error> {
    let mut selector = selector(&parts.headers)?;
    if let Some(id) = id_in_path(parts.uri.path()) {
        selector.connection = Some(id);
    }
    connection(app, parts, &selector).await
}

/// `/v1/connections/{id}/passthrough/…`
fn id_in_path(path: &str) -> Option<String> {
    let (id, _) = path.strip_prefix("/v1/connections/")?.split_once('/')?;
    Some(percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned())
}

/// Every failed write says what became of it: where nobody said, it was not executed if nothing was sent.
fn with_outcome(mut response: Response, progress: &Progress) -> Response {
    let Some(error) = response.extensions().get::<Arc<Error>>() else { return response };
    if error.get_outcome().is_none() {
        let error = match progress.has_begun() {
            true => Error::clone(error).outcome(Outcome::Unknown).retryable(false),
            false => Error::clone(error).outcome(Outcome::NotExecuted),
        };
        response.extensions_mut().insert(Arc::new(error));
    }
    response
}

/// The same, and a failure whose outcome is not known repeats the key.
fn with_key(response: Response, key: &Key, progress: &Progress) -> Response {
    let mut response = with_outcome(response, progress);
    let error = response.extensions().get::<Arc<Error>>();
    if let Some(error) = error.filter(|error| error.get_outcome() == Some(Outcome::Unknown)) {
        let error = Error::clone(error).idempotency_key(&key.0);
        response.extensions_mut().insert(Arc::new(error));
    }
    response
}

/// Writes down how a write ended, and answers.
async fn settle(response: Response, claimant: Claimant, keeps_bodies: bool, id: Option<RequestId>) -> Response {
    let error = response.extensions().get::<Arc<Error>>().cloned();
    match end_of(&response, error.as_deref()) {
        End::NotExecuted => {
            claimant.not_executed().await;
            response
        }
        End::Unknown => {
            claimant.unknown(error.as_ref().and_then(|error| error.get_probe())).await;
            response
        }
        End::Kept => {
            let (mut parts, body) = response.into_parts();
            // The document as it will be written at the edge.
            if let Some(error) = &error {
                let mut written = Response::new(Body::empty());
                problem::write(&mut written, error, id.as_ref().map_or("", |id| &id.0));
                parts.headers.extend(written.headers().clone());
                let bytes = written.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                claimant.done(&kept(&parts, Some(&bytes), keeps_bodies, Some(error))).await;
                return Response::from_parts(parts, body);
            }
            match read(body).await {
                Read::Whole(bytes) => {
                    claimant.done(&kept(&parts, Some(&bytes), keeps_bodies, None)).await;
                    Response::from_parts(parts, Body::from(bytes))
                }
                Read::Large(body) => {
                    claimant.done(&kept(&parts, None, keeps_bodies, None)).await;
                    Response::from_parts(parts, body)
                }
                Read::Broken(error) => {
                    let outcome = if parts.status.is_client_error() { Outcome::NotExecuted } else { Outcome::Executed };
                    let detail = "The provider's answer broke off before it was complete.";
                    let error = Error::new(Kind::InvalidProviderResponse, detail).outcome(outcome).caused_by(error);
                    Box::pin(settle(refused(error), claimant, keeps_bodies, id)).await
                }
            }
        }
    }
}

enum End {
    /// The same key may do it yet.
    NotExecuted,
    /// It is over, and the answer says how.
    Kept,
    Unknown,
}

fn end_of(response: &Response, error: Option<&Error>) -> End {
    let Some(error) = error else {
        let throttled = response.extensions().get::<Throttled>().is_some();
        return match response.status().as_u16() {
            // Refusals that are about something else than the request: a credential, a limit, a slow connection.
            401 | 407 | 408 | 421 | 425 | 429 => End::NotExecuted,
            _ if throttled => End::NotExecuted,
            // "The same request, but there": here nothing happened.
            307 | 308 => End::NotExecuted,
            status if status >= 500 => End::Unknown,
            _ => End::Kept,
        };
    };
    let passing = [Kind::RateLimited, Kind::QuotaExhausted, Kind::NeedsReauth, Kind::Overloaded];
    match error.get_outcome() {
        Some(Outcome::Executed) => End::Kept,
        Some(Outcome::NotExecuted) if error.get_provider().is_none() => End::NotExecuted,
        Some(Outcome::NotExecuted) if error.is_retryable() || passing.contains(&error.kind()) => End::NotExecuted,
        Some(Outcome::NotExecuted) => End::Kept,
        // Doing it twice is the same as doing it once.
        _ if error.is_retryable() => End::NotExecuted,
        _ => End::Unknown,
    }
}

enum Read {
    Whole(Bytes),
    /// More than is kept: what has been read, and then what has not.
    Large(Body),
    Broken(axum::Error),
}

/// Reads a body as far as it can be kept.
async fn read(mut body: Body) -> Read {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => read.extend_from_slice(&data),
            // Trailers.
            Ok(Err(_)) => {}
            Err(error) => return Read::Broken(error),
        }
        if read.len() > idempotency::MAX_BODY {
            let first = futures_util::stream::iter([Ok(read.freeze())]);
            return Read::Large(Body::from_stream(first.chain(body.into_data_stream())));
        }
    }
    Read::Whole(read.freeze())
}

/// What is kept of an answer; `bytes` if its body was read whole.
fn kept(
    parts: &http::response::Parts,
    bytes: Option<&Bytes>,
    keeps_bodies: bool,
    error: Option<&Arc<Error>>,
) -> Answer {
    let left = || idempotency::Body::Left {
        id: bytes.filter(|_| parts.status.is_success()).and_then(|bytes| id_of(bytes)),
        code: error.map(|error| error.kind().code().to_owned()),
        executed: error.is_none_or(|error| error.get_outcome() == Some(Outcome::Executed)),
    };
    let body = match bytes {
        Some(bytes) if bytes.len() <= idempotency::MAX_BODY && (keeps_bodies || bytes.is_empty()) => {
            idempotency::Body::Whole(bytes.clone())
        }
        _ => left(),
    };
    Answer::new(parts.status.as_u16(), &parts.headers, body)
}

/// The id of a record.
fn id_of(bytes: &[u8]) -> Option<String> {
    let record: Value = serde_json::from_slice(bytes).ok()?;
    record.get("id")?.as_str().map(str::to_owned)
}

/// The first answer once more.
fn replay(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers: Vec<_> = answer.headers().collect();
    let (mut response, is_whole) = match answer.body {
        idempotency::Body::Whole(bytes) => (Response::new(Body::from(bytes)), true),
        idempotency::Body::Left { code: Some(code), executed, .. } => {
            let outcome = if executed { Outcome::Executed } else { Outcome::NotExecuted };
            let kind = Kind::from_code(&code).unwrap_or(Kind::Conflict);
            let detail = "The first request with this Idempotency-Key got this answer; its details were not kept.";
            (refused(Error::new(kind, detail).outcome(outcome)), false)
        }
        idempotency::Body::Left { id: Some(id), .. } => (axum::Json(json!({ "id": id })).into_response(), false),
        idempotency::Body::Left { .. } => (Response::new(Body::empty()), false),
    };
    *response.status_mut() = status;
    response.headers_mut().extend(headers);
    if !is_whole {
        add_warning(response.headers_mut(), "body-not-kept");
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn add_warning(headers: &mut HeaderMap, item: &'static str) {
    headers.append(WARNING, HeaderValue::from_static(item));
}

fn refused(error: Error) -> Response {
    Refusal::from(error).into_response()
}

fn no_key_here() -> Error {
    let detail = "This route keeps no idempotency keys: sent again, the request would be done again.";
    Error::new(Kind::InvalidRequest, detail)
        .violation(Violation::parameter("Idempotency-Key", "it cannot be honoured here").expected("no such header"))
        .outcome(Outcome::NotExecuted)
}
