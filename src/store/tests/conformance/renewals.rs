//! What comes of a renewal, and whose turn it is.

use std::time::Duration;

use super::leases::granted;
use super::place::Place;
use super::samples::{acme, arc, at, event, failed, fresh, full_row, id, key, object, other, row, show};
use crate::connections::{Along, Failing, Fresh, Key, LOST_ROTATION, Leased, Row, State};

const LONG: Duration = Duration::from_secs(60);

async fn insert(on: &Place, row: Row) {
    on.connections.insert(row, Along::default()).await.expect("written");
}

async fn found(on: &Place, name: &str) -> Row {
    on.connections.find(acme(), id(name)).await.expect("read").expect("the row")
}

async fn events(on: &Place, name: &str) -> usize {
    on.events.list(acme(), id(name), None, 99).await.expect("a list").len()
}

pub(super) async fn what_is_committed_is_read(on: &Place) {
    insert(on, full_row("a")).await;
    let lease = granted(on, "a", 1, LONG).await;
    assert!(on.tokens.commit(key("a"), lease.epoch, fresh(2), vec![event(0, "x")]).await.expect("asked"));
    let mut expected = full_row("a");
    (expected.revision, expected.generation, expected.sealed) = (5, 2, b"sealed 2".to_vec());
    expected.failing = None;
    expected.times.refreshed_at = Some(at(10));
    (expected.times.expires_at, expected.times.next_refresh_at) = (Some(at(20)), Some(at(15)));
    let connection = &mut expected.connection;
    (connection.state, connection.state_reason, connection.last_error) = (State::Active, None, None);
    (connection.settings, connection.scopes) = (object(serde_json::json!({"region": "us"})), vec!["write".into()]);
    assert_eq!(show(&found(on, "a").await), show(&expected));
    assert_eq!(events(on, "a").await, 1);
    // The lease was given back.
    granted(on, "a", 2, LONG).await;
}

pub(super) async fn a_commit_leaves_what_it_does_not_name(on: &Place) {
    insert(on, full_row("a")).await;
    let lease = granted(on, "a", 1, LONG).await;
    let bare = Fresh { settings: None, scopes: None, expires_at: None, next_refresh_at: None, ..fresh(2) };
    assert!(on.tokens.commit(key("a"), lease.epoch, bare, Vec::new()).await.expect("asked"));
    let (before, after) = (full_row("a"), found(on, "a").await);
    assert_eq!(
        (after.connection.settings, after.connection.scopes),
        (before.connection.settings, before.connection.scopes)
    );
    assert_eq!((after.times.expires_at, after.times.next_refresh_at), (None, None));
    assert_eq!(after.times.last_used_at, before.times.last_used_at);
}

/// Nothing of a commit is there.
async fn refuses(on: &Place, name: &str, epoch: u64, fresh: Fresh) {
    let row = on.connections.find(acme(), id(name)).await.expect("read");
    let before = (row.as_ref().map(show), events(on, name).await);
    assert!(!on.tokens.commit(key(name), epoch, fresh, vec![event(0, "x")]).await.expect("asked"));
    let row = on.connections.find(acme(), id(name)).await.expect("read");
    assert_eq!((row.as_ref().map(show), events(on, name).await), before);
}

pub(super) async fn a_commit_under_an_old_epoch_writes_nothing(on: &Place) {
    insert(on, row("a")).await;
    let lease = granted(on, "a", 1, LONG).await;
    for wrong in [0, lease.epoch - 1, lease.epoch + 1] {
        refuses(on, "a", wrong, fresh(2)).await;
    }
    assert!(on.tokens.commit(key("a"), lease.epoch, fresh(2), Vec::new()).await.expect("asked"));
    refuses(on, "a", lease.epoch, fresh(2)).await;
}

