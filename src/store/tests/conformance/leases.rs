//! The right to renew credentials: one at a time, for a time.

use std::time::Duration;

use super::place::Place;
use super::samples::{acme, arc, event, fresh, id, key, other, row, show};
use crate::connections::{Along, Key, Lease, Leased, Row, State};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(40);

async fn insert(on: &Place, row: Row) {
    on.connections.insert(row, Along::default()).await.expect("written");
}

pub(super) async fn lease(on: &Place, name: &str, generation: u64, ttl: Duration) -> Leased {
    on.tokens.lease(key(name), generation, arc("me"), ttl).await.expect("asked")
}

pub(super) async fn granted(on: &Place, name: &str, generation: u64, ttl: Duration) -> Lease {
    match lease(on, name, generation, ttl).await {
        Leased::Granted(lease) => *lease,
        Leased::Held => panic!("held"),
        Leased::Moved => panic!("moved"),
    }
}

pub(super) async fn a_lease_is_granted_once(on: &Place) {
    insert(on, row("a")).await;
    insert(on, row("b")).await;
    let lease_of_a = granted(on, "a", 1, LONG).await;
    assert_eq!((lease_of_a.interrupted, lease_of_a.orphan), (false, None));
    assert_eq!(show(&lease_of_a.row), show(&row("a")));
    assert!(matches!(lease(on, "a", 1, LONG).await, Leased::Held));
    granted(on, "b", 1, LONG).await;
    // A lease is no change of the row.
    let found = on.connections.find(acme(), id("a")).await.expect("read").expect("the row");
    assert_eq!(show(&found), show(&row("a")));
}

pub(super) async fn of_many_who_want_a_lease_one_gets_it(on: &Place) {
    for round in 0..4 {
        let name = format!("a{round}");
        insert(on, row(&name)).await;
        let all = futures_util::future::join_all((0..12).map(|_| lease(on, &name, 1, LONG))).await;
        let count = |wanted: fn(&Leased) -> bool| all.iter().filter(|leased| wanted(leased)).count();
        let granted = count(|leased| matches!(leased, Leased::Granted(_)));
        assert_eq!((granted, count(|leased| matches!(leased, Leased::Held))), (1, 11));
    }
}

pub(super) async fn a_lease_that_ran_out_goes_to_the_next_who_learns_of_it(on: &Place) {
    insert(on, row("a")).await;
    insert(on, row("b")).await;
    granted(on, "b", 1, LONG).await;
    assert!(matches!(lease(on, "b", 1, SHORT).await, Leased::Held));
    let first = granted(on, "a", 1, SHORT).await;
    tokio::time::sleep(SHORT * 2).await;
    let second = granted(on, "a", 1, LONG).await;
    assert!(!first.interrupted && second.interrupted && second.epoch > first.epoch);
    // The first one comes too late.
    assert!(!on.tokens.commit(key("a"), first.epoch, fresh(2), vec![event(0, "x")]).await.expect("asked"));
    assert!(on.tokens.commit(key("a"), second.epoch, fresh(2), Vec::new()).await.expect("asked"));
    let third = granted(on, "a", 2, LONG).await;
    assert!(!third.interrupted && third.epoch > second.epoch);
}

pub(super) async fn only_what_is_as_expected_and_usable_is_leased(on: &Place) {
    insert(on, row("a")).await;
    insert(on, Row { paused: true, ..row("asleep") }).await;
    for state in State::all() {
        let mut one = row(state.as_str());
        one.connection.state = state;
        insert(on, one).await;
        let usable = matches!(state, State::Active | State::Degraded);
        assert_eq!(matches!(lease(on, state.as_str(), 1, LONG).await, Leased::Granted(_)), usable, "{state:?}");
    }
    for (name, generation) in [("a", 0), ("a", 2), ("none", 1), ("asleep", 1)] {
        assert!(matches!(lease(on, name, generation, LONG).await, Leased::Moved), "{name} {generation}");
    }
    let foreign = Key { tenant: other(), id: id("a") };
    let leased = on.tokens.lease(foreign, 1, arc("me"), LONG).await.expect("asked");
    assert!(matches!(leased, Leased::Moved));
    granted(on, "a", 1, LONG).await;
    // What has moved is told before what is held.
    assert!(matches!(lease(on, "a", 2, LONG).await, Leased::Moved));
}

