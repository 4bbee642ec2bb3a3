//! OAuth apps that tenants bring.

use super::place::Place;
use super::samples::{acme, app, arc, at, other};
use crate::connections::StoredApp;

pub(super) async fn an_app_is_put_replaced_listed_and_deleted(on: &Place) {
    assert_eq!(on.apps.find(acme(), arc("blue")).await.expect("read"), None);
    for provider in ["red", "blue"] {
        on.apps.put(app(provider)).await.expect("put");
    }
    assert_eq!(on.apps.find(acme(), arc("blue")).await.expect("read"), Some(app("blue")));
    let newer = StoredApp {
        client_id: "another".into(),
        sealed: vec![0, 255],
        created_at: at(5),
        updated_at: at(5),
        ..app("blue")
    };
    on.apps.put(newer.clone()).await.expect("replaced");
    let kept = StoredApp { created_at: at(0), ..newer };
    assert_eq!(on.apps.list(acme()).await.expect("a list"), [kept, app("red")]);
    assert!(on.apps.delete(acme(), arc("blue")).await.expect("deleted"));
    assert!(!on.apps.delete(acme(), arc("blue")).await.expect("nothing to delete"));
    assert_eq!(on.apps.list(acme()).await.expect("a list"), [app("red")]);
}

pub(super) async fn apps_of_other_tenants_are_never_seen(on: &Place) {
    on.apps.put(app("blue")).await.expect("put");
    assert_eq!(on.apps.find(other(), arc("blue")).await.expect("read"), None);
    assert!(on.apps.list(other()).await.expect("a list").is_empty());
    assert!(!on.apps.delete(other(), arc("blue")).await.expect("nothing of theirs"));
    on.apps.put(StoredApp { tenant: other(), client_id: "theirs".into(), ..app("blue") }).await.expect("put");
    assert_eq!(on.apps.find(acme(), arc("blue")).await.expect("read"), Some(app("blue")));
}
