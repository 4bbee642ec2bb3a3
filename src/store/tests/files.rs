//! What only a store in a file shows: permanence, secrecy of its bytes, the lock, and other processes.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Map;

use super::{Scratch, acme, connections, keys};
use crate::auth::{Mode, NewKey, TenantId};
use crate::connections::{Credentials, NewConnection, OnConflict, Selector, Source, Vault, VaultError};
use crate::store::sqlite::Sqlite;
use crate::store::{Backend, Changed, OpenError, Role, Store};

const CANARY: &str = "canary-3f9d1c77-token";

fn canary() -> NewConnection {
    NewConnection {
        provider: "blue".into(),
        customer_id: "c1".into(),
        settings: Map::new(),
        credentials: Credentials::Token { token: SecretString::from(CANARY) },
        scopes: vec!["contacts".into()],
        on_conflict: OnConflict::Fail,
        source: Source::Import,
    }
}

fn new_key() -> NewKey {
    NewKey::with_scopes(Mode::Live, "read".parse().expect("known scopes"))
}

#[tokio::test]
async fn no_secret_is_readable_in_any_file_and_all_is_there_after_a_restart() {
    let scratch = Scratch::new();
    let store = Store::file(&scratch.database(), Role::Serve).expect("a store");
    let (keys, connections) = (keys(&store), connections(&store));
    let (key, _) = keys.create(TenantId("acme".into()), new_key()).await.expect("a key");
    let created = connections.create(&acme(), canary()).await.expect("imported");

    let mut customer_seen = false;
    for file in std::fs::read_dir(scratch.path()).expect("the folder") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).expect("its bytes");
        for secret in [CANARY.as_bytes(), &key.as_bytes()[17..]] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
        }
        customer_seen |= bytes.windows(8).any(|window| window == b"contacts");
    }
    assert!(customer_seen, "the test looks at the wrong bytes");

    store.close().await;
    assert!(connections.get(&acme(), created.overview.connection.id.as_str()).await.is_err(), "the store is closed");
    let store = Store::file(&scratch.database(), Role::Serve).expect("the lock is free again");
    let keys = super::keys(&store);
    keys.authenticate(&key).await.expect("still known");
    let repository = store.connections();
    let row = repository.find(TenantId("acme".into()), created.overview.connection.id.clone()).await;
    assert_eq!(row.expect("read").expect("the row").overview(), created.overview);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let _store = Store::file(&scratch.database(), Role::Serve).expect("a store");
    let mode = std::fs::metadata(scratch.database()).expect("the file").permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[tokio::test]
async fn one_server_at_a_time_and_commands_beside_it() {
    let scratch = Scratch::new();
    let store = Store::file(&scratch.database(), Role::Serve).expect("the first");
    let second = Store::file(&scratch.database(), Role::Serve).err().expect("refused");
    assert!(matches!(second, OpenError::InUse { .. }));
    assert!(second.to_string().contains("stop it first"));
    let command = Store::file(&scratch.database(), Role::Command).expect("a command");
    command.ping().await.expect("answers");
    store.ping().await.expect("answers");
    store.close().await;
    Store::file(&scratch.database(), Role::Serve).expect("the next server");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let error = Store::file(&scratch.path().join("missing/x.db"), Role::Command).err().expect("refused");
    assert!(error.to_string().contains("missing/x.db") && error.to_string().contains("must exist"));
}

#[tokio::test]
async fn what_a_command_changes_is_announced_and_asking_costs_no_call() {
    let scratch = Scratch::new();
    let path = scratch.database();
    let server = Sqlite::open(&path, Role::Serve, Duration::from_millis(20)).expect("a store");
    let server = Store(Backend::Sqlite(server));
    let keys = keys(&server);
    let (key, record) = keys.create(TenantId("acme".into()), new_key()).await.expect("a key");
    keys.authenticate(&key).await.expect("in memory now");
    let mut changes = server.changes();
    let own = tokio::time::timeout(Duration::from_millis(100), changes.next()).await;
    assert!(own.is_err(), "its own writes are no news");

    let before = server.calls();
    let command = Store::file(&path, Role::Command).expect("a command");
    super::keys(&command).revoke(TenantId("acme".into()), &record.id).await.expect("revoked");
    keys.authenticate(&key).await.expect("not known here yet");
    let news = tokio::time::timeout(Duration::from_secs(5), changes.next()).await.expect("in time");
    assert_eq!(news, Some(Changed::All));
    assert_eq!(server.calls(), before);
    keys.forget_all();
    assert!(keys.authenticate(&key).await.is_err());
}

#[tokio::test]
async fn a_connection_made_by_a_command_is_usable() {
    let scratch = Scratch::new();
    let server = Store::file(&scratch.database(), Role::Serve).expect("a store");
    let command = Store::file(&scratch.database(), Role::Command).expect("a command");
    connections(&command).create(&acme(), canary()).await.expect("imported");
    let selector = Selector { customer: Some("c1".into()), ..Selector::default() };
    connections(&server).resolve(&acme(), &selector).await.expect("found");
}

#[test]
fn a_vault_key_file_may_hold_remarks_and_replaced_keys() {
    let scratch = Scratch::new();
    let path = scratch.path().join("vault.key");
    let missing = Vault::from_file(&path).expect_err("not there");
    assert!(matches!(&missing, VaultError::Unreadable { .. }) && missing.to_string().contains("vault.key"));
    let (new, old) = (Vault::generate_key().expect("random"), Vault::generate_key().expect("random"));
    std::fs::write(&path, format!("# the key of this year\n{}\n\n{}\n", *new, *old)).expect("written");
    let vault = Vault::from_file(&path).expect("good keys");
    assert_eq!(vault.derive(b"x"), Vault::from_key_base64(&new).expect("a good key").derive(b"x"));
    assert_eq!(vault.derive_older(b"x").len(), 1);
}