pub(super) async fn a_lease_is_held_on_to_by_its_holder_only(on: &Place) {
    insert(on, row("a")).await;
    let first = granted(on, "a", 1, SHORT).await;
    on.tokens.keep_orphan(key("a"), 2, b"orphan".to_vec()).await.expect("kept");
    let extend = async |name: &str, epoch, generation| {
        on.tokens.extend(key(name), epoch, generation, LONG).await.expect("asked")
    };
    for (name, epoch, generation) in
        [("a", first.epoch + 1, 1), ("a", first.epoch - 1, 1), ("a", first.epoch, 2), ("none", first.epoch, 1)]
    {
        assert!(extend(name, epoch, generation).await.is_none(), "{name} {epoch} {generation}");
    }
    let foreign = Key { tenant: other(), id: id("a") };
    assert!(on.tokens.extend(foreign, first.epoch, 1, LONG).await.expect("asked").is_none());
    let longer = extend("a", first.epoch, 1).await.expect("still held");
    assert_eq!((longer.epoch, longer.interrupted), (first.epoch, false));
    assert_eq!((show(&longer.row), longer.orphan), (show(&row("a")), Some((2, b"orphan".to_vec()))));
    tokio::time::sleep(SHORT * 2).await;
    assert!(matches!(lease(on, "a", 1, LONG).await, Leased::Held));
    assert!(on.tokens.commit(key("a"), first.epoch, fresh(2), Vec::new()).await.expect("asked"));
    assert!(extend("a", first.epoch, 2).await.is_none(), "it was given back");
}

pub(super) async fn a_lease_that_ran_out_can_be_held_on_to_until_another_has_it(on: &Place) {
    insert(on, row("a")).await;
    let first = granted(on, "a", 1, SHORT).await;
    tokio::time::sleep(SHORT * 2).await;
    assert!(on.tokens.extend(key("a"), first.epoch, 1, SHORT).await.expect("asked").is_some());
    assert!(matches!(lease(on, "a", 1, SHORT).await, Leased::Held));
    tokio::time::sleep(SHORT * 2).await;
    granted(on, "a", 1, LONG).await;
    assert!(on.tokens.extend(key("a"), first.epoch, 1, SHORT).await.expect("asked").is_none());
}

pub(super) async fn new_credentials_end_a_lease(on: &Place) {
    insert(on, row("a")).await;
    let first = granted(on, "a", 1, LONG).await;
    let replaced = Row { revision: 2, generation: 2, ..row("a") };
    on.connections.update(replaced, 1, Along::default()).await.expect("written");
    let second = granted(on, "a", 2, LONG).await;
    assert!(second.epoch > first.epoch && !second.interrupted);
}

pub(super) async fn other_changes_leave_a_lease(on: &Place) {
    insert(on, row("a")).await;
    let lease_of_a = granted(on, "a", 1, LONG).await;
    let mut changed = Row { revision: 2, ..row("a") };
    changed.connection.customer_id = arc("renamed");
    on.connections.update(changed, 1, Along::default()).await.expect("written");
    assert!(matches!(lease(on, "a", 1, LONG).await, Leased::Held));
    assert!(on.tokens.commit(key("a"), lease_of_a.epoch, fresh(2), Vec::new()).await.expect("asked"));
    let found = on.connections.find(acme(), id("a")).await.expect("read").expect("the row");
    assert_eq!((found.revision, found.generation, &*found.connection.customer_id), (3, 2, "renamed"));
}

pub(super) async fn an_orphan_waits_for_the_next_lease(on: &Place) {
    insert(on, row("a")).await;
    assert!(on.tokens.keep_orphan(key("a"), 2, b"first".to_vec()).await.expect("kept"));
    assert!(on.tokens.keep_orphan(key("a"), 3, b"second".to_vec()).await.expect("kept"));
    assert!(!on.tokens.keep_orphan(key("none"), 2, b"x".to_vec()).await.expect("asked"));
    let foreign = Key { tenant: other(), id: id("a") };
    assert!(!on.tokens.keep_orphan(foreign, 2, b"x".to_vec()).await.expect("asked"));
    let first = granted(on, "a", 1, SHORT).await;
    assert_eq!(first.orphan, Some((3, b"second".to_vec())));
    tokio::time::sleep(SHORT * 2).await;
    let second = granted(on, "a", 1, LONG).await;
    assert_eq!(second.orphan, first.orphan, "a lease does not use it up");
    assert!(on.tokens.commit(key("a"), second.epoch, fresh(2), Vec::new()).await.expect("asked"));
    assert_eq!(granted(on, "a", 2, LONG).await.orphan, None);
}

pub(super) async fn an_orphan_goes_with_its_generation(on: &Place) {
    insert(on, row("a")).await;
    on.tokens.keep_orphan(key("a"), 2, b"orphan".to_vec()).await.expect("kept");
    on.connections.update(Row { revision: 2, ..row("a") }, 1, Along::default()).await.expect("written");
    assert!(granted(on, "a", 1, LONG).await.orphan.is_some());
    let replaced = Row { revision: 3, generation: 2, ..row("a") };
    on.connections.update(replaced, 2, Along::default()).await.expect("written");
    assert_eq!(granted(on, "a", 2, LONG).await.orphan, None);
}
