//! Connections in JSON: the record that the API shows, and the bodies that it takes.

use serde_json::{Map, Value, json};

use super::body::Members;
use super::connection::Credentials;
use super::manage::{Change, NewConnection, OnConflict, Source, invalid};
use super::repository::Overview;
use crate::error::{Error, Kind, Result, Violation};

/// Enough for any id, short enough for a header.
const LONGEST_CUSTOMER: usize = 255;

/// The record of a connection. Credentials are no part of it.
pub fn record(overview: &Overview) -> Value {
    let Overview { connection, times } = overview;
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
    json!({
        "id": connection.id.as_str(),
        "provider": &*connection.provider,
        "customer_id": &*connection.customer_id,
        "state": connection.state.as_str(),
        "state_reason": connection.state_reason,
        "settings": connection.settings,
        "scopes": connection.scopes,
        "last_used_at": time(times.last_used_at),
        "refreshed_at": time(times.refreshed_at),
        "next_refresh_at": time(times.next_refresh_at),
        "last_error": connection.last_error,
        "log_bodies_until": time(connection.log_bodies_until.filter(|_| connection.logs_bodies())),
        "created_at": connection.created_at.to_string(),
    })
}

impl NewConnection {
    /// The body of `POST /v1/connections`.
    pub fn from_json(body: &Value) -> Result<Self> {
        let known = ["provider", "customer_id", "settings", "credentials", "on_conflict"];
        let mut members = Members::of(object(body)?, "", &known);
        ["provider", "customer_id", "credentials"].iter().for_each(|name| members.require(name));
        let provider = members.line("provider", 64);
        let customer_id = customer(&mut members);
        let settings = members.object("settings").cloned().unwrap_or_default();
        let on_conflict = members.line("on_conflict", 64).map(OnConflict::parse);
        if on_conflict == Some(None) {
            members.refuse("on_conflict", "the value cannot be used", "fail or replace");
        }
        let credentials = match members.get("credentials").map(Credentials::parse) {
            Some(Err(violations)) => {
                members.add(violations);
                None
            }
            Some(Ok(credentials)) => Some(credentials),
            None => None,
        };
        let source = Source::Import;
        match (provider, customer_id, credentials, members.violations()) {
            (Some(provider), Some(customer_id), Some((credentials, scopes)), violations) if violations.is_empty() => {
                let on_conflict = on_conflict.flatten().unwrap_or_default();
                let (provider, customer_id) = (provider.to_owned(), customer_id.to_owned());
                Ok(Self { provider, customer_id, settings, credentials, scopes, on_conflict, source })
            }
            (.., violations) => Err(invalid(violations)),
        }
    }
}

impl Change {
    /// The body of `PATCH /v1/connections/{id}`.
    pub fn from_json(body: &Value) -> Result<Self> {
        let mut members = Members::of(object(body)?, "", &["paused", "customer_id", "settings", "log_bodies_until"]);
        let log_bodies_until = body.get("log_bodies_until").map(|_| members.time("log_bodies_until"));
        let change = Self {
            paused: members.flag("paused"),
            customer_id: customer(&mut members).map(str::to_owned),
            settings: members.object("settings").cloned(),
            log_bodies_until,
        };
        let violations = members.violations();
        if violations.is_empty() { Ok(change) } else { Err(invalid(violations)) }
    }
}

/// A customer's id travels in a header, which cannot begin or end with a space.
pub(super) fn customer<'a>(members: &mut Members<'a>) -> Option<&'a str> {
    let customer = members.line("customer_id", LONGEST_CUSTOMER)?;
    if customer.trim() != customer {
        members.refuse("customer_id", "the value cannot be used", "a string without space at its ends");
    }
    Some(customer)
}

pub(super) fn object(body: &Value) -> Result<&Map<String, Value>> {
    let wrong = || Violation::at("", "the body cannot be used").expected("a JSON object");
    body.as_object()
        .ok_or_else(|| Error::new(Kind::InvalidRequest, "The body must be a JSON object.").violation(wrong()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Value {
        json!({"provider": "blue", "customer_id": "c1", "credentials": {"type": "token", "token": "s3cret"}})
    }

    #[test]
    fn a_plain_body_is_taken() {
        let new = NewConnection::from_json(&body()).expect("a good body");
        assert_eq!((new.provider.as_str(), new.customer_id.as_str()), ("blue", "c1"));
        assert_eq!((new.credentials.kind(), new.on_conflict), ("token", OnConflict::Fail));
        let mut replacing = body();
        replacing["on_conflict"] = "replace".into();
        assert_eq!(NewConnection::from_json(&replacing).ok().map(|new| new.on_conflict), Some(OnConflict::Replace));
    }

    #[test]
    fn all_faults_come_in_one_answer_with_what_would_be_right() {
        let body = json!({"customer_id": " c1", "settings": [], "on_conflict": "merge", "tokens": "s3cret", "credentials": {"type": "token"}});
        let error = NewConnection::from_json(&body).err().expect("refused");
        assert_eq!(error.kind(), Kind::ValidationFailed);
        let text = format!("{error:?}");
        for pointer in ["/tokens", "/provider", "/customer_id", "/settings", "/on_conflict", "/credentials/token"] {
            assert!(text.contains(&format!("\"{pointer}\"")), "{pointer} is missing in {text}");
        }
        assert!(!text.contains("s3cret"));
        let unknown = error.get_violations().first().and_then(|violation| violation.expected.clone());
        assert_eq!(unknown.as_deref(), Some("one of provider, customer_id, settings, credentials, on_conflict"));
        assert_eq!(NewConnection::from_json(&json!([])).err().map(|e| e.kind()), Some(Kind::InvalidRequest));
    }

    #[test]
    fn a_change_touches_only_what_is_given() {
        let change = Change::from_json(&json!({"paused": true})).expect("a good body");
        assert_eq!((change.paused, change.customer_id, change.settings), (Some(true), None, None));
        assert!(Change::from_json(&json!({"paused": "yes"})).is_err());
        assert!(Change::from_json(&json!({"credentials": {}})).is_err());
    }
}
