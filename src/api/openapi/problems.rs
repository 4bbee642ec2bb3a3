//! Which problems a route can answer with, and what each looks like. The examples are written by the code that writes
//! the real ones.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::operation::reference;
use crate::api::problem;
use crate::error::{Error, Kind, Outcome, ProviderAnswer, Violation};

/// Routes that fail in the same ways.
pub struct Family {
    name: &'static str,
    kinds: &'static [&'static [Kind]],
}

const EVERY: &[Kind] = &[Kind::InvalidRequest, Kind::UnknownParameter, Kind::ExpectationFailed, Kind::Internal];
const KEYED: &[Kind] = &[Kind::Unauthenticated, Kind::MissingScope, Kind::RateLimited, Kind::Overloaded];
/// Routes that go through a connection to a provider.
const CONNECTED: &[Kind] = &[
    Kind::Forbidden,
    Kind::ConnectionNotFound,
    Kind::ProviderNotFound,
    Kind::NeedsReauth,
    Kind::ConnectionPaused,
    Kind::RateLimited,
    Kind::QuotaExhausted,
    Kind::ProviderUnavailable,
    Kind::UnexpectedRedirect,
    Kind::Overloaded,
    Kind::ProviderTimeout,
];
/// The last ones are what a provider's refusal can be told as, whatever was asked.
const UNIFIED: &[Kind] = &[
    Kind::UnsupportedPrecondition,
    Kind::UnsupportedOperation,
    Kind::MappingFailed,
    Kind::InvalidProviderResponse,
    Kind::NotFound,
    Kind::Conflict,
    Kind::PreconditionFailed,
    Kind::PayloadTooLarge,
    Kind::ValidationFailed,
];
const LISTING: &[Kind] = &[Kind::InvalidCursor, Kind::UnsupportedFilter, Kind::UnsupportedSort];
/// Of answers that may be kept.
const KEPT: &[Kind] = &[Kind::NotCached];
const BODY: &[Kind] = &[Kind::PayloadTooLarge, Kind::UnsupportedMediaType];
/// The first one is also told of a key whose first request has an unknown outcome; then its status is 409.
const WRITING: &[Kind] = &[Kind::OutcomeUnknown, Kind::IdempotencyInFlight, Kind::IdempotencyMismatch];
const STORING: &[Kind] = &[Kind::Duplicate, Kind::UnknownField];

pub const LIST: Family = Family { name: "List", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, LISTING, KEPT] };
pub const SEARCH: Family = Family { name: "Search", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, LISTING, BODY, KEPT] };
pub const GET: Family = Family { name: "Get", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, KEPT] };
pub const CREATE: Family =
    Family { name: "Create", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, BODY, WRITING, STORING] };
pub const UPDATE: Family =
    Family { name: "Update", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, BODY, WRITING, STORING] };
pub const DELETE: Family = Family { name: "Delete", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, WRITING] };
pub const BATCH: Family = Family { name: "Batch", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, BODY, WRITING] };
pub const ACCOUNT: Family = Family { name: "Account", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, KEPT] };
pub const ASSOCIATIONS: Family =
    Family { name: "Associations", kinds: &[EVERY, KEYED, CONNECTED, UNIFIED, &[Kind::InvalidCursor], KEPT] };
pub const RAW: Family = Family {
    name: "Passthrough",
    kinds: &[
        &[
            Kind::InvalidRequest,
            Kind::UnsupportedOperation,
            Kind::ExpectationFailed,
            Kind::Internal,
            Kind::PayloadTooLarge,
        ],
        WRITING,
        KEYED,
        CONNECTED,
    ],
};
pub const AUDIT: Family = Family { name: "Audit", kinds: &[EVERY, KEYED, &[Kind::InvalidCursor, Kind::Forbidden]] };
pub const LOOK: Family = Family { name: "Look", kinds: &[EVERY, KEYED] };
pub const PROVIDER: Family =
    Family { name: "Provider", kinds: &[EVERY, &[Kind::Unauthenticated, Kind::ProviderNotFound]] };
pub const PROVIDERS: Family = Family { name: "Providers", kinds: &[EVERY, &[Kind::Unauthenticated]] };
pub const CONNECTIONS: Family = Family { name: "Connections", kinds: &[EVERY, KEYED, &[Kind::InvalidCursor]] };
pub const CONNECTION: Family = Family { name: "Connection", kinds: &[EVERY, KEYED, &[Kind::ConnectionNotFound]] };
pub const RENEWAL: Family = Family {
    name: "Renewal",
    kinds: &[
        EVERY,
        KEYED,
        &[
            Kind::ConnectionNotFound,
            Kind::ProviderNotFound,
            Kind::Conflict,
            Kind::NeedsReauth,
            Kind::ConnectionPaused,
            Kind::CredentialRefreshPending,
        ],
    ],
};
pub const NEW_CONNECTION: Family = Family {
    name: "NewConnection",
    kinds: &[EVERY, KEYED, BODY, &[Kind::Forbidden, Kind::ProviderNotFound, Kind::Conflict, Kind::ValidationFailed]],
};
pub const CHANGE: Family = Family {
    name: "Change",
    kinds: &[EVERY, KEYED, BODY, &[Kind::ConnectionNotFound, Kind::Conflict, Kind::ValidationFailed]],
};
pub const EVENTS: Family =
    Family { name: "Events", kinds: &[EVERY, KEYED, &[Kind::InvalidCursor, Kind::ConnectionNotFound]] };
