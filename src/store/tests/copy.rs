//! From one kind of store to the other and back, and into a file.

use std::path::Path;

use rusqlite::types::Value;
use secrecy::SecretString;
use serde_json::Map;

use super::conformance::Schema;
use super::{Scratch, acme, keys};
use crate::auth::{Mode, NewKey, TenantId};
use crate::connections::{Credentials, NewConnection, OnConflict, Source};
use crate::store::copy::{Column, TABLES};
use crate::store::{Address, BackupError, CopyError, OpenError, Role, Store, backup, copy};

fn at(path: &Path) -> Address {
    Address::Sqlite(path.to_owned())
}

/// A file with something in every column of every table, twice what goes at a time, and odd text.
fn filled(scratch: &Scratch) -> Address {
    let path = scratch.path().join("from.db");
    drop(Store::file(&path, Role::Command).expect("a store"));
    let database = rusqlite::Connection::open(&path).expect("the file");
    database.execute_batch("BEGIN").expect("begun");
    for table in TABLES {
        for number in 0..if table.name == "connection_events" { 1_100 } else { 3 } {
            let values = table.columns.iter().map(|(name, kind)| value(name, *kind, number));
            let places = vec!["?"; table.columns.len()].join(", ");
            let sql = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.names());
            database.execute(&sql, rusqlite::params_from_iter(values)).expect(table.name);
        }
    }
    database.execute_batch("COMMIT").expect("written");
    at(&path)
}

fn value(name: &str, kind: Column, number: i64) -> Value {
    match kind {
        // Every third row has nothing where nothing may be.
        _ if number == 2 && OPTIONAL.contains(&name) => Value::Null,
        // A consent names its session.
        Column::Text if ["id", "session"].contains(&name) => Value::Text(format!("id {number}")),
        Column::Text => Value::Text(format!("{{\"z\":1.50,\"ü\":\"{name}\\u0000\n'\"}} {number}")),
        Column::Bytes => Value::Blob(vec![0, 255, number as u8]),
        Column::Integer => Value::Integer(number * 7 + 3),
        Column::Flag => Value::Integer(number % 2),
        Column::Time => Value::Text(format!("2026-11-21T00:00:{:02}.{:06}Z", number % 60, 123_456 + number)),
    }
}

const OPTIONAL: [&str; 12] = [
    "revoked_at",
    "state_reason",
    "last_error",
    "refreshed_at",
    "lease_owner",
    "lease_until",
    "orphan",
    "orphan_generation",
    "detail",
    "browser",
    "completed_by",
    "failing_since",
];

/// Every row of every table, in order.
fn rows(path: &Path) -> Vec<Vec<Vec<Value>>> {
    let database = rusqlite::Connection::open(path).expect("the file");
    let tables = TABLES.iter().map(|table| {
        let mut statement = database.prepare(&table.select()).expect("a statement");
        let width = table.columns.len();
        let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>());
        rows.expect("rows").collect::<Result<_, _>>().expect("values")
    });
    tables.collect()
}

#[tokio::test]
async fn every_row_survives_the_way_to_postgres_and_back() {
    let Some(schema) = Schema::new().await else { return };
    let scratch = Scratch::new();
    let (from, back) = (filled(&scratch), at(&scratch.path().join("back.db")));
    let there = copy(&from, &schema.address()).await.expect("copied");
    assert_eq!(there.iter().map(|(_, rows)| rows).sum::<u64>(), 1_100 + (TABLES.len() as u64 - 1) * 3);
    assert_eq!(copy(&schema.address(), &back).await.expect("copied"), there);
    let (before, after) = (rows(&scratch.path().join("from.db")), rows(&scratch.path().join("back.db")));
    assert_eq!(before.len(), TABLES.len());
    assert!(before == after, "a row has changed on the way");

    // What is new gets a number after those that came along.
    let store = Store::open(&schema.address(), Role::Command).await.expect("a store");
    let (tenant, id) = (TenantId("t".into()), crate::connections::ConnectionId("c".into()));
    let event = crate::connections::Event::now(crate::connections::EventKind::Created, None);
    store.events().append(tenant.clone(), id.clone(), event).await.expect("written");
    let listed = store.events().list(tenant, id, None, 1).await.expect("a list");
    assert_eq!(listed[0].number, 1_099 * 7 + 3 + 1);
}

