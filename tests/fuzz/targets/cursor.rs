//! No text is a cursor but one that was given out, to the same tenant, for the same connection and list, a day ago at most;
//! and that one holds what it was made of.

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use throughline::auth::TenantId;
use throughline::connections::{Connection, ConnectionId, State, Vault};
use throughline::error::Kind;
use throughline::model::Query;
use throughline::unified::{Continuation, Cursor, Position};

static VAULT: LazyLock<Vault> = LazyLock::new(vault);
static OTHER_VAULT: LazyLock<Vault> = LazyLock::new(vault);

fn vault() -> Vault {
    Vault::from_key_base64(&Vault::generate_key().expect("randomness")).expect("a key")
}

pub fn holds(data: &[u8]) {
    let now = Timestamp::now();
    let mine = connection("acme", "conn_aaaaaaaaaaaaaaaaaaaa");
    let refused = |text: &str, vault: &Vault, connection: &Connection, resource: &str, at: Timestamp| {
        let error = Cursor::open(text, vault, connection, resource, at).expect_err("a foreign cursor was taken");
        assert_eq!(error.kind(), Kind::InvalidCursor);
        error.detail().to_owned()
    };
    let said = refused(&super::text(data), &VAULT, &mine, "contacts", now);

    let (position, query) = super::two(data);
    let position = match (data.len() % 5, super::text(position).into_owned()) {
        (0, text) => Position::Cursor(Value::from(text)),
        (1, text) => Position::Link(text),
        (2, text) => Position::Keys(vec![Value::from(text), Value::Null]),
        (3, text) => Position::Window { after: Value::from(text.as_str()), cursor: Some(Value::from(text)) },
        _ => Position::Offset(data.len() as u64),
    };
    let query = Query { q: Some(super::text(query).into_owned()), limit: Some(7), ..Query::default() };
    let cursor = Cursor::new(Continuation { variant: 1, position }, query, now);
    let text = cursor.seal(&VAULT, &mine, "contacts").expect("it can be sealed");
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "it can stand in a URL");
    // A position can be too long for a cursor; then it is not taken back either.
    let Ok(opened) = Cursor::open(&text, &VAULT, &mine, "contacts", now) else {
        assert!(text.len() > 16 * 1024, "our own cursor was refused");
        return;
    };
    assert_eq!(opened, cursor);

    let day = SignedDuration::from_hours(24) + SignedDuration::from_secs(2);
    let mut forged = text.clone().into_bytes();
    let at =
        data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % forged.len();
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("plain text");
    for answer in [
        refused(&text, &OTHER_VAULT, &mine, "contacts", now),
        refused(&text, &VAULT, &connection("other", "conn_aaaaaaaaaaaaaaaaaaaa"), "contacts", now),
        refused(&text, &VAULT, &connection("acme", "conn_bbbbbbbbbbbbbbbbbbbb"), "contacts", now),
        refused(&text, &VAULT, &mine, "companies", now),
        refused(&text, &VAULT, &mine, "contacts", now + day),
        refused(&text[..text.len() - 1 - at % text.len().min(20)], &VAULT, &mine, "contacts", now),
        refused(&forged, &VAULT, &mine, "contacts", now),
    ] {
        assert_eq!(answer, said, "the answer does not tell why");
    }
}

fn connection(tenant: &str, id: &str) -> Connection {
    let now = Timestamp::UNIX_EPOCH;
    Connection {
        id: ConnectionId(id.into()),
        tenant: TenantId(tenant.into()),
        provider: Arc::from("fake"),
        customer_id: Arc::from("customer"),
        state: State::Active,
        state_reason: None,
        settings: Map::new(),
        scopes: Vec::new(),
        last_error: None,
        log_bodies_until: None,
        created_at: now,
        updated_at: now,
    }
}
