//! Rows of connections.

use serde_json::Value;

use super::place::Place;
use super::samples::{acme, arc, at, event, full_row, id, object, other, revocation, row, show};
use crate::connections::{Along, ConnectionId, Filter, Overview, Row, State, WriteError};

async fn insert(on: &Place, row: Row) {
    on.connections.insert(row, Along::default()).await.expect("written");
}

async fn found(on: &Place, name: &str) -> Row {
    on.connections.find(acme(), id(name)).await.expect("read").expect("the row")
}

fn next(row: &Row) -> Row {
    Row { revision: row.revision + 1, ..row.clone() }
}

pub(super) async fn a_row_is_read_as_it_was_written(on: &Place) {
    let mut paused = Row { paused: true, ..row("b") };
    paused.connection.state = State::NeedsReauth;
    for written in [full_row("a"), paused, row("c")] {
        insert(on, written.clone()).await;
        let read = on.connections.find(acme(), written.connection.id.clone()).await.expect("read").expect("the row");
        assert_eq!(show(&read), show(&written));
    }
    let before = found(on, "c").await;
    let mut after = next(&full_row("c"));
    (after.revision, after.generation, after.sealed) = (2, 2, Vec::new());
    on.connections.update(after.clone(), before.revision, Along::default()).await.expect("written");
    assert_eq!(show(&found(on, "c").await), show(&after));
    assert!(on.connections.find(acme(), id("none")).await.expect("read").is_none());
}