pub const EXPORT: Family =
    Family { name: "Export", kinds: &[EVERY, KEYED, &[Kind::Forbidden, Kind::ConnectionNotFound, Kind::NeedsReauth]] };
pub const NEW_LINK: Family = Family {
    name: "NewLink",
    kinds: &[
        EVERY,
        KEYED,
        BODY,
        &[Kind::Forbidden, Kind::ProviderNotFound, Kind::ConnectionNotFound, Kind::ValidationFailed],
    ],
};
pub const APP: Family = Family { name: "App", kinds: &[EVERY, KEYED, &[Kind::Forbidden, Kind::NotFound]] };
pub const NEW_APP: Family = Family {
    name: "NewApp",
    kinds: &[EVERY, KEYED, BODY, &[Kind::Forbidden, Kind::ProviderNotFound, Kind::ValidationFailed]],
};
pub const MAPPING: Family = Family {
    name: "Mapping",
    kinds: &[EVERY, KEYED, &[Kind::NotFound, Kind::ConnectionNotFound, Kind::ProviderNotFound, Kind::MappingFailed]],
};
pub const NEW_MAPPING: Family =
    Family { name: "NewMapping", kinds: &[EVERY, KEYED, BODY, &[Kind::ConnectionNotFound, Kind::ValidationFailed]] };
pub const NEW_KEY: Family =
    Family { name: "NewKey", kinds: &[EVERY, KEYED, BODY, &[Kind::Forbidden, Kind::ValidationFailed]] };
pub const KEY: Family = Family { name: "Key", kinds: &[EVERY, KEYED, &[Kind::NotFound]] };
pub const OPEN: Family = Family { name: "Open", kinds: &[EVERY] };

const ALL: [&Family; 29] = [
    &AUDIT,
    &LIST,
    &SEARCH,
    &GET,
    &CREATE,
    &UPDATE,
    &DELETE,
    &BATCH,
    &ACCOUNT,
    &ASSOCIATIONS,
    &RAW,
    &LOOK,
    &PROVIDER,
    &PROVIDERS,
    &CONNECTIONS,
    &CONNECTION,
    &NEW_CONNECTION,
    &RENEWAL,
    &CHANGE,
    &EVENTS,
    &EXPORT,
    &NEW_LINK,
    &APP,
    &NEW_APP,
    &MAPPING,
    &NEW_MAPPING,
    &NEW_KEY,
    &KEY,
    &OPEN,
];

impl Family {
    /// Kinds by status, in the order of statuses.
    fn statuses(&self) -> Vec<(u16, Vec<Kind>)> {
        let mut statuses: Vec<(u16, Vec<Kind>)> = Vec::new();
        for kind in self.kinds.iter().copied().flatten() {
            let status = problem::status(*kind).as_u16();
            match statuses.iter_mut().find(|(known, _)| *known == status) {
                Some((_, kinds)) if kinds.contains(kind) => {}
                Some((_, kinds)) => kinds.push(*kind),
                None => statuses.push((status, vec![*kind])),
            }
        }
        statuses.sort_by_key(|(status, _)| *status);
        statuses
    }

    fn component(&self, status: u16) -> String {
        format!("{}Problem{status}", self.name)
    }

    pub fn references(&self) -> Vec<(String, Value)> {
        let statuses = self.statuses().into_iter();
        statuses.map(|(status, _)| (status.to_string(), reference("responses", &self.component(status)))).collect()
    }
}

/// The responses of all families.
pub fn responses() -> Map<String, Value> {
    let mut responses = Map::new();
    for family in ALL {
        for (status, kinds) in family.statuses() {
            let mut response = response(status, &kinds);
            // What the provider answers with the same status is passed on as it came.
            let content = response.get_mut("content").and_then(Value::as_object_mut);
            if let (Some(content), true) = (content, family.name == RAW.name) {
                content.insert("*/*".into(), json!({}));
            }
            responses.insert(family.component(status), response);
        }
    }
    responses
}

