//! The last requests through connections.

use super::place::Place;
use super::samples::{acme, at, id, key, other, row};
use crate::connections::{Along, Key, Written};

fn written(of: Key, second: i64, text: &str) -> Written {
    Written { of, at: at(second), text: format!("{{\"text\":\"{text}\"}}"), bodies: None }
}

async fn connected(on: &Place, names: &[&str]) {
    for name in names {
        on.connections.insert(row(name), Along::default()).await.expect("written");
    }
}

async fn texts(on: &Place, name: &str) -> Vec<String> {
    let listed = on.requests.list(acme(), id(name), None, 99).await.expect("a list");
    listed.iter().map(|kept| kept.text.split('"').nth(3).expect("a text").to_owned()).collect()
}

pub(super) async fn requests_come_newest_first_and_in_pages(on: &Place) {
    connected(on, &["a", "b"]).await;
    // The order is that in which they were written, whatever the times say.
    let some = [written(key("a"), 3, "one"), written(key("b"), 1, "another's"), written(key("a"), 1, "two ü '")];
    on.requests.append_aside(some.to_vec(), 9).await.expect("written");
    on.requests.append_aside(vec![written(key("a"), 2, "three")], 9).await.expect("written");
    assert_eq!(texts(on, "a").await, ["three", "two ü '", "one"]);
    assert_eq!(texts(on, "b").await, ["another's"]);
    let all = on.requests.list(acme(), id("a"), None, 9).await.expect("a list");
    let page = on.requests.list(acme(), id("a"), None, 2).await.expect("a list");
    assert_eq!(page, all[..2]);
    let rest = on.requests.list(acme(), id("a"), Some(page[1].number), 2).await.expect("a list");
    assert_eq!(rest, all[2..]);
    assert!(on.requests.list(acme(), id("a"), Some(rest[0].number), 2).await.expect("a list").is_empty());
}

pub(super) async fn the_newest_requests_of_each_connection_are_kept(on: &Place) {
    connected(on, &["a", "b"]).await;
    let many = (0..5).map(|number| written(key("a"), number, &number.to_string()));
    let many = many.chain([written(key("b"), 0, "another's")]).collect();
    on.requests.append_aside(many, 3).await.expect("written");
    assert_eq!(texts(on, "a").await, ["4", "3", "2"]);
    on.requests.append_aside(vec![written(key("a"), 9, "new")], 3).await.expect("written");
    assert_eq!(texts(on, "a").await, ["new", "4", "3"]);
    assert_eq!(texts(on, "b").await, ["another's"]);
}

pub(super) async fn requests_of_others_are_never_seen_and_those_of_nobody_not_kept(on: &Place) {
    connected(on, &["a"]).await;
    let foreign = Key { tenant: other(), id: id("a") };
    let some = vec![written(key("a"), 0, "ours"), written(foreign, 0, "foreign"), written(key("gone"), 0, "lost")];
    on.requests.append_aside(some, 9).await.expect("written");
    assert_eq!(texts(on, "a").await, ["ours"]);
    assert!(texts(on, "gone").await.is_empty());
    assert!(on.requests.list(other(), id("a"), None, 9).await.expect("a list").is_empty());
}

pub(super) async fn requests_go_with_their_connection(on: &Place) {
    connected(on, &["a", "b"]).await;
    let some = vec![written(key("a"), 0, "one"), written(key("b"), 0, "two")];
    on.requests.append_aside(some, 9).await.expect("written");
    assert!(on.connections.delete(acme(), id("a"), 1, Along::default()).await.expect("deleted"));
    assert!(texts(on, "a").await.is_empty());
    assert_eq!(texts(on, "b").await, ["two"]);
}

pub(super) async fn old_requests_are_swept(on: &Place) {
    connected(on, &["a"]).await;
    let many = (0..5).map(|second| written(key("a"), second, &second.to_string())).collect();
    on.requests.append_aside(many, 9).await.expect("written");
    assert_eq!(on.requests.sweep(at(3), 2).await.expect("swept"), 2);
    assert_eq!(on.requests.sweep(at(3), 2).await.expect("swept"), 1);
    assert_eq!(on.requests.sweep(at(3), 2).await.expect("swept"), 0);
    assert_eq!(texts(on, "a").await, ["4", "3"]);
}

pub(super) async fn bodies_are_kept_with_their_request_and_swept_before_it(on: &Place) {
    connected(on, &["a"]).await;
    let sealed = |second: u8| (second != 1).then(|| vec![0, second, 255]);
    let many = (0..5).map(|second| Written { bodies: sealed(second), ..written(key("a"), i64::from(second), "x") });
    on.requests.append_aside(many.collect(), 9).await.expect("written");
    let kept = async || -> Vec<Option<Vec<u8>>> {
        let listed = on.requests.list(acme(), id("a"), None, 9).await.expect("a list");
        listed.into_iter().rev().map(|kept| kept.bodies).collect()
    };
    assert_eq!(kept().await, [0, 1, 2, 3, 4].map(sealed));
    assert_eq!(on.requests.sweep_bodies(at(4), 2).await.expect("swept"), 2);
    assert_eq!(on.requests.sweep_bodies(at(4), 2).await.expect("swept"), 1);
    assert_eq!(on.requests.sweep_bodies(at(4), 2).await.expect("swept"), 0);
    assert_eq!(kept().await, [None, None, None, None, sealed(4)]);
    assert_eq!(texts(on, "a").await.len(), 5, "the requests stay");
}
