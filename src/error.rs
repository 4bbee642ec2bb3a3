//! The one error type that crosses module borders. It says what kind of failure it is, who caused it
//! and whether the same request may be sent again. It knows no HTTP: `api::problem` turns it into an answer.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every kind of failure a caller can tell apart. The kebab-case name is part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    InvalidRequest,
    InvalidCursor,
    UnsupportedFilter,
    UnsupportedSort,
    UnknownParameter,
    UnsupportedPrecondition,
    Unauthenticated,
    Forbidden,
    MissingScope,
    NotFound,
    ConnectionNotFound,
    ProviderNotFound,
    UnsupportedOperation,
    Conflict,
    Duplicate,
    NeedsReauth,
    ConnectionPaused,
    IdempotencyInFlight,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    UnknownField,
    IdempotencyMismatch,
    RateLimited,
    QuotaExhausted,
    ExpectationFailed,
    Internal,
    MappingFailed,
    ProviderUnavailable,
    InvalidProviderResponse,
    UnexpectedRedirect,
    OutcomeUnknown,
    Overloaded,
    CredentialRefreshPending,
    ProviderTimeout,
    NotCached,
}

/// All kinds with their code and a title in words, in the order of the API documentation.
pub const KINDS: &[(Kind, &str, &str)] = &[
    (Kind::InvalidRequest, "invalid-request", "The request cannot be understood"),
    (Kind::InvalidCursor, "invalid-cursor", "The cursor cannot be used"),
    (Kind::UnsupportedFilter, "unsupported-filter", "The filter is not supported"),
    (Kind::UnsupportedSort, "unsupported-sort", "The sort is not supported"),
    (Kind::UnknownParameter, "unknown-parameter", "The query parameter is not known"),
    (Kind::UnsupportedPrecondition, "unsupported-precondition", "The precondition is not supported"),
    (Kind::Unauthenticated, "unauthenticated", "The API key is missing or not valid"),
    (Kind::Forbidden, "forbidden", "The operation is not allowed"),
    (Kind::MissingScope, "missing-scope", "A scope is missing"),
    (Kind::NotFound, "not-found", "There is no such thing"),
    (Kind::ConnectionNotFound, "connection-not-found", "There is no such connection"),
    (Kind::ProviderNotFound, "provider-not-found", "There is no such provider"),
    (Kind::UnsupportedOperation, "unsupported-operation", "The operation is not supported"),
    (Kind::Conflict, "conflict", "The request conflicts with the present state"),
    (Kind::Duplicate, "duplicate", "Such a record exists already"),
    (Kind::NeedsReauth, "needs-reauth", "The connection has to be authorised again"),
    (Kind::ConnectionPaused, "connection-paused", "The connection is paused"),
    (Kind::IdempotencyInFlight, "idempotency-in-flight", "A request with this key is still running"),
    (Kind::PreconditionFailed, "precondition-failed", "The record has changed"),
    (Kind::PayloadTooLarge, "payload-too-large", "The body is too large"),
    (Kind::UnsupportedMediaType, "unsupported-media-type", "The content type is not supported"),
    (Kind::ValidationFailed, "validation-failed", "The record is not valid"),
    (Kind::UnknownField, "unknown-field", "The field is not known"),
    (Kind::IdempotencyMismatch, "idempotency-mismatch", "The key was used for another request"),
    (Kind::RateLimited, "rate-limited", "Too many requests"),
    (Kind::QuotaExhausted, "quota-exhausted", "The quota is used up"),
    (Kind::ExpectationFailed, "expectation-failed", "The expectation cannot be met"),
    (Kind::Internal, "internal", "Something went wrong here"),
    (Kind::MappingFailed, "mapping-failed", "The mapping could not be applied"),
    (Kind::ProviderUnavailable, "provider-unavailable", "The provider cannot be reached"),
    (Kind::InvalidProviderResponse, "invalid-provider-response", "The provider's answer cannot be used"),
    (Kind::UnexpectedRedirect, "unexpected-redirect", "The provider redirected the request"),
    (Kind::OutcomeUnknown, "outcome-unknown", "It is not known whether the write was executed"),
    (Kind::Overloaded, "overloaded", "Too much work at the moment"),
    (Kind::CredentialRefreshPending, "credential-refresh-pending", "The credentials are being refreshed"),
    (Kind::ProviderTimeout, "provider-timeout", "The provider did not answer in time"),
    (Kind::NotCached, "not-cached", "No answer is kept"),
];

impl Kind {
    /// The code in `type` and `code` of a problem, for example `unsupported-filter`.
    pub fn code(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("internal", |(_, code, _)| code)
    }

