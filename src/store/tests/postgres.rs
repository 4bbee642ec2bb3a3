//! What only a server shows: connections that end, settings, TLS, many at once, schemas of other releases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Scratch;
use super::conformance::{Schema, postgres_url};
use crate::auth::TenantId;
use crate::connections::{Filter, MappingRepository};
use crate::error::Kind;
use crate::store::{Address, Backend, CopyError, Location, Migrated, OpenError, Role, Store, copy};

fn tenant() -> TenantId {
    TenantId("t".into())
}

async fn text(store: &Store, sql: &str) -> String {
    let Backend::Postgres(postgres) = &store.0 else { panic!("a server") };
    let rows = postgres.rows(sql, &[]).await.expect("an answer");
    rows.first().expect("a row").get(0)
}

async fn open(schema: &Schema) -> Store {
    Store::open(&schema.address(), Role::Command).await.expect("a store")
}

#[tokio::test]
async fn reads_and_writes_go_on_after_their_connections_were_cut() {
    let Some(schema) = Schema::new().await else { return };
    let store = open(&schema).await;
    for round in 0..10 {
        store.mappings().put(tenant(), None, round.to_string()).await.expect("written");
        schema.cut().await;
        let found = store.mappings().find(tenant(), None).await.expect("read again on another connection");
        assert_eq!(found, Some(round.to_string()));
        schema.cut().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_a_restart_costs_seconds_and_no_panic() {
    let Some(schema) = Schema::new().await else { return };
    let store = open(&schema).await;
    let end = Instant::now() + Duration::from_secs(3);
    let work = |number: usize| {
        let mappings: Arc<dyn MappingRepository> = store.mappings();
        tokio::spawn(async move {
            let (mut good, mut overloaded) = (0_u32, 0_u32);
            while Instant::now() < end {
                let owner = TenantId(format!("t{number}").into());
                let done = match good % 2 {
                    0 => mappings.put(owner, None, "{}".into()).await,
                    _ => mappings.find(owner, None).await.map(drop),
                };
                match done {
                    Ok(()) => good += 1,
                    Err(error) => {
                        assert_eq!((error.kind(), error.is_retryable()), (Kind::Overloaded, true), "{error:?}");
                        assert!(error.get_retry_after().is_some());
                        overloaded += 1;
                    }
                }
            }
            (good, overloaded)
        })
    };
    let workers: Vec<_> = (0..24).map(work).collect();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        schema.cut().await;
    }
    let mut good = 0;
    for worker in workers {
        let (done, _overloaded) = worker.await.expect("no panic");
        good += done;
    }
    assert!(good > 20, "{good}");
    store.ping().await.expect("all is well again");
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_an_answer() {
    let Some(schema) = Schema::new().await else { return };
    let store = open(&schema).await;
    let busy: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { text(&store, "SELECT 'x' FROM pg_sleep(5)").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(800)).await;
    let began = Instant::now();
    let error = store.ping().await.expect_err("all are busy");
    assert_eq!((error.kind(), error.is_retryable()), (Kind::Overloaded, true));
    assert!(error.get_retry_after().is_some() && began.elapsed() < Duration::from_secs(4));
    for one in busy {
        one.await.expect("finished");
    }
    store.ping().await.expect("free again");
}

#[tokio::test]
async fn commits_are_on_the_disk_whatever_the_server_is_set_to() {
    let Some(schema) = Schema::new().await else { return };
    for (given, expected) in [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
        let url = schema.url().replace("options=", &format!("options=-csynchronous_commit%3D{given}%20"));
        let address = Location::from(url.as_str()).address().expect("a good URL");
        let store = Store::open(&address, Role::Command).await.expect("a store");
        assert_eq!(text(&store, "SHOW synchronous_commit").await, expected, "{given}");
        assert_ne!(text(&store, "SHOW statement_timeout").await, "0");
    }
}

#[tokio::test]
async fn a_character_that_cannot_be_stored_is_the_callers_fault() {
    let Some(schema) = Schema::new().await else { return };
    let store = open(&schema).await;
    let error = store.mappings().put(tenant(), None, "a\0b".into()).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::InvalidRequest);
    let filter = Filter { customer_id: Some("\0".into()), limit: 1, ..Filter::default() };
    let error = store.connections().list(tenant(), filter).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::InvalidRequest);
}

fn at(scratch: &Scratch) -> Address {
    Address::Sqlite(scratch.database())
}

