//! The innermost service: one attempt becomes bytes, and a failure becomes an error that says what became of the write.

use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode};
use http_body::Body as _;
use tower::Service;

use super::{Attempt, Effect, Response};
use crate::error::{Error, Kind, Origin, Outcome, Result};
use crate::net::{Body, Client, Failure, Phase, SendError};
use crate::stack::Answer;

#[derive(Clone)]
pub struct Send {
    client: Client,
}

impl Send {
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Service<Attempt> for Send {
    type Response = Response;
    type Error = Error;
    type Future = Answer<Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt) -> Answer<Response> {
        Box::pin(exchange(self.client.clone(), attempt))
    }
}

async fn exchange(client: Client, mut attempt: Attempt) -> Result<Response> {
    let (write, effect) = (attempt.request.is_write(), attempt.request.effect);
    let message = message(&mut attempt)?;
    // The last moment at which a write can still be left undone for a caller who has gone.
    if write && !attempt.request.progress.begin() {
        return Err(
            Error::new(Kind::InvalidRequest, "The caller left before anything was sent.").outcome(Outcome::NotExecuted)
        );
    }
    let answer = client.send_by(message, attempt.head_by).await.map_err(|error| failed(error, effect))?;
    if !attempt.request.passthrough && is_redirect(answer.status()) {
        return Err(redirected(answer.status(), write));
    }
    let (head, body) = answer.into_parts();
    if is_framed_twice(&head.headers) {
        // The body is dropped unread, and the connection with it: whatever follows on it cannot be trusted.
        return Err(framed_twice(head.status, write));
    }
    let generation = attempt.access.generation;
    Ok(Response::new(head.status, head.headers, Body::streaming(body), &attempt.request, generation))
}

/// A length and chunks: those who read the answer after us might believe the other one (RFC 9112 §6.3, response splitting).
fn is_framed_twice(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH)
}

fn framed_twice(status: StatusCode, write: bool) -> Error {
    let detail = "The provider's answer gives a length and comes in chunks: where it ends is not certain.";
    let error = Error::new(Kind::InvalidProviderResponse, detail);
    match status.as_u16() {
        _ if !write => error,
        200..=299 => error.outcome(Outcome::Executed),
        400..=499 => error.outcome(Outcome::NotExecuted),
        _ => error.outcome(Outcome::Unknown),
    }
}

/// 304 is an answer to a condition, not a way elsewhere.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 300 | 301 | 302 | 303 | 305 | 307 | 308)
}

fn redirected(status: StatusCode, write: bool) -> Error {
    let error = Error::new(Kind::UnexpectedRedirect, "The provider answered with a redirect, which is not followed.");
    match status {
        _ if !write => error,
        // "The same request, but there": here it was not executed. A 303 may well be the answer to an executed one.
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => error.outcome(Outcome::NotExecuted),
        _ => error.outcome(Outcome::Unknown),
    }
}

fn message(attempt: &mut Attempt) -> Result<http::Request<Body>> {
    let request = &mut attempt.request;
    let origin = &attempt.access.origin;
    let uri =
        if request.root { origin.root().uri(&request.path_and_query) } else { origin.uri(&request.path_and_query) };
    let uri =
        uri.map_err(|error| Error::new(Kind::InvalidRequest, "The path does not make a valid URL.").caused_by(error))?;
    let body = std::mem::take(&mut request.body);
    let mut message = http::Request::new(body);
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = uri;
    *message.headers_mut() = std::mem::take(&mut attempt.headers);
    // hyper frames every body but leaves an empty one unannounced, which some servers answer with 411.
    let announces = matches!(*message.method(), Method::POST | Method::PUT | Method::PATCH);
    if announces && message.body().is_end_stream() {
        message.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(message)
}

fn failed(error: SendError, effect: Effect) -> Error {
    let write = effect != Effect::None;
    let failure = error.failure();
    let sent = error.may_have_been_sent();
    let kind = match failure {
        Failure::RequestBody if error.body_too_large() => Kind::PayloadTooLarge,
        Failure::RequestBody => Kind::InvalidRequest,
        _ if write && sent => Kind::OutcomeUnknown,
        Failure::TimedOut(_) => Kind::ProviderTimeout,
        Failure::InvalidAnswer => Kind::InvalidProviderResponse,
        _ => Kind::ProviderUnavailable,
    };
    let detail = match kind {
        Kind::OutcomeUnknown => {
            format!("The request was sent but {}; whether it was executed is not known.", failure.describe())
        }
        _ => format!("The request got no answer: {}.", failure.describe()),
    };
    let mut result =
        Error::new(kind, detail).retryable(is_worth_retrying(failure) && !(effect == Effect::Once && sent));
    if write {
        result = result.outcome(if sent { Outcome::Unknown } else { Outcome::NotExecuted });
    }
    if matches!(failure, Failure::RefusedAddress | Failure::Proxy) {
        // The provider has no part in it: it is this deployment's rule, or its proxy's.
        result = result.origin(Origin::Throughline);
    }
    result.caused_by(error)
}

fn is_worth_retrying(failure: Failure) -> bool {
    match failure {
        Failure::Dns | Failure::Connect | Failure::NotSent | Failure::Broken => true,
        Failure::TimedOut(Phase::Connect | Phase::Tls | Phase::Head) => true,
        Failure::RefusedAddress | Failure::Proxy | Failure::Tls | Failure::InvalidAnswer | Failure::RequestBody => {
            false
        }
    }
}
