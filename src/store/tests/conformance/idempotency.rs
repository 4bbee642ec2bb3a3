//! Writes that happen once: who may do them, and what is remembered of them.

use std::time::Duration;

use super::place::Place as On;
use super::samples::{acme, arc, id, other, row};
use crate::connections::Along;
use crate::idempotency::{Claim, Claimed, End, Place};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(40);

pub(super) fn place(name: &str) -> Place {
    Place { tenant: acme(), connection: id("a"), id: arc(name) }
}

pub(super) fn claim(name: &str, fingerprint: &str) -> Claim {
    Claim { id: arc(name), owner: arc("me"), fingerprint: arc(fingerprint), lease: LONG, ttl: LONG }
}

async fn ask(on: &On, at: &str, claim: Claim) -> Claimed {
    on.idempotency.claim(place(at), claim).await.expect("asked")
}

async fn settle(on: &On, at: &str, claim: &str, end: End) -> bool {
    on.idempotency.settle(place(at), arc(claim), end).await.expect("asked")
}

pub(super) async fn a_write_is_claimed_once(on: &On) {
    assert_eq!(ask(on, "w", claim("1", "f")).await, Claimed::New);
    assert_eq!(ask(on, "w", claim("2", "f")).await, Claimed::InFlight);
    assert_eq!(ask(on, "v", claim("3", "f")).await, Claimed::New);
}

pub(super) async fn of_many_who_claim_a_write_one_gets_it(on: &On) {
    for round in 0..4 {
        let at = format!("w{round}");
        let all = futures_util::future::join_all((0..12).map(|index| ask(on, &at, claim(&format!("{index}"), "f"))));
        let all = all.await;
        let count = |wanted: Claimed| all.iter().filter(|claimed| **claimed == wanted).count();
        assert_eq!((count(Claimed::New), count(Claimed::InFlight)), (1, 11));
    }
}

pub(super) async fn another_request_under_the_key_is_told(on: &On) {
    ask(on, "w", claim("1", "f")).await;
    assert_eq!(ask(on, "w", claim("2", "g")).await, Claimed::Mismatch);
    settle(on, "w", "1", End::Done(b"x".to_vec())).await;
    assert_eq!(ask(on, "w", claim("2", "g")).await, Claimed::Mismatch);
}

pub(super) async fn an_end_is_read_as_it_was_written(on: &On) {
    let all: Vec<u8> = (0..=255).collect();
    for (at, end, read) in [
        ("done", End::Done(all.clone()), Claimed::Done(all.clone())),
        ("empty", End::Done(Vec::new()), Claimed::Done(Vec::new())),
        ("hint", End::Unknown(Some(all.clone())), Claimed::Unknown(Some(all))),
        ("unknown", End::Unknown(None), Claimed::Unknown(None)),
    ] {
        ask(on, at, claim("1", "f")).await;
        assert!(settle(on, at, "1", end).await);
        assert_eq!(ask(on, at, claim("2", "f")).await, read);
    }
}

pub(super) async fn what_did_nothing_is_forgotten(on: &On) {
    ask(on, "w", claim("1", "f")).await;
    on.idempotency.release(place("w"), arc("1")).await.expect("released");
    assert_eq!(ask(on, "w", claim("2", "g")).await, Claimed::New);
    // The first one comes too late for anything.
    on.idempotency.release(place("w"), arc("1")).await.expect("asked");
    assert_eq!(ask(on, "w", claim("3", "g")).await, Claimed::InFlight);
}

pub(super) async fn only_the_claim_that_there_is_may_end(on: &On) {
    ask(on, "w", claim("1", "f")).await;
    assert!(!settle(on, "w", "2", End::Unknown(None)).await);
    assert!(!settle(on, "v", "1", End::Unknown(None)).await);
    assert_eq!(ask(on, "w", claim("3", "f")).await, Claimed::InFlight);
}

pub(super) async fn a_claim_without_a_sign_of_life_is_unknown_and_may_still_end(on: &On) {
    ask(on, "w", Claim { lease: SHORT * 10, ..claim("1", "f") }).await;
    assert_eq!(ask(on, "w", claim("2", "f")).await, Claimed::InFlight);
    tokio::time::sleep(SHORT * 12).await;
    assert_eq!(ask(on, "w", claim("2", "f")).await, Claimed::Unknown(None));
    // It was only slow, and knows better.
    assert!(settle(on, "w", "1", End::Done(b"x".to_vec())).await);
    assert_eq!(ask(on, "w", claim("2", "f")).await, Claimed::Done(b"x".to_vec()));
}

