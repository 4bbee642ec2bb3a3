//! Two processes on one PostgreSQL database: what one writes, the other forgets.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::conformance::Schema;
use super::{acme, connections, keys};
use crate::auth::{Keys, Mode, NewKey, TenantId};
use crate::connections::{
    Along, Change, ConnectionId, Credentials, Failed, Failing, Fresh, Key, Leased, NewConnection, OnConflict, Selector,
    Source, State,
};
use crate::store::{Changed, Changes, Role, Store};

const SOON: Duration = Duration::from_secs(5);

async fn two(schema: &Schema) -> (Store, Store) {
    let open = async || Store::open(&schema.address(), Role::Serve).await.expect("a store");
    (open().await, open().await)
}

async fn next(changes: &mut Changes) -> Changed {
    timeout(SOON, changes.next()).await.expect("in time").expect("an open store")
}

async fn is_silent(changes: &mut Changes) -> bool {
    timeout(Duration::from_millis(150), changes.next()).await.is_err()
}

fn import(provider: &str) -> NewConnection {
    NewConnection {
        provider: provider.into(),
        customer_id: "c1".into(),
        settings: serde_json::Map::new(),
        credentials: Credentials::Token { token: "s3cret".to_owned().into() },
        scopes: Vec::new(),
        on_conflict: OnConflict::Fail,
        source: Source::Import,
    }
}

fn new_key() -> NewKey {
    NewKey::with_scopes(Mode::Live, "read".parse().expect("known scopes"))
}

#[tokio::test]
async fn a_key_revoked_in_one_is_refused_in_the_other() {
    let Some(schema) = Schema::new().await else { return };
    let (here, there) = two(&schema).await;
    let (mut heard_here, mut heard_there) = (here.changes(), there.changes());
    let (keys_here, keys_there): (Keys, Keys) = (keys(&here), keys(&there));
    let (text, record) = keys_here.create(TenantId("acme".into()), new_key()).await.expect("a key");
    keys_there.authenticate(&text).await.expect("in memory now");
    let began = Instant::now();
    keys_here.revoke(TenantId("acme".into()), &record.id).await.expect("revoked");
    let Changed::Key(id) = next(&mut heard_there).await else { panic!("something else changed") };
    keys_there.forget(&id);
    assert!(keys_there.authenticate(&text).await.is_err());
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(is_silent(&mut heard_here).await, "its own writes are no news");
}

#[tokio::test]
async fn what_changed_is_said_and_nothing_else() {
    let Some(schema) = Schema::new().await else { return };
    let (here, there) = two(&schema).await;
    let mut heard = there.changes();
    let (tenant, customer) =
        (TenantId("acme".into()), |name: &str| Changed::Customer(TenantId("acme".into()), name.into()));
    let connections = connections(&here);
    let id = connections.create(&acme(), import("blue")).await.expect("imported").overview.connection.id;
    let row = Changed::Connection(tenant.clone(), id.clone());
    assert_eq!([next(&mut heard).await, next(&mut heard).await], [row.clone(), customer("c1")]);

    let renamed = Change { customer_id: Some("c2".into()), ..Change::default() };
    connections.update(&acme(), id.as_str(), &renamed).await.expect("changed");
    let news = [next(&mut heard).await, next(&mut heard).await, next(&mut heard).await];
    assert_eq!(news, [row.clone(), customer("c1"), customer("c2")]);

    let key = Key { tenant: tenant.clone(), id: id.clone() };
    let lease = async |generation| {
        let leased = here.tokens().lease(key.clone(), generation, "me".into(), SOON).await.expect("asked");
        let Leased::Granted(lease) = leased else { panic!("granted") };
        lease.epoch
    };
    let now = jiff::Timestamp::UNIX_EPOCH;
    let fresh = || Fresh {
        generation: 2,
        sealed: Vec::new(),
        settings: None,
        scopes: None,
        refreshed_at: now,
        expires_at: None,
        next_refresh_at: None,
    };
    let epoch = lease(1).await;
    assert!(here.tokens().commit(key.clone(), epoch, fresh(), Vec::new()).await.expect("asked"));
    assert!(
        !here.tokens().commit(key.clone(), epoch, fresh(), Vec::new()).await.expect("asked"),
        "not written, not said"
    );
    assert_eq!(next(&mut heard).await, row);
    let failed = Failed {
        state: State::Degraded,
        state_reason: None,
        last_error: "x".into(),
        failing: Failing { count: 1, since: now },
        next_refresh_at: None,
    };
    let epoch = lease(2).await;
    assert!(here.tokens().fail(key.clone(), epoch, failed, Vec::new()).await.expect("asked"));
    assert_eq!(next(&mut heard).await, row);
    // What memory does not hold is not worth a word.
    here.tokens().touch(vec![(key, now)]).await.expect("written");

    for connection in [None, Some(id.clone())] {
        here.mappings().put(tenant.clone(), connection.clone(), "{}".into()).await.expect("put");
        assert_eq!(next(&mut heard).await, Changed::Mappings(tenant.clone(), connection));
    }
    here.mappings().delete(tenant.clone(), None).await.expect("deleted");
    here.mappings().delete(tenant.clone(), None).await.expect("nothing to delete");
    assert_eq!(next(&mut heard).await, Changed::Mappings(tenant.clone(), None));
    connections.delete(&acme(), id.as_str()).await.expect("deleted");
    let news = [next(&mut heard).await, next(&mut heard).await, next(&mut heard).await];
    assert_eq!(news, [row, Changed::Mappings(tenant, Some(id)), customer("c2")]);
    assert!(is_silent(&mut heard).await);
}

#[tokio::test]
async fn a_customers_new_connection_is_found_in_the_other() {
    let Some(schema) = Schema::new().await else { return };
    let (here, there) = two(&schema).await;
    let mut heard = there.changes();
    let (one, two) = (connections(&here), connections(&there));
    one.create(&acme(), import("blue")).await.expect("imported");
    let by_customer = Selector { customer: Some("c1".into()), ..Selector::default() };
    two.resolve(&acme(), &by_customer).await.expect("the only one");
    one.create(&acme(), import("red")).await.expect("imported");
    while let Ok(Some(changed)) = timeout(Duration::from_millis(300), heard.next()).await {
        match changed {
            Changed::Connection(_, id) => two.forget(&id),
            Changed::Customer(tenant, customer) => two.forget_customer(&tenant, &customer),
            other => panic!("{other:?}"),
        }
    }
    assert!(two.resolve(&acme(), &by_customer).await.is_err(), "which of the two has to be said now");
}

#[tokio::test]
async fn after_a_silence_anything_may_have_changed() {
    let Some(schema) = Schema::new().await else { return };
    let (here, there) = two(&schema).await;
    let mut heard = there.changes();
    schema.cut().await;
    assert_eq!(next(&mut heard).await, Changed::All);
    here.mappings().put(TenantId("t".into()), None, "{}".into()).await.expect("put");
    assert_eq!(next(&mut heard).await, Changed::Mappings(TenantId("t".into()), None));
}

#[tokio::test]
async fn a_closed_store_has_no_more_news_and_no_more_answers() {
    let Some(schema) = Schema::new().await else { return };
    let store = Store::open(&schema.address(), Role::Serve).await.expect("a store");
    store.close().await;
    assert!(store.ping().await.is_err());
    let gone = store.connections().delete(TenantId("t".into()), ConnectionId("c".into()), 1, Along::default()).await;
    assert!(gone.is_err());
}