pub(super) async fn a_commit_of_another_generation_writes_nothing(on: &Place) {
    insert(on, row("a")).await;
    let lease = granted(on, "a", 1, LONG).await;
    for wrong in [1, 3] {
        refuses(on, "a", lease.epoch, fresh(wrong)).await;
    }
}

pub(super) async fn a_commit_after_new_credentials_writes_nothing(on: &Place) {
    insert(on, row("a")).await;
    let lease = granted(on, "a", 1, LONG).await;
    on.connections.update(Row { revision: 2, generation: 2, ..row("a") }, 1, Along::default()).await.expect("written");
    for generation in [2, 3] {
        refuses(on, "a", lease.epoch, fresh(generation)).await;
    }
}

pub(super) async fn a_commit_to_a_row_that_is_no_more_writes_nothing(on: &Place) {
    for state in [State::NeedsReauth, State::Revoked] {
        let name = state.as_str();
        insert(on, row(name)).await;
        let lease = granted(on, name, 1, LONG).await;
        let mut ended = Row { revision: 2, ..row(name) };
        ended.connection.state = state;
        on.connections.update(ended, 1, Along::default()).await.expect("written");
        refuses(on, name, lease.epoch, fresh(2)).await;
        assert!(!on.tokens.fail(key(name), lease.epoch, failed(State::Degraded), Vec::new()).await.expect("asked"));
    }
    insert(on, row("a")).await;
    let lease = granted(on, "a", 1, LONG).await;
    let foreign = Key { tenant: other(), id: id("a") };
    assert!(!on.tokens.commit(foreign, lease.epoch, fresh(2), Vec::new()).await.expect("asked"));
    on.connections.delete(acme(), id("a"), 1, Along::default()).await.expect("deleted");
    refuses(on, "a", lease.epoch, fresh(2)).await;
}

pub(super) async fn of_two_commits_of_an_epoch_one_is_written(on: &Place) {
    for round in 0..4 {
        let name = format!("a{round}");
        insert(on, row(&name)).await;
        let lease = granted(on, &name, 1, LONG).await;
        let commit = || on.tokens.commit(key(&name), lease.epoch, fresh(2), vec![event(0, "x")]);
        let (one, two) = tokio::join!(commit(), commit());
        assert!(one.expect("asked") ^ two.expect("asked"));
        assert_eq!((found(on, &name).await.generation, events(on, &name).await), (2, 1));
    }
}

pub(super) async fn what_was_thought_lost_is_adopted(on: &Place) {
    for (name, state, reason, adopted) in [
        ("active", State::Active, None, true),
        ("degraded", State::Degraded, Some("x"), true),
        ("lost", State::NeedsReauth, Some(LOST_ROTATION), true),
        ("refused", State::NeedsReauth, Some("refused"), false),
        ("silent", State::NeedsReauth, None, false),
        ("revoked", State::Revoked, Some(LOST_ROTATION), false),
    ] {
        let mut one = row(name);
        (one.connection.state, one.connection.state_reason) = (state, reason.map(str::to_owned));
        insert(on, one.clone()).await;
        for wrong in [1, 3] {
            assert!(!on.tokens.adopt(key(name), fresh(wrong), vec![event(0, "x")]).await.expect("asked"));
        }
        assert_eq!(on.tokens.adopt(key(name), fresh(2), vec![event(0, "x")]).await.expect("asked"), adopted, "{name}");
        let after = found(on, name).await;
        assert_eq!((after.generation, events(on, name).await), if adopted { (2, 1) } else { (1, 0) });
        if adopted {
            assert_eq!(
                (after.connection.state, after.connection.state_reason, after.revision),
                (State::Active, None, 2)
            );
        } else {
            assert_eq!(show(&after), show(&one));
        }
    }
    assert!(!on.tokens.adopt(key("none"), fresh(2), Vec::new()).await.expect("asked"));
}

