//! API keys.

use super::place::Place;
use super::samples::{acme, arc, at, other};
use crate::auth::{Hash, KeyRecord, Mode};
use crate::limit::KeyLimits;

pub(super) fn record(id: &str) -> KeyRecord {
    KeyRecord {
        id: id.into(),
        tenant: acme(),
        mode: Mode::Live,
        hash: Hash([7; 32]),
        scopes: "read".parse().expect("known scopes"),
        providers: Vec::new(),
        connections: Vec::new(),
        limits: KeyLimits::default(),
        name: None,
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

/// All of a key, to be compared; the hash by its bytes, which are not printed otherwise.
pub(super) fn show(key: &KeyRecord) -> String {
    format!("{key:?} {:?}", key.hash.0)
}

pub(super) async fn a_key_is_read_as_it_was_written(on: &Place) {
    let mut hash = [0; 32];
    hash.iter_mut().zip(u8::MIN..).for_each(|(byte, number)| *byte = number.wrapping_mul(9));
    let full = KeyRecord {
        mode: Mode::Test,
        hash: Hash(hash),
        scopes: "read,write,admin".parse().expect("known scopes"),
        providers: vec!["red".into(), "blue".into()],
        connections: vec!["conn_1".into()],
        limits: KeyLimits { rate: Some(10), burst: None, concurrency: Some(3) },
        name: Some("ünïcödé 'and' \"quotes\"".into()),
        expires_at: Some(at(1)),
        revoked_at: Some(at(2)),
        last_used_at: Some(at(3)),
        ..record("full")
    };
    for key in [record("empty"), full] {
        on.keys.insert(key.clone()).await.expect("written");
        let found = on.keys.find(key.id.clone()).await.expect("read").expect("the key");
        assert_eq!(show(&found), show(&key));
    }
    assert!(on.keys.find(arc("none")).await.expect("read").is_none());
}

pub(super) async fn keys_are_listed_newest_first(on: &Place) {
    for (id, made) in [("b", 1), ("c", 2), ("a", 1)] {
        on.keys.insert(KeyRecord { created_at: at(made), ..record(id) }).await.expect("written");
    }
    on.keys.insert(KeyRecord { tenant: other(), ..record("theirs") }).await.expect("written");
    let ids = |keys: Vec<KeyRecord>| keys.into_iter().map(|key| key.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(on.keys.list(acme()).await.expect("a list")), ["c", "a", "b"]);
    assert_eq!(ids(on.keys.list(other()).await.expect("a list")), ["theirs"]);
}

pub(super) async fn a_revoked_key_keeps_its_first_date(on: &Place) {
    on.keys.insert(record("k")).await.expect("written");
    for second in [5, 9] {
        assert!(on.keys.revoke(acme(), arc("k"), at(second)).await.expect("revoked"));
        let found = on.keys.find(arc("k")).await.expect("read").expect("revoked keys are kept");
        assert_eq!(found.revoked_at, Some(at(5)));
    }
}

pub(super) async fn a_foreign_key_is_not_revoked(on: &Place) {
    on.keys.insert(record("k")).await.expect("written");
    assert!(!on.keys.revoke(other(), arc("k"), at(5)).await.expect("asked"));
    assert!(!on.keys.revoke(acme(), arc("none"), at(5)).await.expect("asked"));
    let found = on.keys.find(arc("k")).await.expect("read").expect("the key");
    assert_eq!(found.revoked_at, None);
}

pub(super) async fn the_last_use_of_keys_never_goes_back(on: &Place) {
    for id in ["a", "b"] {
        on.keys.insert(record(id)).await.expect("written");
    }
    on.keys.touch(Vec::new()).await.expect("nothing to write");
    let batches = [vec![("a", 2), ("none", 2)], vec![("a", 1), ("b", 4)], vec![("a", 3), ("a", 2), ("b", 3)]];
    for batch in batches {
        let batch = batch.into_iter().map(|(id, second)| (arc(id), at(second)));
        on.keys.touch(batch.collect()).await.expect("written");
    }
    for (id, last) in [("a", 3), ("b", 4)] {
        let found = on.keys.find(arc(id)).await.expect("read").expect("the key");
        assert_eq!(found.last_used_at, Some(at(last)), "{id}");
    }
}

pub(super) async fn a_keys_id_is_used_once(on: &Place) {
    on.keys.insert(record("k")).await.expect("written");
    assert!(on.keys.insert(KeyRecord { tenant: other(), ..record("k") }).await.is_err());
    assert_eq!(on.keys.find(arc("k")).await.expect("read").expect("the key").tenant, acme());
}
