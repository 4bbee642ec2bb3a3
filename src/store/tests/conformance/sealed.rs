//! All that is sealed, to be sealed anew.

use super::idempotency::{claim, place};
use super::place::Place as On;
use super::samples::{acme, app, arc, id, key, other, revocation, row};
use crate::connections::{Along, Row, SealedAt};
use crate::idempotency::{End, Place};

fn connection(name: &str, generation: u64) -> SealedAt {
    SealedAt::Connection { tenant: acme(), id: id(name), generation }
}

fn orphan(name: &str, generation: u64) -> SealedAt {
    SealedAt::Orphan { tenant: acme(), id: id(name), generation }
}

fn app_of(provider: &str) -> SealedAt {
    SealedAt::App { tenant: acme(), provider: arc(provider) }
}

fn secret(name: &str) -> SealedAt {
    SealedAt::Secret { name: arc(name) }
}

fn answer(name: &str, fingerprint: &str) -> SealedAt {
    let Place { tenant, connection, id } = place(name);
    SealedAt::Answer { tenant, connection, id, fingerprint: arc(fingerprint) }
}

fn of_revocation(name: &str) -> SealedAt {
    let (tenant, connection, generation) = (acme(), id("a"), revocation(name).generation);
    SealedAt::Revocation { id: arc(name), tenant, connection, generation }
}

/// One of each kind, and a connection without credentials.
async fn fill(on: &On) -> Vec<SealedAt> {
    on.connections.insert(row("a"), Along::default()).await.expect("written");
    on.connections.insert(Row { sealed: Vec::new(), ..row("bare") }, Along::default()).await.expect("written");
    on.tokens.keep_orphan(key("a"), 2, b"orphan".to_vec()).await.expect("kept");
    on.revocations.insert(revocation("r")).await.expect("written");
    on.apps.put(app("blue")).await.expect("put");
    on.sealed.keep_secret(arc("s"), b"secret".to_vec()).await.expect("kept");
    on.idempotency.claim(place("w"), claim("c", "f")).await.expect("claimed");
    on.idempotency.settle(place("w"), arc("c"), End::Done(b"answer".to_vec())).await.expect("settled");
    on.idempotency.claim(place("bare"), claim("d", "f")).await.expect("claimed");
    vec![connection("a", 1), orphan("a", 2), of_revocation("r"), app_of("blue"), secret("s"), answer("w", "f")]
}

pub(super) async fn everything_sealed_is_listed_and_read(on: &On) {
    assert!(on.sealed.sealed_texts().await.expect("a list").is_empty());
    let all = fill(on).await;
    assert_eq!(on.sealed.sealed_texts().await.expect("a list"), all);
    let texts = [
        row("a").sealed,
        b"orphan".to_vec(),
        revocation("r").sealed,
        app("blue").sealed,
        b"secret".to_vec(),
        b"answer".to_vec(),
    ];
    for (at, text) in all.into_iter().zip(texts) {
        assert_eq!(on.sealed.sealed_text(at.clone()).await.expect("read"), Some(text), "{at:?}");
    }
    let foreign = SealedAt::Connection { tenant: other(), id: id("a"), generation: 1 };
    for gone in [
        connection("a", 2),
        orphan("a", 1),
        orphan("bare", 1),
        app_of("red"),
        secret("t"),
        answer("w", "g"),
        answer("bare", "f"),
        foreign,
    ] {
        assert_eq!(on.sealed.sealed_text(gone.clone()).await.expect("read"), None, "{gone:?}");
        assert!(!on.sealed.reseal(gone, b"x".to_vec(), b"y".to_vec()).await.expect("asked"));
    }
}

pub(super) async fn what_changed_meanwhile_is_not_sealed_anew(on: &On) {
    for at in fill(on).await {
        let old = on.sealed.sealed_text(at.clone()).await.expect("read").expect("a text");
        let new = [&old[..], b" anew"].concat();
        assert!(!on.sealed.reseal(at.clone(), b"another".to_vec(), new.clone()).await.expect("asked"));
        assert_eq!(on.sealed.sealed_text(at.clone()).await.expect("read"), Some(old.clone()));
        assert!(on.sealed.reseal(at.clone(), old.clone(), new.clone()).await.expect("asked"), "{at:?}");
        assert!(!on.sealed.reseal(at.clone(), old, new.clone()).await.expect("asked"));
        assert_eq!(on.sealed.sealed_text(at.clone()).await.expect("read"), Some(new), "{at:?}");
    }
}

pub(super) async fn a_secret_is_made_once(on: &On) {
    for round in 0..4 {
        let name = format!("s{round}");
        let keep = |text: &str| on.sealed.keep_secret(arc(&name), text.as_bytes().to_vec());
        let (one, two) = tokio::join!(keep("one"), keep("two"));
        let (one, two) = (one.expect("kept"), two.expect("kept"));
        assert_eq!(one, two);
        assert!(one == b"one" || one == b"two");
        assert_eq!(keep("three").await.expect("the one there is"), one);
    }
}
