//! Importing, finding and using connections.

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{acme, catalog, connections, connections_with, vault};
use crate::auth::{Caller, Keys, Mode, NewKey, Pepper, TenantId};
use crate::connections::{
    Along, Change, Connections, Credentials, Filter, NewConnection, OnConflict, Selector, Source, State, WriteError,
    view,
};
use crate::error::{Error, Kind};
use crate::store::Store;

fn import(provider: &str, customer: &str) -> NewConnection {
    NewConnection {
        provider: provider.to_owned(),
        customer_id: customer.to_owned(),
        settings: Map::new(),
        credentials: Credentials::Token { token: SecretString::from("s3cret-token") },
        scopes: Vec::new(),
        on_conflict: OnConflict::Fail,
        source: Source::Import,
    }
}

async fn imported(connections: &Connections, provider: &str, customer: &str) -> String {
    let created = connections.create(&acme(), import(provider, customer)).await.expect("imported");
    created.overview.connection.id.to_string()
}

fn by_id(id: &str) -> Selector {
    Selector { connection: Some(id.to_owned()), ..Selector::default() }
}

fn by_customer(customer: &str, provider: Option<&str>) -> Selector {
    Selector { connection: None, customer: Some(customer.to_owned()), provider: provider.map(str::to_owned) }
}

fn answer(error: &Error) -> String {
    format!("{error:?} {:?} {:?}", error.get_origin(), error.get_supported())
}

#[tokio::test]
async fn an_imported_connection_is_found_and_gives_access() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    let id = imported(&connections, "blue", "c1").await;
    for selector in [by_id(&id), by_customer("c1", None), by_customer("c1", Some("blue"))] {
        let connection = connections.resolve(&acme(), &selector).await.expect("found");
        assert_eq!((connection.id.as_str(), connection.state), (id.as_str(), State::Active));
        let access = connections.access(&connection).await.expect("access");
        assert_eq!((access.generation, access.origin.to_string().as_str()), (1, "https://eu.blue.test"));
        let (_, value) = access.headers.first().expect("a header");
        assert_eq!(value.to_str().ok(), Some("Bearer s3cret-token"));
        assert!(value.is_sensitive());
    }
    let overview = connections.get(&acme(), &id).await.expect("found");
    let record = view::record(&overview);
    assert_eq!((&record["id"], &record["settings"]), (&json!(id), &json!({"region": "eu"})));
    assert!(!record.to_string().contains("s3cret"));
}

#[tokio::test]
async fn a_warm_request_touches_no_store() {
    let store = Store::memory().expect("a store");
    let (keys, connections) = (Keys::new(store.keys(), Pepper::new([1; 32])), connections(&store));
    let id = imported(&connections, "blue", "c1").await;
    let new = NewKey::with_scopes(Mode::Live, "read".parse().expect("known scopes"));
    let (key, _) = keys.create(TenantId("acme".into()), new).await.expect("a key");
    let mut cold = 0;
    for round in 0..50 {
        for selector in [by_id(&id), by_customer("c1", None)] {
            let caller = keys.authenticate(&key).await.expect("a good key");
            let connection = connections.resolve(&caller, &selector).await.expect("found");
            connections.access(&connection).await.expect("access");
        }
        if round == 0 {
            cold = store.calls();
        }
    }
    assert_eq!(store.calls(), cold);
}

#[tokio::test]
async fn what_is_not_ones_own_looks_absent() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    let id = imported(&connections, "blue", "c1").await;
    connections.resolve(&acme(), &by_id(&id)).await.expect("in memory now");
    let other = Caller::operator(TenantId("other".into()));
    let other_provider = Caller { providers: vec!["red".into()], ..acme() };
    let other_connection = Caller { connections: vec!["conn_00000000000000000000".into()], ..acme() };
    let mut answers = Vec::new();
    for warm in [true, false] {
        if !warm {
            connections.forget_all();
        }
        for caller in [&other, &other_provider, &other_connection] {
            for selector in [by_id(&id), by_customer("c1", None)] {
                answers.push(answer(&connections.resolve(caller, &selector).await.expect_err("refused")));
            }
            answers.push(answer(&connections.get(caller, &id).await.expect_err("refused")));
            answers.push(answer(&connections.delete(caller, &id).await.expect_err("refused")));
            let paused = Change { paused: Some(true), ..Change::default() };
            answers.push(answer(&connections.update(caller, &id, &paused).await.expect_err("refused")));
            assert!(
                connections
                    .list(caller, Filter { limit: 9, ..Filter::default() })
                    .await
                    .expect("a list")
                    .data
                    .is_empty()
            );
        }
    }
    for absent in ["conn_00000000000000000000", "conn_", "", "../x"] {
        answers.push(answer(&connections.resolve(&acme(), &by_id(absent)).await.expect_err("absent")));
    }
    answers.push(answer(&connections.resolve(&acme(), &by_customer("c2", None)).await.expect_err("absent")));
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    connections.resolve(&acme(), &by_id(&id)).await.expect("untouched");
}

