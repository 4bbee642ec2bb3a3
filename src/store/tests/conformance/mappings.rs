//! Overrides of mappings.

use super::place::Place;
use super::samples::{acme, id, other};

const TEXT: &str = "{\"z\": 1.50, \"a\": \"\u{fc}\", \"n\": 123456789012345678901234567890}";

pub(super) async fn overrides_are_put_replaced_and_deleted(on: &Place) {
    for connection in [None, Some(id("a"))] {
        assert_eq!(on.mappings.find(acme(), connection.clone()).await.expect("read"), None);
        for text in ["{}", TEXT] {
            on.mappings.put(acme(), connection.clone(), text.into()).await.expect("put");
            assert_eq!(on.mappings.find(acme(), connection.clone()).await.expect("read").as_deref(), Some(text));
        }
        assert!(on.mappings.delete(acme(), connection.clone()).await.expect("deleted"));
        assert!(!on.mappings.delete(acme(), connection.clone()).await.expect("nothing to delete"));
        assert_eq!(on.mappings.find(acme(), connection).await.expect("read"), None);
    }
}

pub(super) async fn overrides_of_others_are_never_seen(on: &Place) {
    let places =
        [(acme(), None), (acme(), Some(id("a"))), (acme(), Some(id("b"))), (other(), None), (other(), Some(id("a")))];
    for (number, (tenant, connection)) in places.iter().enumerate() {
        on.mappings.put(tenant.clone(), connection.clone(), number.to_string()).await.expect("put");
    }
    assert!(on.mappings.delete(other(), Some(id("a"))).await.expect("deleted"));
    for (number, (tenant, connection)) in places.into_iter().enumerate().take(4) {
        let found = on.mappings.find(tenant, connection).await.expect("read");
        assert_eq!(found, Some(number.to_string()));
    }
}
