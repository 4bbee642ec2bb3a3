//! The life of an API key.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use super::{keys, vault};
use crate::auth::{ApiKey, Clock, Keys, Mode, NewKey, Pepper, Scope, TenantId};
use crate::error::{Error, Kind};
use crate::store::Store;

fn tenant() -> TenantId {
    TenantId("acme".into())
}

fn new_key() -> NewKey {
    NewKey::with_scopes(Mode::Live, "read,write".parse().expect("known scopes"))
}

/// All that a caller could tell refusals apart by.
fn answer(error: &Error) -> String {
    format!("{error:?} {:?} {} {:?}", error.get_origin(), error.is_retryable(), error.get_retry_after())
}

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_end() {
    let store = Store::memory().expect("a store");
    let keys = keys(&store);
    let mut new = new_key();
    (new.name, new.providers, new.connections) = (Some("ci".into()), vec!["blue".into()], vec!["conn_1".into()]);
    let (text, record) = keys.create(tenant(), new).await.expect("a key");

    let caller = keys.authenticate(&text).await.expect("a good key");
    assert_eq!((&caller.tenant, &caller.key_id, caller.test), (&tenant(), &record.id, false));
    assert!(caller.require(Scope::Write).is_ok() && caller.require(Scope::Admin).is_err());
    assert!(caller.may_use("conn_1", "blue") && !caller.may_use("conn_2", "blue"));

    keys.flush().await.expect("written");
    let listed = keys.list(tenant()).await.expect("a list");
    let [only] = listed.as_slice() else { panic!("one key") };
    assert_eq!((&only.id, only.name.as_deref(), only.created_at), (&record.id, Some("ci"), record.created_at));
    assert!(only.last_used_at.is_some() && only.revoked_at.is_none());
    assert!(keys.list(TenantId("other".into())).await.expect("a list").is_empty());

    let foreign = keys.revoke(TenantId("other".into()), &record.id).await;
    assert_eq!(foreign.map_err(|error| error.kind()), Err(Kind::NotFound));
    keys.authenticate(&text).await.expect("still good");
    keys.revoke(tenant(), &record.id).await.expect("revoked");
    keys.revoke(tenant(), &record.id).await.expect("revoked twice");
    assert!(keys.authenticate(&text).await.is_err());
    assert!(keys.list(tenant()).await.expect("a list")[0].revoked_at.is_some());
}

#[tokio::test]
async fn every_refusal_is_the_same_answer() {
    let store = Store::memory().expect("a store");
    let time = Arc::new(AtomicI64::new(Timestamp::now().as_second()));
    let now = Arc::clone(&time);
    let clock: Clock = Arc::new(move || Timestamp::from_second(now.load(Ordering::SeqCst)).expect("a time"));
    let keys = Keys::with(store.keys(), Pepper::new([7; 32]), Vec::new(), Arc::clone(&clock));

    let mut expiring = new_key();
    expiring.expires_at = Timestamp::from_second(time.load(Ordering::SeqCst) + 60).ok();
    let (expired, _) = keys.create(tenant(), expiring).await.expect("a key");
    keys.authenticate(&expired).await.expect("good until then");
    time.fetch_add(60, Ordering::SeqCst);

    let (revoked, record) = keys.create(tenant(), new_key()).await.expect("a key");
    keys.revoke(tenant(), &record.id).await.expect("revoked");

    // The id of a good key with another secret: well formed, known, wrong.
    let (good, _) = keys.create(tenant(), new_key()).await.expect("a key");
    let other = ApiKey::generate(Mode::Live).expect("random");
    let forged = format!("{}{}", &good[..17], &other.expose()[17..60]);
    let forged = format!("{forged}{}", crate::auth::base62::six(crc32fast::hash(forged.as_bytes())));
    assert!(ApiKey::parse(&forged).is_some());

    let tampered = format!("{}{}", &good[..60], "000000");
    let mut answers = Vec::new();
    for text in [expired.as_str(), &revoked, &forged, other.expose(), &tampered, "", "tl_live_", "nonsense"] {
        for _ in 0..2 {
            answers.push(answer(&keys.authenticate(text).await.expect_err(text)));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    keys.authenticate(&good).await.expect("none of this hurts the good key");
}

#[tokio::test]
async fn what_cannot_be_a_key_never_reaches_the_store_and_dead_keys_seldom_do() {
    let store = Store::memory().expect("a store");
    let keys = keys(&store);
    for text in ["", "nonsense", "tl_live_abcdefgh_x"] {
        assert!(keys.authenticate(text).await.is_err());
    }
    assert_eq!(store.calls(), 0);
    let unknown = ApiKey::generate(Mode::Live).expect("random");
    for _ in 0..10 {
        assert!(keys.authenticate(unknown.expose()).await.is_err());
    }
    assert_eq!(store.calls(), 1);
}

#[tokio::test]
async fn a_known_key_needs_no_store_until_memory_is_cleared() {
    let store = Store::memory().expect("a store");
    let keys = keys(&store);
    let (text, record) = keys.create(tenant(), new_key()).await.expect("a key");
    keys.authenticate(&text).await.expect("a good key");
    let before = store.calls();
    for _ in 0..100 {
        keys.authenticate(&text).await.expect("a good key");
    }
    assert_eq!(store.calls(), before);

    // Revoked behind its back, as another process does.
    let found = store.keys().revoke(tenant(), record.id, Timestamp::now()).await;
    assert!(found.expect("revoked"));
    keys.forget_all();
    assert!(keys.authenticate(&text).await.is_err());
}

#[tokio::test]
async fn keys_outlive_the_rotation_of_the_vault_key() {
    let store = Store::memory().expect("a store");
    let (old, new) = (vault(), vault());
    let before = Keys::new(store.keys(), Pepper::new(old.derive(b"keys")));
    let (text, _) = before.create(tenant(), new_key()).await.expect("a key");
    let peppers = |older| Keys::with(store.keys(), Pepper::new(new.derive(b"keys")), older, Arc::new(Timestamp::now));
    assert!(peppers(Vec::new()).authenticate(&text).await.is_err());
    assert!(peppers(vec![Pepper::new(old.derive(b"keys"))]).authenticate(&text).await.is_ok());
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_not_made() {
    let store = Store::memory().expect("a store");
    let mut new = NewKey::with_scopes(Mode::Live, "".parse().expect("no scopes"));
    (new.expires_at, new.name) = (Some(Timestamp::UNIX_EPOCH), Some("a\nb".into()));
    let error = keys(&store).create(tenant(), new).await.expect_err("refused");
    assert_eq!((error.kind(), error.get_violations().len(), store.calls()), (Kind::ValidationFailed, 3, 0));
}

#[tokio::test]
async fn the_time_of_last_use_never_goes_back() {
    let store = Store::memory().expect("a store");
    let (_, record) = keys(&store).create(tenant(), new_key()).await.expect("a key");
    let at = |second| Timestamp::from_second(second).expect("a time");
    for second in [100, 200, 150] {
        store.keys().touch(vec![(Arc::clone(&record.id), at(second))]).await.expect("written");
    }
    let found = store.keys().find(record.id).await.expect("a look-up").expect("the key");
    assert_eq!(found.last_used_at, Some(at(200)));
}