fn response(status: u16, kinds: &[Kind]) -> Value {
    let codes: Vec<String> = kinds.iter().map(|kind| format!("`{}`", kind.code())).collect();
    let titles: Vec<&str> = kinds.iter().map(|kind| kind.title()).collect();
    let examples: Map<String, Value> =
        kinds.iter().map(|kind| (kind.code().to_owned(), reference("examples", &example_name(*kind)))).collect();
    let mut headers = vec!["X-Request-Id", "Server-Timing"];
    headers.extend(match status {
        401 => Some("WWW-Authenticate"),
        405 => Some("Allow"),
        409 | 429 | 502 | 503 => Some("Retry-After"),
        _ => None,
    });
    let headers: Map<String, Value> =
        headers.into_iter().map(|name| (name.to_owned(), reference("headers", name))).collect();
    json!({
        "description": format!("{}: {}.", codes.join(", "), titles.join("; ")),
        "headers": headers,
        "content": {"application/problem+json": {"schema": reference("schemas", "Problem"), "examples": examples}},
    })
}

fn example_name(kind: Kind) -> String {
    format!("problem-{}", kind.code())
}

/// One example of each kind that some family has.
pub fn examples() -> Map<String, Value> {
    let kinds = ALL.into_iter().flat_map(|family| family.kinds.iter().copied().flatten().copied());
    kinds.map(|kind| (example_name(kind), json!({"summary": kind.title(), "value": example_problem(kind)}))).collect()
}

/// A problem of this kind, as the API writes it.
pub fn example_problem(kind: Kind) -> Value {
    problem::document(&example(kind), "req_5nWq2BzV8cKe0LsT3hXa")
}

/// An error as it may happen.
fn example(kind: Kind) -> Error {
    let said = |status: u16, code: Option<&str>, message: &str| ProviderAnswer {
        name: "acme".into(),
        status,
        code: code.map(str::to_owned),
        message: Some(message.to_owned()),
        ..ProviderAnswer::default()
    };
    let error = |detail: &'static str| Error::new(kind, detail);
    let minute = Some(Duration::from_secs(60));
    match kind {
        Kind::InvalidRequest => error("The query parameter limit cannot be understood.").violation(
            Violation::parameter("limit", "\"many\" is not a page size").expected("an integer from 1 to 10000"),
        ),
        Kind::UnknownParameter => error("There is no query parameter \"page\" here.")
            .violation(Violation::parameter("page", "it is not known"))
            .supported(["limit", "cursor", "fields"]),
        Kind::UnsupportedFilter => {
            error("filter[birthday][eq] is not supported here.").supported(["email: eq, in", "updated_at: gt, gte"])
        }
        Kind::UnsupportedSort => error("The list cannot be sorted by title.").supported(["created_at", "updated_at"]),
        Kind::UnsupportedOperation => error("Acme cannot delete these.").supported(["list", "get", "create", "update"]),
        Kind::ValidationFailed => error("The record is not valid.")
            .violation(Violation::at("/emails/0/email", "`email` is missing").expected("string"))
            .outcome(Outcome::NotExecuted),
        Kind::UnknownField => error("The record has members that Acme cannot store.")
            .violation(Violation::at("/nickname", "`nickname` is not a member of this object"))
            .outcome(Outcome::NotExecuted),
        Kind::Duplicate => error("Acme answered 409: Such a record exists already")
            .provider(ProviderAnswer {
                other_id: Some("501".into()),
                ..said(409, None, "Such a record exists already")
            })
            .outcome(Outcome::NotExecuted),
        Kind::NotFound => error("Acme answered 404: No such record").provider(said(404, None, "No such record")),
        Kind::RateLimited => error("Acme answered 429: Too many requests")
            .retry_after(Some(Duration::from_secs(10)))
            .provider(said(429, Some("RATE_LIMIT"), "Too many requests")),
        Kind::QuotaExhausted => error("Acme answered 429: The daily limit is reached")
            .retry_after(minute)
            .provider(said(429, Some("DAILY_LIMIT"), "The daily limit is reached")),
        Kind::ProviderUnavailable => {
            error("Acme answered 503: Maintenance").retryable(true).provider(said(503, None, "Maintenance"))
        }
        Kind::OutcomeUnknown => error("The connection broke after the request was sent.")
            .outcome(Outcome::Unknown)
            .idempotency_key(&"order-4711".into())
            .probe("/v1/crm/contacts/501"),
        Kind::IdempotencyInFlight => error("A request with this Idempotency-Key is still running.")
            .outcome(Outcome::Unknown)
            .retry_after(Some(Duration::from_secs(1)))
            .idempotency_key(&"order-4711".into()),
        Kind::Overloaded => error("Too much is going on at the moment.").retry_after(Some(Duration::from_secs(1))),
        Kind::Internal => error("An unexpected failure; the request id finds it in the log."),
        other => Error::new(other, format!("{}.", other.title())),
    }
}
