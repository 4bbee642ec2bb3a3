//! Errors as RFC 9457 problem documents: the only place that knows which status an error has.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::error::{Error, Kind, Origin, Place};

/// The media type of the documents.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A handler's refusal. The document is written at the edge, where the request's id is known.
pub struct Refusal {
    error: Error,
    allow: Option<HeaderValue>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, allow: None }
    }
}

impl Refusal {
    /// The methods that the route takes, for 405.
    pub fn allow(mut self, methods: &str) -> Self {
        self.allow = HeaderValue::from_str(methods).ok();
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = status_of(&self.error).into_response();
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response.extensions_mut().insert(Arc::new(self.error));
        response
    }
}

/// A handler that panicked: the caller sees a failure of ours, the log the panic's place (by the panic hook).
pub fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Refusal::from(Error::internal("a handler panicked")).into_response()
}

/// Writes the document into the answer of a refusal.
pub fn write(response: &mut Response, error: &Error, request_id: &str) {
    let document = document(error, request_id);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    headers.remove(header::CONTENT_LENGTH);
    if error.kind() == Kind::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(delay) = error.get_retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)));
    }
    *response.body_mut() = document.to_string().into();
}

/// The members of a problem, as the API documents them.
pub fn document(error: &Error, request_id: &str) -> Value {
    let kind = error.kind();
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("type", json!(format!("/docs/problems/{}", kind.code())));
    put("title", json!(kind.title()));
    put("status", json!(status_of(error).as_u16()));
    put("detail", json!(error.detail()));
    put("code", json!(kind.code()));
    put("request_id", json!(request_id));
    put("origin", json!(error.get_origin().as_str()));
    put("retryable", json!(error.is_retryable()));
    if let Some(delay) = error.get_retry_after() {
        put("retry_after", json!(delay.as_secs().max(1)));
    }
    if let Some(outcome) = error.get_outcome() {
        put("outcome", json!(outcome.as_str()));
    }
    if let Some(key) = error.get_idempotency_key() {
        put("idempotency_key", json!(key));
    }
    if let Some(probe) = error.get_probe() {
        put("probe", json!(probe));
    }
    if !error.get_violations().is_empty() {
        put("errors", error.get_violations().iter().map(violation).collect());
    }
    if !error.get_supported().is_empty() {
        put("supported", json!(error.get_supported()));
    }
    if let Some(answer) = error.get_provider() {
        put(
            "provider",
            json!({
                "name": answer.name,
                "status": answer.status,
                "code": answer.code,
                "message": answer.message,
                "other_id": answer.other_id,
                "body": answer.body,
            }),
        );
    }
    Value::Object(members)
}

fn violation(violation: &crate::error::Violation) -> Value {
    let mut members = Map::new();
    match &violation.place {
        Place::Pointer(pointer) => members.insert("pointer".into(), json!(pointer)),
        Place::Parameter(name) => members.insert("parameter".into(), json!(name)),
    };
    members.insert("detail".into(), json!(violation.detail));
    if let Some(expected) = &violation.expected {
        members.insert("expected".into(), json!(expected));
    }
    Value::Object(members)
}

/// A write that is sent again although nobody knows what became of the first one conflicts with it.
pub fn status_of(error: &Error) -> StatusCode {
    match (error.kind(), error.get_origin()) {
        (Kind::OutcomeUnknown, Origin::Caller) => StatusCode::CONFLICT,
        (kind, _) => status(kind),
    }
}

pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::InvalidRequest
        | Kind::InvalidCursor
        | Kind::UnsupportedFilter
        | Kind::UnsupportedSort
        | Kind::UnknownParameter
        | Kind::UnsupportedPrecondition => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden | Kind::MissingScope => StatusCode::FORBIDDEN,
        Kind::NotFound | Kind::ConnectionNotFound | Kind::ProviderNotFound => StatusCode::NOT_FOUND,
        Kind::UnsupportedOperation => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Conflict | Kind::Duplicate | Kind::NeedsReauth | Kind::ConnectionPaused | Kind::IdempotencyInFlight => {
            StatusCode::CONFLICT
        }
        Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Kind::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::ValidationFailed | Kind::UnknownField | Kind::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::RateLimited | Kind::QuotaExhausted => StatusCode::TOO_MANY_REQUESTS,
        Kind::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
        Kind::Internal | Kind::MappingFailed => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::ProviderUnavailable | Kind::InvalidProviderResponse | Kind::UnexpectedRedirect | Kind::OutcomeUnknown => {
            StatusCode::BAD_GATEWAY
        }
        Kind::Overloaded | Kind::CredentialRefreshPending => StatusCode::SERVICE_UNAVAILABLE,
        Kind::ProviderTimeout | Kind::NotCached => StatusCode::GATEWAY_TIMEOUT,
    }
}
