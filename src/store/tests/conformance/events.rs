//! What happened to connections.

use super::place::Place;
use super::samples::{acme, event, id, other};
use crate::connections::{Event, EventKind, KEPT, Logged};

fn details(events: &[Logged]) -> Vec<&str> {
    events.iter().map(|logged| logged.event.detail.as_deref().unwrap_or("-")).collect()
}

pub(super) async fn events_come_newest_first_and_in_pages(on: &Place) {
    assert!(on.events.list(acme(), id("a"), None, 10).await.expect("a list").is_empty());
    // The order is that of the log, whatever the times say.
    let written =
        [event(3, "one"), event(1, "two"), Event { detail: None, kind: EventKind::NeedsReauth, ..event(2, "") }];
    for one in &written {
        on.events.append(acme(), id("a"), one.clone()).await.expect("written");
    }
    let all = on.events.list(acme(), id("a"), None, 10).await.expect("a list");
    assert_eq!(details(&all), ["-", "two", "one"]);
    let read: Vec<_> = all.iter().rev().map(|logged| logged.event.clone()).collect();
    assert_eq!(read, written);
    assert!(all.windows(2).all(|pair| pair[0].number > pair[1].number));

    let page = on.events.list(acme(), id("a"), None, 2).await.expect("a list");
    assert_eq!(page, all[..2]);
    let rest = on.events.list(acme(), id("a"), Some(page[1].number), 2).await.expect("a list");
    assert_eq!(rest, all[2..]);
    assert!(on.events.list(acme(), id("a"), Some(rest[0].number), 2).await.expect("a list").is_empty());
    assert!(on.events.list(acme(), id("a"), None, 0).await.expect("a list").is_empty());
}

pub(super) async fn the_newest_events_are_kept(on: &Place) {
    on.events.append(acme(), id("b"), event(0, "another's")).await.expect("written");
    for number in 0..KEPT + 3 {
        on.events.append(acme(), id("a"), event(0, &number.to_string())).await.expect("written");
    }
    let kept = on.events.list(acme(), id("a"), None, KEPT * 2).await.expect("a list");
    assert_eq!(kept.len(), KEPT);
    let (newest, oldest) = ((KEPT + 2).to_string(), 3.to_string());
    assert_eq!((details(&kept)[0], details(&kept)[KEPT - 1]), (newest.as_str(), oldest.as_str()));
    assert_eq!(on.events.list(acme(), id("b"), None, 10).await.expect("a list").len(), 1);
}

pub(super) async fn events_of_others_are_never_seen(on: &Place) {
    on.events.append(acme(), id("a"), event(0, "ours")).await.expect("written");
    on.events.append(acme(), id("b"), event(0, "another connection's")).await.expect("written");
    on.events.append(other(), id("a"), event(0, "another tenant's")).await.expect("written");
    assert_eq!(details(&on.events.list(acme(), id("a"), None, 10).await.expect("a list")), ["ours"]);
    assert_eq!(details(&on.events.list(other(), id("a"), None, 10).await.expect("a list")), ["another tenant's"]);
    assert!(on.events.list(other(), id("b"), None, 10).await.expect("a list").is_empty());
}