pub(super) async fn nothing_is_adopted_while_somebody_is_at_it(on: &Place) {
    insert(on, row("a")).await;
    let short = Duration::from_millis(40);
    let lease = granted(on, "a", 1, short).await;
    assert!(!on.tokens.adopt(key("a"), fresh(2), vec![event(0, "x")]).await.expect("asked"));
    let foreign = Key { tenant: other(), id: id("a") };
    tokio::time::sleep(short * 2).await;
    assert!(!on.tokens.adopt(foreign, fresh(2), Vec::new()).await.expect("asked"));
    assert!(on.tokens.adopt(key("a"), fresh(2), Vec::new()).await.expect("asked"));
    assert!(!on.tokens.commit(key("a"), lease.epoch, fresh(2), Vec::new()).await.expect("asked"));
    assert!(!granted(on, "a", 2, LONG).await.interrupted);
}

pub(super) async fn a_failure_is_written_and_gives_the_lease_back(on: &Place) {
    insert(on, row("a")).await;
    let first = granted(on, "a", 1, LONG).await;
    let degraded = failed(State::Degraded);
    assert!(on.tokens.fail(key("a"), first.epoch, degraded, vec![event(0, "x")]).await.expect("asked"));
    let mut expected = Row { revision: 2, failing: Some(Failing { count: 2, since: at(9) }), ..row("a") };
    expected.times.next_refresh_at = Some(at(30));
    let connection = &mut expected.connection;
    connection.state = State::Degraded;
    (connection.state_reason, connection.last_error) = (Some("refused".into()), Some("invalid_grant".into()));
    assert_eq!(show(&found(on, "a").await), show(&expected));
    assert_eq!(events(on, "a").await, 1);
    let second = granted(on, "a", 1, LONG).await;
    assert!(!second.interrupted);
    let ended = failed(State::NeedsReauth);
    assert!(on.tokens.fail(key("a"), second.epoch, ended, Vec::new()).await.expect("asked"));
    let leased = on.tokens.lease(key("a"), 1, arc("me"), LONG).await.expect("asked");
    assert!(matches!(leased, Leased::Moved));
}

pub(super) async fn a_failure_under_an_old_epoch_writes_nothing(on: &Place) {
    insert(on, row("a")).await;
    let lease = granted(on, "a", 1, LONG).await;
    for wrong in [lease.epoch - 1, lease.epoch + 1] {
        assert!(!on.tokens.fail(key("a"), wrong, failed(State::Degraded), vec![event(0, "x")]).await.expect("asked"));
    }
    assert_eq!((show(&found(on, "a").await), events(on, "a").await), (show(&row("a")), 0));
}

/// The connections that are due at second 10, in their order.
async fn due(on: &Place, limit: usize) -> Vec<String> {
    let due = on.tokens.due(at(10), limit).await.expect("asked");
    due.into_iter().map(|due| due.key.id.as_str().trim_start_matches("conn_").to_owned()).collect()
}

pub(super) async fn what_is_due_comes_last_used_first(on: &Place) {
    for (name, next, used) in
        [("d", 9, None), ("b", 10, Some(2)), ("a", 1, Some(3)), ("e", 11, Some(4)), ("c", 3, Some(2)), ("f", 3, None)]
    {
        let mut one = row(name);
        (one.times.next_refresh_at, one.times.last_used_at) = (Some(at(next)), used.map(at));
        insert(on, one).await;
    }
    assert_eq!(due(on, 9).await, ["a", "b", "c", "d", "f"]);
    assert_eq!(due(on, 2).await, ["a", "b"]);
    assert_eq!(due(on, 0).await, [""; 0]);
    let first = on.tokens.due(at(10), 1).await.expect("asked").remove(0);
    assert_eq!((first.key, &*first.provider, first.generation), (key("a"), "blue", 1));
    assert_eq!((first.last_used_at, first.refreshed_at, first.created_at), (Some(at(3)), None, at(0)));
}