pub(super) async fn signs_of_life_are_of_one_process(on: &On) {
    ask(on, "mine", Claim { lease: SHORT, ..claim("1", "f") }).await;
    ask(on, "theirs", Claim { lease: SHORT, owner: arc("them"), ..claim("1", "f") }).await;
    on.idempotency.renew(arc("me"), LONG, LONG).await.expect("renewed");
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(ask(on, "mine", claim("2", "f")).await, Claimed::InFlight);
    assert_eq!(ask(on, "theirs", claim("2", "f")).await, Claimed::Unknown(None));
    // One that is too old to be a write is not kept alive.
    ask(on, "old", Claim { lease: SHORT * 4, ..claim("1", "f") }).await;
    tokio::time::sleep(SHORT * 2).await;
    on.idempotency.renew(arc("me"), LONG, SHORT).await.expect("renewed");
    tokio::time::sleep(SHORT * 3).await;
    assert_eq!(ask(on, "old", claim("2", "f")).await, Claimed::Unknown(None));
    assert_eq!(ask(on, "mine", claim("2", "f")).await, Claimed::InFlight);
}

pub(super) async fn what_a_dead_process_was_at_is_unknown(on: &On) {
    ask(on, "mine", claim("1", "f")).await;
    ask(on, "theirs", Claim { lease: SHORT, owner: arc("them"), ..claim("1", "f") }).await;
    ask(on, "done", Claim { lease: SHORT, owner: arc("them"), ..claim("1", "f") }).await;
    settle(on, "done", "1", End::Done(Vec::new())).await;
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(on.idempotency.give_up_dead(arc("me")).await.expect("asked"), 1);
    assert_eq!(on.idempotency.give_up_dead(arc("me")).await.expect("asked"), 0);
    assert_eq!(ask(on, "mine", claim("2", "f")).await, Claimed::InFlight);
    assert_eq!(ask(on, "theirs", claim("2", "f")).await, Claimed::Unknown(None));
    assert_eq!(ask(on, "done", claim("2", "f")).await, Claimed::Done(Vec::new()));
}

pub(super) async fn a_place_is_free_when_its_time_is_over(on: &On) {
    ask(on, "kept", claim("1", "f")).await;
    assert_eq!(on.idempotency.sweep(10).await.expect("swept"), 0);
    for at in ["w", "v", "u"] {
        ask(on, at, Claim { ttl: SHORT, ..claim("1", "f") }).await;
        settle(on, at, "1", End::Done(b"x".to_vec())).await;
    }
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(ask(on, "w", claim("2", "g")).await, Claimed::New, "nobody has swept yet");
    assert_eq!(ask(on, "w", claim("3", "g")).await, Claimed::InFlight);
    assert_eq!(on.idempotency.sweep(1).await.expect("swept"), 1);
    assert_eq!(on.idempotency.sweep(10).await.expect("swept"), 1);
    assert_eq!(ask(on, "kept", claim("2", "f")).await, Claimed::InFlight);
    assert_eq!(ask(on, "w", claim("3", "g")).await, Claimed::InFlight);
}

pub(super) async fn the_writes_of_others_are_never_seen(on: &On) {
    ask(on, "w", claim("1", "f")).await;
    let others = [Place { tenant: other(), ..place("w") }, Place { connection: id("b"), ..place("w") }];
    for at in others {
        assert!(!on.idempotency.settle(at.clone(), arc("1"), End::Unknown(None)).await.expect("asked"));
        assert_eq!(on.idempotency.claim(at, claim("2", "g")).await.expect("asked"), Claimed::New);
    }
    assert_eq!(ask(on, "w", claim("3", "f")).await, Claimed::InFlight);
}

pub(super) async fn writes_go_with_their_connection(on: &On) {
    on.connections.insert(row("a"), Along::default()).await.expect("written");
    ask(on, "w", claim("1", "f")).await;
    let elsewhere = Place { connection: id("b"), ..place("w") };
    on.idempotency.claim(elsewhere.clone(), claim("1", "f")).await.expect("claimed");
    assert!(on.connections.delete(acme(), id("a"), 1, Along::default()).await.expect("deleted"));
    assert!(!settle(on, "w", "1", End::Unknown(None)).await, "it has gone");
    assert!(on.idempotency.settle(elsewhere, arc("1"), End::Unknown(None)).await.expect("asked"));
}
