//! Values to store.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::audit::{Action, Entry};
use crate::auth::TenantId;
use crate::connections::{
    Connection, ConnectionId, Consent, Event, EventKind, Failed, Failing, Fresh, Key, Revocation, Row, Session, State,
    StoredApp, Times,
};

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId(name.into())
}

pub(super) fn acme() -> TenantId {
    tenant("acme")
}

pub(super) fn other() -> TenantId {
    tenant("other")
}

pub(super) fn id(name: &str) -> ConnectionId {
    ConnectionId(format!("conn_{name}").into())
}

pub(super) fn key(name: &str) -> Key {
    Key { tenant: acme(), id: id(name) }
}

/// A time with microseconds that are not a whole number of milliseconds.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_microsecond(1_790_000_000_000_000 + second * 1_000_000 + 123_457).expect("a time")
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => panic!("an object"),
    }
}

/// The connection `name` of acme's customer `name` to `blue`, without anything in particular.
pub(super) fn row(name: &str) -> Row {
    Row {
        connection: Connection {
            id: id(name),
            tenant: acme(),
            provider: "blue".into(),
            customer_id: name.into(),
            state: State::Active,
            state_reason: None,
            settings: object(json!({"region": "eu"})),
            scopes: vec!["read".into()],
            last_error: None,
            log_bodies_until: None,
            created_at: at(0),
            updated_at: at(0),
        },
        paused: false,
        times: Times::default(),
        revision: 1,
        generation: 1,
        sealed: b"sealed 1".to_vec(),
        failing: None,
    }
}

/// One in which nothing is left out.
pub(super) fn full_row(name: &str) -> Row {
    let mut row = row(name);
    let connection = &mut row.connection;
    connection.state = State::Degraded;
    connection.state_reason = Some("it was slow".into());
    connection.scopes = vec!["b".into(), "a".into(), "ü \" '".into()];
    connection.last_error = Some("line\nand tab\t, ünïcödé, 'quotes' \"too\"".into());
    connection.log_bodies_until = Some(at(6));
    connection.updated_at = at(7);
    row.times = Times {
        last_used_at: Some(at(1)),
        refreshed_at: Some(at(2)),
        next_refresh_at: Some(at(3)),
        expires_at: Some(at(4)),
    };
    row.failing = Some(Failing { count: 3, since: at(5) });
    (row.revision, row.generation, row.sealed) = (4, 1, (0..=255).collect());
    row
}

/// All of a row, to be compared: JSON with the order of its members.
pub(super) fn show(row: &Row) -> String {
    let Row { connection, paused, times, revision, generation, sealed, failing } = row;
    let settings = Value::Object(connection.settings.clone()).to_string();
    format!("{connection:?} {settings} {paused} {times:?} {revision} {generation} {sealed:?} {failing:?}")
}

pub(super) fn event(second: i64, detail: &str) -> Event {
    Event { at: at(second), kind: EventKind::Changed, detail: Some(detail.into()) }
}

/// Of acme's connection `name`.
pub(super) fn entry(name: &str, second: i64) -> Entry {
    Entry { at: at(second), ..Entry::by_operator(acme(), Action::ConnectionChanged).on(&id(name).0) }
}

pub(super) fn fresh(generation: u64) -> Fresh {
    Fresh {
        generation,
        sealed: format!("sealed {generation}").into_bytes(),
        settings: Some(object(json!({"region": "us"}))),
        scopes: Some(vec!["write".into()]),
        refreshed_at: at(10),
        expires_at: Some(at(20)),
        next_refresh_at: Some(at(15)),
    }
}

pub(super) fn failed(state: State) -> Failed {
    Failed {
        state,
        state_reason: Some("refused".into()),
        last_error: "invalid_grant".into(),
        failing: Failing { count: 2, since: at(9) },
        next_refresh_at: Some(at(30)),
    }
}

pub(super) fn revocation(name: &str) -> Revocation {
    Revocation {
        id: name.into(),
        tenant: acme(),
        connection: id("a"),
        provider: "blue".into(),
        settings: object(json!({"b": 1, "a": 2})),
        generation: 3,
        sealed: b"sealed 3".to_vec(),
        attempts: 0,
        created_at: at(0),
    }
}

pub(super) fn app(provider: &str) -> StoredApp {
    StoredApp {
        tenant: acme(),
        provider: provider.into(),
        client_id: "client".into(),
        sealed: b"sealed".to_vec(),
        created_at: at(0),
        updated_at: at(0),
    }
}

pub(super) fn session(name: &str) -> Session {
    Session {
        id: name.into(),
        tenant: acme(),
        customer_id: "c1".into(),
        providers: vec!["red".into(), "blue".into()],
        connection: None,
        return_url: "https://app.test/back?x=1".into(),
        browser: None,
        completed_by: None,
        created_at: at(0),
        expires_at: at(60),
    }
}

pub(super) fn consent(name: &str, session: &str) -> Consent {
    Consent {
        id: name.into(),
        session: session.into(),
        provider: "blue".into(),
        settings: object(json!({"z": "1", "a": 1.50})),
        sealed: b"verifier".to_vec(),
        expires_at: at(60),
    }
}

pub(super) fn arc(text: &str) -> Arc<str> {
    text.into()
}