pub(super) async fn what_cannot_be_renewed_is_not_due(on: &Place) {
    for state in State::all() {
        let mut one = row(state.as_str());
        (one.connection.state, one.times.next_refresh_at) = (state, Some(at(1)));
        insert(on, one).await;
    }
    let mut paused = Row { paused: true, ..row("asleep") };
    paused.times.next_refresh_at = Some(at(1));
    insert(on, paused).await;
    insert(on, row("never")).await;
    assert_eq!(due(on, 9).await, ["active", "degraded"]);
    granted(on, "active", 1, LONG).await;
    let short = Duration::from_millis(40);
    granted(on, "degraded", 1, short).await;
    assert_eq!(due(on, 9).await, [""; 0]);
    tokio::time::sleep(short * 2).await;
    assert_eq!(due(on, 9).await, ["degraded"]);
}

pub(super) async fn a_renewal_is_postponed_for_its_generation_only(on: &Place) {
    insert(on, full_row("a")).await;
    on.tokens.postpone(key("a"), 2, Some(at(99))).await.expect("asked");
    on.tokens.postpone(Key { tenant: other(), id: id("a") }, 1, Some(at(99))).await.expect("asked");
    on.tokens.postpone(key("none"), 1, Some(at(99))).await.expect("asked");
    assert_eq!(show(&found(on, "a").await), show(&full_row("a")));
    for until in [Some(at(50)), None] {
        on.tokens.postpone(key("a"), 1, until).await.expect("written");
        let mut expected = full_row("a");
        expected.times.next_refresh_at = until;
        assert_eq!(show(&found(on, "a").await), show(&expected));
    }
}

pub(super) async fn the_last_use_of_connections_never_goes_back(on: &Place) {
    for name in ["a", "b"] {
        insert(on, row(name)).await;
    }
    on.tokens.touch(Vec::new()).await.expect("nothing to write");
    let foreign = (Key { tenant: other(), id: id("a") }, at(9));
    let batches = [
        vec![(key("a"), at(2)), (key("none"), at(2)), foreign],
        vec![(key("a"), at(1)), (key("b"), at(4))],
        vec![(key("a"), at(3)), (key("a"), at(2)), (key("b"), at(3))],
    ];
    for batch in batches {
        on.tokens.touch(batch).await.expect("written");
    }
    for (name, last) in [("a", 3), ("b", 4)] {
        let mut expected = row(name);
        expected.times.last_used_at = Some(at(last));
        assert_eq!(show(&found(on, name).await), show(&expected));
    }
    // Two who write down the same connections in another order do not block each other for good.
    let batch = |names: [&str; 2]| names.iter().map(|name| (key(name), at(100))).collect::<Vec<_>>();
    let both = (0..20).map(|round| on.tokens.touch(batch(if round % 2 == 0 { ["a", "b"] } else { ["b", "a"] })));
    for touched in futures_util::future::join_all(both).await {
        touched.expect("written");
    }
}

pub(super) async fn the_census_counts_what_shows(on: &Place) {
    assert!(on.tokens.census().await.expect("counted").is_empty());
    for (name, provider, state, paused) in [
        ("a", "blue", State::Active, false),
        ("b", "blue", State::Active, false),
        ("c", "blue", State::NeedsReauth, true),
        ("d", "red", State::NeedsReauth, false),
    ] {
        let mut one = Row { paused, ..row(name) };
        (one.connection.provider, one.connection.state) = (arc(provider), state);
        if name == "b" {
            one.connection.tenant = other();
        }
        insert(on, one).await;
    }
    let mut counted = on.tokens.census().await.expect("counted");
    counted.sort_by_key(|(provider, state, _)| (provider.clone(), state.as_str()));
    let expected = [("blue", State::Active, 2), ("blue", State::Paused, 1), ("red", State::NeedsReauth, 1)];
    assert_eq!(counted, expected.map(|(provider, state, count)| (arc(provider), state, count)));
}
