//! Who did what.

use super::place::Place;
use super::samples::{acme, at, entry, id, other, row};
use crate::audit::{Action, Entry, Recorded, Verified, Verifier, Wanted};
use crate::auth::TenantId;
use crate::connections::{Along, WriteError};

async fn all(on: &Place, tenant: TenantId) -> Vec<Recorded> {
    on.audit.rows(tenant, 0, 1_000).await.expect("rows")
}

async fn verify(on: &Place, tenant: TenantId) -> Verified {
    let mut verifier = Verifier::new(&on.audit.chain(tenant.clone()).await.expect("a chain"));
    for row in all(on, tenant).await {
        verifier.next(&row).expect("it follows on the one before");
    }
    verifier.finish().expect("a whole log")
}

fn wanted() -> Wanted {
    Wanted { limit: 100, ..Wanted::default() }
}

pub(super) async fn rows_come_newest_first_filtered_and_in_pages(on: &Place) {
    assert_eq!(verify(on, acme()).await.rows, 0);
    let written = vec![
        entry("a", 1),
        Entry { actor: "key1".into(), ..entry("b", 2) },
        Entry { action: Action::KeyRevoked, connection: None, ..entry("a", 3) },
        entry("a", 4),
    ];
    on.audit.append(written.clone()).await.expect("written");
    let numbers = async |wanted: Wanted| -> Vec<u64> {
        on.audit.list(acme(), wanted).await.expect("a list").iter().map(|row| row.number).collect()
    };
    assert_eq!(numbers(wanted()).await, [4, 3, 2, 1]);
    assert_eq!(numbers(Wanted { limit: 2, ..wanted() }).await, [4, 3]);
    assert_eq!(numbers(Wanted { before: Some(3), ..wanted() }).await, [2, 1]);
    assert_eq!(numbers(Wanted { connection: Some(id("a").to_string()), ..wanted() }).await, [4, 1]);
    assert_eq!(numbers(Wanted { actor: Some("key1".into()), ..wanted() }).await, [2]);
    assert_eq!(numbers(Wanted { action: Some(Action::KeyRevoked), ..wanted() }).await, [3]);
    assert_eq!(numbers(Wanted { since: Some(at(2)), until: Some(at(4)), ..wanted() }).await, [3, 2]);
    assert_eq!(numbers(Wanted { actor: Some("nobody".into()), ..wanted() }).await, [0_u64; 0]);
    let read: Vec<Entry> = all(on, acme()).await.into_iter().map(|row| row.entry).collect();
    assert_eq!(read, written);
    assert_eq!(on.audit.rows(acme(), 2, 1).await.expect("rows").first().map(|row| row.number), Some(3));
}

pub(super) async fn each_tenant_has_a_chain_of_its_own(on: &Place) {
    let theirs = |second| Entry { tenant: other(), ..entry("a", second) };
    on.audit.append(vec![entry("a", 1), theirs(1), entry("a", 2)]).await.expect("written");
    on.audit.append_aside(vec![theirs(2), theirs(3)]).await.expect("written");
    assert_eq!(verify(on, acme()).await.last, 2);
    assert_eq!(verify(on, other()).await.last, 3);
    assert!(all(on, other()).await.iter().all(|row| row.entry.tenant == other()));
    assert!(on.audit.list(TenantId("nobody".into()), wanted()).await.expect("a list").is_empty());
}

pub(super) async fn what_many_add_at_once_is_one_chain(on: &Place) {
    let adding = (0..20).map(|second| on.audit.append(vec![entry("a", second), entry("b", second)]));
    for added in futures_util::future::join_all(adding).await {
        added.expect("written");
    }
    assert_eq!(verify(on, acme()).await.rows, 40);
}

pub(super) async fn nothing_is_lost_of_a_row(on: &Place) {
    let full = Entry {
        since: Some(at(1)),
        subject: Some("contacts list ü \" '".into()),
        outcome: "failed".into(),
        count: 4_711,
        request_id: Some("req_1".into()),
        peer: Some("2001:db8::1".into()),
        detail: Some("line\nand tab\t".into()),
        ..entry("a", 9)
    };
    on.audit.append(vec![full.clone()]).await.expect("written");
    assert_eq!(all(on, acme()).await[0].entry, full);
    verify(on, acme()).await;
}

pub(super) async fn sweeping_leaves_a_log_that_can_be_verified(on: &Place) {
    // The fourth is older than the third: it waits for it.
    on.audit.append([1, 2, 30, 4, 50].map(|second| entry("a", second)).into()).await.expect("written");
    on.audit
        .append([1, 2].map(|second| Entry { tenant: other(), ..entry("a", second) }).into())
        .await
        .expect("written");
    assert_eq!(on.audit.sweep(at(10), 1).await.expect("swept"), 2, "one of each log");
    assert_eq!(on.audit.sweep(at(10), 100).await.expect("swept"), 2);
    assert_eq!(on.audit.sweep(at(10), 100).await.expect("swept"), 0);
    let whole = verify(on, acme()).await;
    assert_eq!((whole.rows, whole.last), (3, 5));
    assert_eq!(verify(on, other()).await.rows, 0);
    // What comes then follows on what is gone.
    on.audit.append(vec![Entry { tenant: other(), ..entry("a", 60) }]).await.expect("written");
    assert_eq!(verify(on, other()).await.last, 3);
    assert_eq!(on.audit.sweep(at(100), 100).await.expect("swept"), 4);
    assert_eq!(verify(on, acme()).await.last, 5);
}

pub(super) async fn what_a_change_adds_is_written_with_it_or_not_at_all(on: &Place) {
    let along = || Along::default().audited(entry("a", 1));
    on.connections.insert(row("a"), along()).await.expect("inserted");
    let mut changed = row("a");
    changed.revision = 2;
    on.connections.update(changed.clone(), 1, along()).await.expect("updated");
    let stale = on.connections.update(changed, 1, along()).await;
    assert!(matches!(stale, Err(WriteError::Stale)));
    let key = (acme(), id("a"));
    assert!(!on.connections.delete(key.0.clone(), key.1.clone(), 1, along()).await.expect("an answer"));
    assert_eq!(all(on, acme()).await.len(), 2);
    assert!(on.connections.delete(key.0, key.1, 2, along()).await.expect("deleted"));
    assert_eq!(verify(on, acme()).await.rows, 3, "the log outlives the connection");
}