    pub fn title(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(.., title)| title)
    }

    /// The kind with this code; `None` for a word that is not one (mapping files name kinds by code).
    pub fn from_code(code: &str) -> Option<Self> {
        KINDS.iter().find(|(_, known, _)| *known == code).map(|(kind, ..)| *kind)
    }

    /// Whose fault a failure of this kind is unless the error says otherwise.
    fn origin(self) -> Origin {
        match self {
            Kind::Internal | Kind::MappingFailed | Kind::Overloaded | Kind::CredentialRefreshPending => {
                Origin::Throughline
            }
            Kind::ProviderUnavailable
            | Kind::InvalidProviderResponse
            | Kind::UnexpectedRedirect
            | Kind::OutcomeUnknown
            | Kind::ProviderTimeout => Origin::Provider,
            _ => Origin::Caller,
        }
    }
}

/// Who caused a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Caller,
    Throughline,
    Provider,
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Caller => "caller",
            Origin::Throughline => "throughline",
            Origin::Provider => "provider",
        }
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    NotExecuted,
    Executed,
    Unknown,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::NotExecuted => "not-executed",
            Outcome::Executed => "executed",
            Outcome::Unknown => "unknown",
        }
    }
}

/// Where in the request something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// RFC 6901 pointer into the body.
    Pointer(String),
    /// Name of a query parameter or header.
    Parameter(String),
}

/// One thing that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub place: Place,
    pub detail: String,
    pub expected: Option<String>,
}

impl Violation {
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { place: Place::Pointer(pointer.into()), detail: detail.into(), expected: None }
    }

    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { place: Place::Parameter(name.into()), detail: detail.into(), expected: None }
    }

    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }
}

/// What the provider said, capped and stripped of control characters by whoever fills it in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderAnswer {
    pub name: String,
    pub status: u16,
    pub code: Option<String>,
    pub message: Option<String>,
    pub body: Option<serde_json::Value>,
    /// Id of the record that is in the way, where a duplicate's answer names one.
    pub other_id: Option<String>,
}

/// A failure. Cheap to move (one pointer).
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    origin: Origin,
    detail: Cow<'static, str>,
    retryable: bool,
    retry_after: Option<Duration>,
    outcome: Option<Outcome>,
    violations: Vec<Violation>,
    supported: Vec<String>,
    provider: Option<ProviderAnswer>,
    idempotency_key: Option<Arc<str>>,
    probe: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `detail` is shown to the caller: it must not hold a secret.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            origin: kind.origin(),
            detail: detail.into(),
            retryable: matches!(
                kind,
                Kind::RateLimited | Kind::Overloaded | Kind::CredentialRefreshPending | Kind::IdempotencyInFlight
            ),
            retry_after: None,
            outcome: None,
            violations: Vec::new(),
            supported: Vec::new(),
            provider: None,
            idempotency_key: None,
            probe: None,
            source: None,
        }))
    }

    /// A failure of ours. The cause is logged; the caller sees only that something went wrong.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, "An unexpected failure; the request id finds it in the log.").caused_by(source)
    }

    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    pub fn origin(mut self, origin: Origin) -> Self {
        self.0.origin = origin;
        self
    }

    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    pub fn retry_after(mut self, delay: Option<Duration>) -> Self {
        self.0.retry_after = delay;
        self
    }

    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = Some(outcome);
        self
    }

    pub fn violation(mut self, violation: Violation) -> Self {
        self.0.violations.push(violation);
        self
    }

    pub fn violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations.extend(violations);
        self
    }

    pub fn supported<S: Into<String>>(mut self, supported: impl IntoIterator<Item = S>) -> Self {
        self.0.supported.extend(supported.into_iter().map(Into::into));
        self
    }

    pub fn provider(mut self, answer: ProviderAnswer) -> Self {
        self.0.origin = Origin::Provider;
        self.0.provider = Some(answer);
        self
    }

    /// The caller's own name of the write.
    pub fn idempotency_key(mut self, key: &Arc<str>) -> Self {
        self.0.idempotency_key = Some(key.clone());
        self
    }

    /// What to GET to learn whether the write was executed: a path, or what is to be put behind one.
    pub fn probe(mut self, path: impl Into<String>) -> Self {
        self.0.probe = Some(path.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub fn get_origin(&self) -> Origin {
        self.0.origin
    }

    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    pub fn get_retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub fn get_outcome(&self) -> Option<Outcome> {
        self.0.outcome
    }

    pub fn get_violations(&self) -> &[Violation] {
        &self.0.violations
    }

    pub fn get_supported(&self) -> &[String] {
        &self.0.supported
    }

    pub fn get_idempotency_key(&self) -> Option<&str> {
        self.0.idempotency_key.as_deref()
    }

    pub fn get_probe(&self) -> Option<&str> {
        self.0.probe.as_deref()
    }

    pub fn get_provider(&self) -> Option<&ProviderAnswer> {
        self.0.provider.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.code(), self.0.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for violation in &self.0.violations {
            write!(f, "; {:?} {}", violation.place, violation.detail)?;
        }
        if let Some(source) = &self.0.source {
            write!(f, " (because {source})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_kind_again() {
        for (kind, code, _) in KINDS {
            assert_eq!(Kind::from_code(code), Some(*kind));
            assert_eq!(kind.code(), *code);
        }
    }
}