#[tokio::test]
async fn those_who_start_together_make_one_schema_and_a_newer_one_is_used_only_if_it_says_so() {
    let Some(schema) = Schema::new().await else { return };
    let stores = futures_util::future::join_all((0..6).map(|_| open(&schema))).await;
    let made = stores.iter().filter(|store| store.migrated().from == 0).count();
    assert_eq!(made, 1);
    let known = stores[0].migrated().known;
    assert_eq!(open(&schema).await.migrated(), Migrated { from: known, to: known, known });
    let next = async |version: i64, compatible_from: &str| {
        let sql = format!("INSERT INTO schema_version VALUES ({version}, now(), {compatible_from})");
        schema.run(&sql).await.expect("written");
    };
    next(known + 1, &known.to_string()).await;
    let newer = open(&schema).await;
    assert_eq!((newer.migrated().to, newer.migrated().is_newer()), (known + 1, true));
    newer.ping().await.expect("it works on it");
    let scratch = Scratch::new();
    for (from, to) in [(schema.address(), at(&scratch)), (at(&scratch), schema.address())] {
        let refused = copy(&from, &to).await;
        assert!(
            matches!(refused, Err(CopyError::Newer { .. })),
            "what it does not know it would leave out: {refused:?}"
        );
    }
    // A step that takes away counts, though one after it only adds.
    next(known + 2, &(known + 2).to_string()).await;
    next(known + 3, &known.to_string()).await;
    let refused = Store::open(&schema.address(), Role::Command).await.err().expect("refused");
    assert!(matches!(refused, OpenError::Newer { needed, .. } if needed == known + 2), "{refused}");
    // One that says nothing is for itself alone.
    next(999, "NULL").await;
    let refused = Store::open(&schema.address(), Role::Command).await.err().expect("refused");
    assert!(matches!(refused, OpenError::Newer { found: 999, needed: 999, .. }), "{refused}");
}

#[tokio::test]
async fn a_failed_migration_changes_nothing() {
    let Some(schema) = Schema::new().await else { return };
    // In the way of a later statement of the first step.
    schema.run("CREATE TABLE oauth_apps (x int)").await.expect("made");
    let failed = Store::open(&schema.address(), Role::Command).await.err().expect("refused");
    assert!(matches!(failed, OpenError::Migration(_)), "{failed}");
    let tables = schema.texts("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()").await;
    assert_eq!(tables, ["oauth_apps"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let url = format!("postgres://al:s3cret@127.0.0.1:{port}/crm");
    let address = Location::from(url.as_str()).address().expect("a good URL");
    let error = Store::open(&address, Role::Serve).await.err().expect("nobody listens");
    let text = format!("{error} {error:?}");
    assert!(text.contains(&format!("postgres://al@127.0.0.1:{port}/crm")) && !text.contains("s3cret"), "{text}");
}

/// The test server with TLS: its URL and the authority that signed its certificate, which is for `localhost`.
fn with_tls() -> Option<(String, String)> {
    let (url, authority) = (postgres_url()?, std::env::var("THROUGHLINE_TEST_POSTGRES_CA").ok());
    if authority.is_none() {
        let required = std::env::var_os("THROUGHLINE_REQUIRE_POSTGRES").is_some();
        assert!(!required, "THROUGHLINE_TEST_POSTGRES_CA has to name a file");
        eprintln!("skipped: THROUGHLINE_TEST_POSTGRES_CA names no certificate authority");
    }
    Some((url.split('?').next().unwrap_or_default().to_owned(), authority?))
}

#[tokio::test]
async fn certificates_are_checked_as_far_as_the_url_says() {
    let Some((url, authority)) = with_tls() else { return };
    let by_name = url.replace("127.0.0.1", "localhost");
    for (url, query, good) in [
        (&url, "sslmode=require".to_owned(), true),
        (&url, format!("sslmode=verify-ca&sslrootcert={authority}"), true),
        (&by_name, format!("sslmode=verify-full&sslrootcert={authority}"), true),
        // The certificate is for another name.
        (&url, format!("sslmode=verify-full&sslrootcert={authority}"), false),
        // No authority that the world trusts has signed it.
        (&by_name, "sslmode=verify-full".to_owned(), false),
        (&by_name, "sslmode=verify-ca".to_owned(), false),
        (&url, "sslmode=verify-full&sslrootcert=/missing.pem".to_owned(), false),
    ] {
        let address: Address = Location::from(format!("{url}?{query}&options=-csearch_path%3Dpg_temp").as_str())
            .address()
            .expect("a good URL");
        let Address::Postgres(server) = &address else { panic!("a server") };
        let connected = crate::store::postgres::connect(server).await;
        assert_eq!(connected.is_ok(), good, "{query}: {:?}", connected.err());
        if let Ok(client) = connected {
            let row = client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await;
            assert!(row.expect("an answer").get::<_, bool>(0), "{query}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_never_repeated() {
    let Some((url, _)) = with_tls() else { return };
    let Some((head, place)) = url.rsplit_once('@') else { panic!("a user and a password") };
    let (user, _) = head.rsplit_once(':').expect("a password");
    let wrong = Location::from(format!("{user}:wr0ng@{place}").as_str()).address().expect("a good URL");
    let error = Store::open(&wrong, Role::Command).await.err().expect("refused");
    assert!(matches!(error, OpenError::Unreachable { .. }));
    let text = format!("{error} {error:?}");
    assert!(text.contains("password authentication failed") && !text.contains("wr0ng"), "{text}");
}