#[tokio::test]
async fn selectors_must_be_enough_and_agree() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    let (blue, _red) = (imported(&connections, "blue", "c1").await, imported(&connections, "red", "c1").await);

    let several = connections.resolve(&acme(), &by_customer("c1", None)).await.expect_err("two");
    assert_eq!(
        (several.kind(), several.get_supported()),
        (Kind::InvalidRequest, ["blue".to_owned(), "red".to_owned()].as_slice())
    );
    let found = connections.resolve(&acme(), &by_customer("c1", Some("blue"))).await.expect("one");
    assert_eq!(found.id.as_str(), blue);

    for (customer, provider) in [(Some("c2"), None), (None, Some("red"))] {
        let customer = customer.map(str::to_owned);
        let selector = Selector { connection: Some(blue.clone()), customer, provider: provider.map(str::to_owned) };
        let error = connections.resolve(&acme(), &selector).await.expect_err("they differ");
        assert_eq!(error.kind(), Kind::InvalidRequest);
    }
    let agreeing = Selector { connection: Some(blue.clone()), ..by_customer("c1", Some("blue")) };
    connections.resolve(&acme(), &agreeing).await.expect("they agree");

    let nothing = connections.resolve(&acme(), &Selector::default()).await.expect_err("unnamed");
    assert_eq!(nothing.kind(), Kind::InvalidRequest);
    assert!(nothing.detail().contains("Throughline-Connection"));
    let limited = Caller { connections: vec![blue.clone()], ..acme() };
    let implied = connections.resolve(&limited, &Selector::default()).await.expect("the key names it");
    assert_eq!(implied.id.as_str(), blue);
    let implied = connections.resolve(&limited, &by_customer("c1", None)).await.expect("only one is in reach");
    assert_eq!(implied.id.as_str(), blue);
}

#[tokio::test]
async fn a_pause_is_seen_at_once_and_keeps_what_is_beneath() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    let id = imported(&connections, "blue", "c1").await;
    connections.resolve(&acme(), &by_id(&id)).await.expect("active");
    let pause = |paused| Change { paused: Some(paused), ..Change::default() };
    let paused = connections.update(&acme(), &id, &pause(true)).await.expect("paused");
    assert_eq!(paused.connection.state, State::Paused);
    let found = connections.resolve(&acme(), &by_id(&id)).await.expect("found");
    let error = found.check_usable().expect_err("paused");
    assert_eq!(error.kind(), Kind::ConnectionPaused);

    let repository = store.connections();
    let tenant = TenantId("acme".into());
    let mut row = repository.find(tenant.clone(), paused.connection.id.clone()).await.expect("read").expect("the row");
    (row.connection.state, row.revision) = (State::NeedsReauth, row.revision + 1);
    repository.update(row.clone(), row.revision - 1, Along::default()).await.expect("written");
    let stale = repository.update(row.clone(), row.revision - 1, Along::default()).await;
    assert!(matches!(stale, Err(WriteError::Stale)));

    let resumed = connections.update(&acme(), &id, &pause(false)).await.expect("resumed");
    assert_eq!(resumed.connection.state, State::NeedsReauth);
    let found = connections.resolve(&acme(), &by_id(&id)).await.expect("found");
    let error = found.check_usable().expect_err("unusable");
    assert_eq!(error.kind(), Kind::NeedsReauth);
}

#[tokio::test]
async fn a_customer_has_one_connection_to_a_provider() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    let id = imported(&connections, "blue", "c1").await;
    let before = connections.resolve(&acme(), &by_id(&id)).await.expect("found");
    connections.access(&before).await.expect("access");

    let error = connections.create(&acme(), import("blue", "c1")).await.expect_err("taken");
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.detail().contains(&id) && format!("{:?}", error.get_violations()).contains(&id));

    let mut again = import("blue", "c1");
    again.on_conflict = OnConflict::Replace;
    again.credentials = Credentials::Token { token: SecretString::from("another-token") };
    again.settings = Map::from_iter([("region".to_owned(), Value::from("us"))]);
    let created = connections.create(&acme(), again).await.expect("replaced");
    assert!(created.replaced);
    assert_eq!(created.overview.connection.id.as_str(), id);
    let after = connections.resolve(&acme(), &by_id(&id)).await.expect("found");
    let access = connections.access(&after).await.expect("access");
    assert_eq!((access.generation, access.origin.to_string().as_str()), (2, "https://us.blue.test"));
    assert_eq!(access.headers.first().and_then(|(_, value)| value.to_str().ok()), Some("Bearer another-token"));

    let second = imported(&connections, "blue", "c2").await;
    let renamed = Change { customer_id: Some("c1".into()), ..Change::default() };
    let error = connections.update(&acme(), &second, &renamed).await.expect_err("taken");
    assert_eq!(error.kind(), Kind::Conflict);
    let elsewhere = Caller::operator(TenantId("other".into()));
    connections.create(&elsewhere, import("blue", "c1")).await.expect("another tenant's customer");
}