#[tokio::test]
async fn a_copied_store_serves_with_the_same_vault_key() {
    let scratch = Scratch::new();
    let vault = super::vault();
    let open = |store: &Store| super::connections_with(store, vault.clone(), &super::catalog());
    let store = Store::file(&scratch.database(), Role::Serve).expect("a store");
    let new = NewKey::with_scopes(Mode::Live, "read".parse().expect("known scopes"));
    let (key, _) = keys(&store).create(TenantId("acme".into()), new).await.expect("a key");
    let new = NewConnection {
        provider: "blue".into(),
        customer_id: "c1".into(),
        settings: Map::new(),
        credentials: Credentials::Token { token: SecretString::from("s3cret") },
        scopes: Vec::new(),
        on_conflict: OnConflict::Fail,
        source: Source::Import,
    };
    let created = open(&store).create(&acme(), new).await.expect("imported");

    let target = at(&scratch.path().join("to.db"));
    let served = copy(&at(&scratch.database()), &target).await;
    assert!(matches!(served, Err(CopyError::Open(OpenError::InUse { .. }))), "a server is at work on it");
    store.close().await;
    copy(&at(&scratch.database()), &target).await.expect("copied");

    let store = Store::open(&target, Role::Serve).await.expect("the copy");
    keys(&store).authenticate(&key).await.expect("still known");
    let connection =
        open(&store).get(&acme(), created.overview.connection.id.as_str()).await.expect("there").connection;
    open(&store).access(&connection).await.expect("the sealed text opens");
}

#[tokio::test]
async fn a_target_that_holds_data_is_left_alone() {
    let scratch = Scratch::new();
    let (from, to) = (filled(&scratch), at(&scratch.database()));
    let store = Store::file(&scratch.database(), Role::Command).expect("a store");
    store.mappings().put(TenantId("t".into()), None, "{}".into()).await.expect("put");
    store.close().await;
    let before = rows(&scratch.database());
    let refused = copy(&from, &to).await;
    assert!(matches!(&refused, Err(CopyError::NotEmpty(tables)) if tables == "mappings"), "{refused:?}");
    assert!(rows(&scratch.database()) == before);
    assert!(matches!(copy(&from, &from).await, Err(CopyError::Same)));
    let missing = at(&scratch.path().join("missing.db"));
    assert!(matches!(copy(&missing, &to).await, Err(CopyError::Missing(_))));
    if let Some(schema) = Schema::new().await {
        copy(&from, &schema.address()).await.expect("copied");
        assert!(matches!(copy(&from, &schema.address()).await, Err(CopyError::NotEmpty(_))));
    }
}

#[tokio::test]
async fn what_cannot_be_read_stops_the_copy_as_a_whole() {
    let scratch = Scratch::new();
    let from = filled(&scratch);
    let database = rusqlite::Connection::open(scratch.path().join("from.db")).expect("the file");
    database.execute("UPDATE connect_states SET expires_at = 'soon'", []).expect("written");
    drop(database);
    let refused = copy(&from, &at(&scratch.database())).await;
    assert!(
        matches!(refused, Err(CopyError::Unreadable { table: "connect_states", column: "expires_at" })),
        "{refused:?}"
    );
    assert!(rows(&scratch.database()).iter().all(Vec::is_empty), "what came before was taken back");
}

#[tokio::test]
async fn all_columns_of_both_schemas_are_copied() {
    let scratch = Scratch::new();
    drop(Store::file(&scratch.database(), Role::Command).expect("a store"));
    let database = rusqlite::Connection::open(scratch.database()).expect("the file");
    let sql = "SELECT m.name || '.' || p.name FROM sqlite_master m, pragma_table_info(m.name) p
               WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'schema_version'";
    let mut statement = database.prepare(sql).expect("a statement");
    let found = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows").collect::<Result<Vec<_>, _>>();
    let mut found = found.expect("names");
    let mut known: Vec<String> = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(move |(column, _)| format!("{}.{column}", table.name)))
        .collect();
    found.sort();
    known.sort();
    assert_eq!(found, known);
    let Some(schema) = Schema::new().await else { return };
    Store::open(&schema.address(), Role::Command).await.expect("a store");
    let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns
               WHERE table_schema = current_schema() AND table_name <> 'schema_version'";
    let mut found = schema.texts(sql).await;
    found.sort();
    assert_eq!(found, known);
}

#[tokio::test]
async fn a_backup_is_made_beside_a_server_and_is_a_store() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let store = Store::file(&scratch.database(), Role::Serve).expect("a store");
    store.mappings().put(TenantId("t".into()), None, "{}".into()).await.expect("put");
    let file = scratch.path().join("backup.db");
    backup(&at(&scratch.database()), &file).expect("written");
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o077, 0);
    assert!(rows(&file) == rows(&scratch.database()));
    assert!(matches!(backup(&at(&scratch.database()), &file), Err(BackupError::Exists(_))));
    assert!(matches!(
        backup(&at(&scratch.path().join("none.db")), &scratch.path().join("x")),
        Err(BackupError::Missing(_))
    ));
    store.mappings().put(TenantId("t".into()), None, "later".into()).await.expect("put");
    let restored = Store::file(&file, Role::Serve).expect("a store");
    let text = restored.mappings().find(TenantId("t".into()), None).await.expect("read");
    assert_eq!(text.as_deref(), Some("{}"));
    let leftovers = std::fs::read_dir(scratch.path()).expect("the folder").filter_map(Result::ok);
    assert!(!leftovers.map(|file| file.file_name()).any(|name| name.to_string_lossy().contains(".part")));
}