pub(super) async fn settings_keep_the_order_of_members_and_the_text_of_numbers(on: &Place) {
    let text = r#"{"z":1.50,"a":123456789012345678901234567890,"m":{"y":1e400,"b":[]},"ü":"\u0000\ud83d\ude00"}"#;
    let mut written = row("a");
    written.connection.settings = object(serde_json::from_str(text).expect("JSON"));
    insert(on, written.clone()).await;
    let read = Value::Object(found(on, "a").await.connection.settings).to_string();
    assert_eq!(read, Value::Object(written.connection.settings).to_string());
    assert!(read.starts_with(r#"{"z":1.50,"a":123456789012345678901234567890,"m":{"y":1e"#), "{read}");
}

pub(super) async fn a_customer_has_one_connection_to_a_provider(on: &Place) {
    insert(on, row("a")).await;
    let mut second = row("b");
    second.connection.customer_id = arc("a");
    let refused = on.connections.insert(second.clone(), Along::event(event(0, "x"))).await;
    assert!(matches!(refused, Err(WriteError::Taken(holder)) if holder == id("a")));
    assert!(on.connections.find(acme(), id("b")).await.expect("read").is_none());
    assert!(on.events.list(acme(), id("b"), None, 9).await.expect("a list").is_empty());
    let mut red = second.clone();
    red.connection.provider = arc("red");
    insert(on, red).await;
    let mut theirs = second;
    (theirs.connection.tenant, theirs.connection.id) = (other(), id("c"));
    insert(on, theirs).await;
}

pub(super) async fn of_two_insertions_for_a_customer_one_is_made(on: &Place) {
    for round in 0..8 {
        let one = |name: &str| {
            let mut one = row(&format!("{name}{round}"));
            one.connection.customer_id = format!("c{round}").into();
            on.connections.insert(one, Along::default())
        };
        let (one, two) = tokio::join!(one("a"), one("b"));
        let made = [&one, &two].into_iter().filter(|done| done.is_ok()).count();
        let taken = [&one, &two].into_iter().filter(|done| matches!(done, Err(WriteError::Taken(_)))).count();
        assert_eq!((made, taken), (1, 1));
    }
}

pub(super) async fn a_taken_id_is_stale(on: &Place) {
    insert(on, row("a")).await;
    let mut again = row("a");
    again.connection.customer_id = arc("b");
    assert!(matches!(on.connections.insert(again, Along::default()).await, Err(WriteError::Stale)));
    assert_eq!(show(&found(on, "a").await), show(&row("a")));
}

pub(super) async fn a_customers_connections_come_in_the_order_of_providers(on: &Place) {
    for (name, provider) in [("a", "red"), ("b", "blue"), ("c", "Green")] {
        let mut one = row(name);
        (one.connection.provider, one.connection.customer_id) = (arc(provider), arc("c1"));
        insert(on, one).await;
    }
    insert(on, row("d")).await;
    let ids = on.connections.find_by_customer(acme(), arc("c1")).await.expect("read");
    // By their bytes: capitals first, in whatever language the server runs.
    assert_eq!(ids, [id("c"), id("b"), id("a")]);
    assert!(on.connections.find_by_customer(acme(), arc("c2")).await.expect("read").is_empty());
    assert!(on.connections.find_by_customer(other(), arc("c1")).await.expect("read").is_empty());
}

pub(super) async fn an_update_needs_the_revision_it_was_made_from(on: &Place) {
    insert(on, row("a")).await;
    let mut changed = next(&row("a"));
    changed.connection.state_reason = Some("why".into());
    for wrong in [0, 2, u64::MAX] {
        let refused = on.connections.update(changed.clone(), wrong, Along::event(event(0, "x"))).await;
        assert!(matches!(refused, Err(WriteError::Stale)));
    }
    assert!(on.events.list(acme(), id("a"), None, 9).await.expect("a list").is_empty());
    on.connections.update(changed.clone(), 1, Along::default()).await.expect("written");
    let again = on.connections.update(changed.clone(), 1, Along::default()).await;
    assert!(matches!(again, Err(WriteError::Stale)));
    assert_eq!(show(&found(on, "a").await), show(&changed));
    assert!(matches!(on.connections.update(next(&row("none")), 1, Along::default()).await, Err(WriteError::Stale)));
}

pub(super) async fn of_two_updates_of_a_revision_one_is_written(on: &Place) {
    insert(on, row("a")).await;
    for revision in 1..9 {
        let update = |reason: &str| {
            let mut changed = Row { revision: revision + 1, ..row("a") };
            changed.connection.state_reason = Some(reason.into());
            on.connections.update(changed, revision, Along::event(event(0, reason)))
        };
        let (one, two) = tokio::join!(update("one"), update("two"));
        let reason = if one.is_ok() { "one" } else { "two" };
        assert!(one.is_ok() ^ two.is_ok());
        assert!(matches!(one.and(two), Err(WriteError::Stale)));
        assert_eq!(found(on, "a").await.connection.state_reason.as_deref(), Some(reason));
        assert_eq!(on.events.list(acme(), id("a"), None, 99).await.expect("a list").len() as u64, revision);
    }
}

pub(super) async fn an_update_to_a_taken_customer_writes_nothing(on: &Place) {
    insert(on, row("a")).await;
    insert(on, row("b")).await;
    let mut changed = next(&row("b"));
    changed.connection.customer_id = arc("a");
    let refused = on.connections.update(changed, 1, Along::event(event(0, "x"))).await;
    assert!(matches!(refused, Err(WriteError::Taken(holder)) if holder == id("a")));
    assert_eq!(show(&found(on, "b").await), show(&row("b")));
    assert!(on.events.list(acme(), id("b"), None, 9).await.expect("a list").is_empty());
}

pub(super) async fn a_deletion_needs_the_revision_and_takes_overrides_and_events_along(on: &Place) {
    for name in ["a", "b"] {
        on.connections.insert(row(name), Along::event(event(0, "made"))).await.expect("written");
        on.mappings.put(acme(), Some(id(name)), "{}".into()).await.expect("put");
    }
    on.mappings.put(acme(), None, "{}".into()).await.expect("put");
    let along = || Along { events: vec![event(1, "x")], revocation: Some(revocation("r")), ..Along::default() };
    assert!(!on.connections.delete(acme(), id("a"), 2, along()).await.expect("asked"));
    assert!(!on.connections.delete(other(), id("a"), 1, along()).await.expect("asked"));
    assert!(on.revocations.claim(at(9), std::time::Duration::ZERO, 9).await.expect("asked").is_empty());
    assert!(on.connections.delete(acme(), id("a"), 1, along()).await.expect("deleted"));
    assert!(!on.connections.delete(acme(), id("a"), 1, Along::default()).await.expect("asked"));
    assert!(on.connections.find(acme(), id("a")).await.expect("read").is_none());
    assert_eq!(on.mappings.find(acme(), Some(id("a"))).await.expect("read"), None);
    assert!(on.events.list(acme(), id("a"), None, 9).await.expect("a list").is_empty());
    let claimed = on.revocations.claim(at(9), std::time::Duration::from_secs(9), 9).await.expect("asked");
    assert_eq!(claimed, [revocation("r")]);
    // The rest is as it was.
    assert_eq!(show(&found(on, "b").await), show(&row("b")));
    assert!(on.mappings.find(acme(), None).await.expect("read").is_some());
    assert!(on.mappings.find(acme(), Some(id("b"))).await.expect("read").is_some());
    assert_eq!(on.events.list(acme(), id("b"), None, 9).await.expect("a list").len(), 1);
    let mut reborn = row("c");
    reborn.connection.customer_id = arc("a");
    insert(on, reborn).await;
}

pub(super) async fn lists_filter_and_page_in_the_order_of_ids(on: &Place) {
    for (name, provider) in [("b", "blue"), ("a", "red"), ("C", "blue"), ("_", "red"), ("é", "blue")] {
        let mut one = full_row(name);
        (one.connection.provider, one.connection.customer_id) = (arc(provider), format!("of {provider} {name}").into());
        insert(on, one).await;
    }
    let list = async |filter: Filter| {
        let listed: Vec<Overview> = on.connections.list(acme(), filter).await.expect("a list");
        listed
            .into_iter()
            .map(|one| one.connection.id.as_str().trim_start_matches("conn_").to_owned())
            .collect::<Vec<_>>()
    };
    let all = || Filter { limit: 99, ..Filter::default() };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(list(all()).await, ["C", "_", "a", "b", "é"]);
    assert_eq!(list(Filter { limit: 2, ..all() }).await, ["C", "_"]);
    assert_eq!(list(Filter { limit: 2, after: Some(id("_")), ..all() }).await, ["a", "b"]);
    assert_eq!(list(Filter { after: Some(id("é")), ..all() }).await, [""; 0]);
    assert_eq!(list(Filter { limit: 0, ..all() }).await, [""; 0]);
    assert_eq!(list(Filter { provider: Some("red".into()), ..all() }).await, ["_", "a"]);
    assert_eq!(list(Filter { customer_id: Some("of blue b".into()), ..all() }).await, ["b"]);
    assert_eq!(list(Filter { providers: texts(&["blue", "green"]), ..all() }).await, ["C", "b", "é"]);
    let some = texts(&["conn_é", "conn_a", "conn_none", "%", "'\"{}"]);
    assert_eq!(list(Filter { connections: some.clone(), ..all() }).await, ["a", "é"]);
    assert_eq!(list(Filter { connections: some, providers: texts(&["blue"]), ..all() }).await, ["é"]);
    assert_eq!(list(Filter { connections: texts(&["conn_none"]), ..all() }).await, [""; 0]);
    let overviews = on.connections.list(acme(), Filter { limit: 1, ..all() }).await.expect("a list");
    assert_eq!(overviews, [found(on, "C").await.overview()]);
}

pub(super) async fn rows_of_all_tenants_page_in_the_order_of_ids(on: &Place) {
    for (name, provider, theirs) in [("b", "blue", false), ("a", "red", true), ("c", "red", false)] {
        let mut one = full_row(name);
        one.connection.provider = arc(provider);
        if theirs {
            one.connection.tenant = other();
        }
        insert(on, one).await;
    }
    let rows = async |tenant, provider: Option<&str>, after, limit| {
        let rows = on.connections.rows(tenant, provider.map(arc), after, limit).await.expect("rows");
        rows.into_iter().map(|row| row.connection.id).collect::<Vec<ConnectionId>>()
    };
    assert_eq!(rows(None, None, None, 9).await, [id("a"), id("b"), id("c")]);
    assert_eq!(rows(None, None, Some(id("a")), 1).await, [id("b")]);
    assert_eq!(rows(Some(acme()), None, None, 9).await, [id("b"), id("c")]);
    assert_eq!(rows(None, Some("red"), None, 9).await, [id("a"), id("c")]);
    assert_eq!(rows(Some(other()), Some("blue"), None, 9).await, []);
    let whole = on.connections.rows(Some(acme()), None, None, 1).await.expect("rows");
    assert_eq!(show(&whole[0]), show(&found(on, "b").await));
}

pub(super) async fn tenants_never_see_each_others_connections(on: &Place) {
    insert(on, row("a")).await;
    assert!(on.connections.find(other(), id("a")).await.expect("read").is_none());
    let listed = on.connections.list(other(), Filter { limit: 9, ..Filter::default() }).await.expect("a list");
    assert!(listed.is_empty());
    let mut theirs = next(&row("a"));
    theirs.connection.tenant = other();
    assert!(matches!(on.connections.update(theirs, 1, Along::default()).await, Err(WriteError::Stale)));
    assert!(!on.connections.delete(other(), id("a"), 1, Along::default()).await.expect("asked"));
    assert_eq!(show(&found(on, "a").await), show(&row("a")));
}

pub(super) async fn what_goes_along_is_written_with_the_row_or_not_at_all(on: &Place) {
    let along = |name: &str| Along {
        events: vec![event(0, "one"), event(0, "two")],
        revocation: Some(revocation(name)),
        ..Along::default()
    };
    on.connections.insert(row("a"), along("r1")).await.expect("written");
    on.connections.update(next(&row("a")), 1, along("r2")).await.expect("written");
    // An id of a revocation that is taken stands for whatever goes wrong at the end.
    assert!(on.connections.insert(row("b"), along("r1")).await.is_err());
    let third = Row { revision: 3, ..row("a") };
    assert!(on.connections.update(third, 2, along("r1")).await.is_err());
    assert!(on.connections.delete(acme(), id("a"), 2, along("r1")).await.is_err());
    assert_eq!(show(&found(on, "a").await), show(&next(&row("a"))));
    assert!(on.connections.find(acme(), id("b")).await.expect("read").is_none());
    assert_eq!(on.events.list(acme(), id("a"), None, 9).await.expect("a list").len(), 4);
    assert!(on.events.list(acme(), id("b"), None, 9).await.expect("a list").is_empty());
}

pub(super) async fn a_pause_shows_over_the_state_beneath(on: &Place) {
    insert(on, Row { paused: true, ..row("a") }).await;
    let listed = on.connections.list(acme(), Filter { limit: 9, ..Filter::default() }).await.expect("a list");
    assert_eq!(listed[0].connection.state, State::Paused);
    let row = found(on, "a").await;
    assert_eq!((row.connection.state, row.shown().state), (State::Active, State::Paused));
}