#[tokio::test]
async fn changes_and_ends_are_seen_at_once() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    let id = imported(&connections, "blue", "c1").await;
    connections.resolve(&acme(), &by_customer("c1", None)).await.expect("found");

    let change = Change {
        customer_id: Some("c9".into()),
        settings: Some(Map::from_iter([("region".to_owned(), Value::from("us"))])),
        ..Change::default()
    };
    connections.update(&acme(), &id, &change).await.expect("changed");
    assert!(connections.resolve(&acme(), &by_customer("c1", None)).await.is_err());
    let found = connections.resolve(&acme(), &by_customer("c9", None)).await.expect("found");
    assert_eq!(connections.access(&found).await.expect("access").origin.host(), "us.blue.test");
    let back = Change { settings: Some(Map::from_iter([("region".to_owned(), Value::Null)])), ..Change::default() };
    let overview = connections.update(&acme(), &id, &back).await.expect("changed");
    assert_eq!(overview.connection.settings.get("region"), Some(&json!("eu")));

    connections.delete(&acme(), &id).await.expect("deleted");
    for selector in [by_id(&id), by_customer("c9", None)] {
        let error = connections.resolve(&acme(), &selector).await.expect_err("gone");
        assert_eq!(error.kind(), Kind::ConnectionNotFound);
    }
    assert!(connections.access(&found).await.is_err());
    assert!(connections.delete(&acme(), &id).await.is_err());
}

#[tokio::test]
async fn what_the_provider_cannot_use_is_refused_before_it_is_stored() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    let error = connections.create(&acme(), import("green", "c1")).await.expect_err("unknown");
    assert_eq!((error.kind(), error.get_supported().len()), (Kind::ProviderNotFound, 2));
    let mut wrong = import("blue", "c1");
    let secret = || SecretString::from("s3cret");
    wrong.credentials = Credentials::Basic { username: secret(), password: secret() };
    wrong.settings = Map::from_iter([("x".to_owned(), Value::from("s3cret"))]);
    let error = connections.create(&acme(), wrong).await.expect_err("invalid");
    assert_eq!((error.kind(), error.get_violations().len()), (Kind::ValidationFailed, 2));
    assert!(!format!("{error:?}").contains("s3cret"));
    let limited = Caller { providers: vec!["red".into()], ..acme() };
    let error = connections.create(&limited, import("blue", "c1")).await.expect_err("outside");
    assert_eq!(error.kind(), Kind::Forbidden);
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn lists_come_in_pages_and_filters() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    for customer in ["c1", "c2", "c3"] {
        imported(&connections, "blue", customer).await;
        imported(&connections, "red", customer).await;
    }
    let mut seen = Vec::new();
    let mut filter = Filter { limit: 4, ..Filter::default() };
    loop {
        let listed = connections.list(&acme(), filter.clone()).await.expect("a page");
        seen.extend(listed.data.into_iter().map(|overview| overview.connection.id));
        match listed.next {
            Some(next) => filter.after = Some(next),
            None => break,
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 6);
    let count = |caller: Caller, provider: Option<&str>, customer: Option<&str>| {
        let (provider, customer_id) = (provider.map(str::to_owned), customer.map(str::to_owned));
        let filter = Filter { provider, customer_id, limit: 100, ..Filter::default() };
        let connections = connections.clone();
        async move { connections.list(&caller, filter).await.expect("a page").data.len() }
    };
    assert_eq!(count(acme(), Some("blue"), None).await, 3);
    assert_eq!(count(acme(), Some("blue"), Some("c2")).await, 1);
    assert_eq!(count(Caller { providers: vec!["red".into()], ..acme() }, None, None).await, 3);
    let two = seen.iter().take(2).map(ToString::to_string).collect();
    assert_eq!(count(Caller { connections: two, ..acme() }, None, None).await, 2);
}

#[tokio::test]
async fn credentials_moved_to_another_row_do_not_open() {
    let store = Store::memory().expect("a store");
    let connections = connections(&store);
    let (one, two) = (imported(&connections, "blue", "c1").await, imported(&connections, "blue", "c2").await);
    let (one, two) =
        (connections.get(&acme(), &one).await.expect("one"), connections.get(&acme(), &two).await.expect("two"));
    let (repository, tenant) = (store.connections(), TenantId("acme".into()));
    let from = repository.find(tenant.clone(), one.connection.id).await.expect("read").expect("the row");
    let mut to = repository.find(tenant, two.connection.id.clone()).await.expect("read").expect("the row");
    (to.sealed, to.revision) = (from.sealed, to.revision + 1);
    repository.update(to, 1, Along::default()).await.expect("written");
    let error = connections.access(&two.connection).await.err().expect("refused");
    assert_eq!(error.kind(), Kind::Internal);
}

#[tokio::test]
async fn a_reloaded_catalog_makes_new_access() {
    let store = Store::memory().expect("a store");
    let catalog = catalog();
    let connections = connections_with(&store, vault(), &catalog);
    let id = imported(&connections, "blue", "c1").await;
    let connection = connections.resolve(&acme(), &by_id(&id)).await.expect("found");
    let before = connections.access(&connection).await.expect("access");
    assert!(std::sync::Arc::ptr_eq(&before, &connections.access(&connection).await.expect("access")));
    catalog.store(super::catalog().load_full());
    let after = connections.access(&connection).await.expect("access");
    assert!(!std::sync::Arc::ptr_eq(&before, &after));
}
