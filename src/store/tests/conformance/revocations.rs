//! Credentials to be given back to their provider.

use std::time::Duration;

use super::place::Place;
use super::samples::{arc, at, revocation};
use crate::connections::Revocation;

const HOLD: Duration = Duration::from_secs(60);

fn ids(claimed: &[Revocation]) -> Vec<&str> {
    claimed.iter().map(|revocation| &*revocation.id).collect()
}

pub(super) async fn a_revocation_is_claimed_by_one(on: &Place) {
    on.revocations.insert(revocation("r")).await.expect("written");
    assert!(on.revocations.insert(revocation("r")).await.is_err(), "an id is used once");
    let early = at(0).checked_sub(Duration::from_micros(1)).expect("a time");
    assert!(on.revocations.claim(early, HOLD, 10).await.expect("asked").is_empty());
    assert!(on.revocations.claim(at(0), HOLD, 0).await.expect("asked").is_empty());
    let claimed = on.revocations.claim(at(0), HOLD, 10).await.expect("asked");
    assert_eq!(claimed, [revocation("r")]);
    let order: Vec<_> = claimed[0].settings.keys().cloned().collect();
    assert_eq!(order, ["b", "a"]);
    assert!(on.revocations.claim(at(59), HOLD, 10).await.expect("asked").is_empty(), "somebody is at it");
    assert_eq!(ids(&on.revocations.claim(at(60), HOLD, 10).await.expect("asked")), ["r"]);
}

pub(super) async fn of_two_who_claim_each_gets_others(on: &Place) {
    for number in 0..20 {
        on.revocations.insert(revocation(&format!("r{number}"))).await.expect("written");
    }
    let claim = || on.revocations.claim(at(0), HOLD, 12);
    let (one, two) = tokio::join!(claim(), claim());
    let (one, two) = (one.expect("asked"), two.expect("asked"));
    let three = claim().await.expect("asked");
    let mut seen: Vec<_> = [ids(&one), ids(&two), ids(&three)].concat();
    seen.sort_unstable();
    let all = seen.len();
    seen.dedup();
    assert_eq!((all, seen.len()), (20, 20));
}

pub(super) async fn a_failed_revocation_comes_again_later(on: &Place) {
    on.revocations.insert(revocation("r")).await.expect("written");
    on.revocations.claim(at(0), HOLD, 10).await.expect("asked");
    on.revocations.failed(arc("r"), "it was busy".into(), at(100)).await.expect("noted");
    on.revocations.failed(arc("none"), "it was busy".into(), at(100)).await.expect("nothing to note");
    assert!(on.revocations.claim(at(99), HOLD, 10).await.expect("asked").is_empty());
    let again = on.revocations.claim(at(100), HOLD, 10).await.expect("asked");
    assert_eq!(again, [Revocation { attempts: 1, ..revocation("r") }]);
}

pub(super) async fn revocations_come_oldest_first(on: &Place) {
    for (name, since) in [("b", 2), ("c", 1), ("a", 2)] {
        on.revocations.insert(Revocation { created_at: at(since), ..revocation(name) }).await.expect("written");
    }
    assert_eq!(ids(&on.revocations.claim(at(9), HOLD, 2).await.expect("asked")), ["c", "a"]);
    assert_eq!(ids(&on.revocations.claim(at(9), HOLD, 2).await.expect("asked")), ["b"]);
}

pub(super) async fn what_is_done_is_gone(on: &Place) {
    on.revocations.insert(revocation("r")).await.expect("written");
    on.revocations.done(arc("r")).await.expect("done");
    on.revocations.done(arc("r")).await.expect("done already");
    assert!(on.revocations.claim(at(1_000), HOLD, 10).await.expect("asked").is_empty());
}
