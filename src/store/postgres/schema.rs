//! Brings the schema up to date: all steps in one transaction, so that a failed start leaves the database as it was.
//!
//! For the author of the next step: while replicas are replaced one by one, the release before this one still runs on the
//! new schema. So a step only expands: it adds tables, indexes, and columns that may be null or have a default. What
//! nothing reads any more is dropped (contract) by a step of a later release. A step must not take long either: it holds
//! its locks until the end, so large tables are rewritten in batches by code, not here. Both kinds of store have steps of
//! their own; a column has to be named in `store/copy/tables.rs` too, which a test looks after.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::server::{CONNECT, Server};
use crate::store::Migrated;
use crate::store::open::OpenError;

/// Step n makes schema n. Steps that were released are never changed.
const STEPS: &[&str] =
    &[include_str!("../migrations/postgres/0001.sql"), include_str!("../migrations/postgres/0002.sql")];
/// The schema this release knows.
pub(in crate::store) const SCHEMA: i64 = STEPS.len() as i64;

/// How long to wait for another process that does the same, and for the steps themselves.
const LIMIT: Duration = Duration::from_secs(300);
/// One process makes the steps, the others wait for it here. The lock goes with the transaction.
const TURN: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
     SELECT pg_advisory_xact_lock(hashtext('throughline schema ' || current_schema()))";
/// A step that waits for a table makes everybody behind it wait: rather fail and be started again.
const PATIENCE: &str = "SET LOCAL lock_timeout = '10s'";

pub(super) async fn migrate(server: &Server, tls: &MakeRustlsConnect) -> Result<Migrated, OpenError> {
    let mut client = connect(server, tls).await?;
    let failed = |error: String| OpenError::Migration(error);
    let migrated = timeout(LIMIT, bring_up(&mut client)).await.map_err(|_| failed("it took too long".into()))?;
    let migrated = migrated.map_err(|error| failed(words(&error)))?;
    let (found, known) = (migrated.from, SCHEMA);
    if found > known { Err(OpenError::Newer { found, known }) } else { Ok(migrated) }
}

/// A connection outside the pool, which ends when it is dropped.
pub(super) async fn connect(server: &Server, tls: &MakeRustlsConnect) -> Result<Client, OpenError> {
    let unreachable = |why: String| OpenError::Unreachable { server: server.to_string(), why };
    let connected = timeout(CONNECT, server.config.connect(tls.clone())).await;
    let connected = connected.map_err(|_| unreachable("it gave no answer".into()))?;
    let (client, connection) = connected.map_err(|error| unreachable(words(&error)))?;
    tokio::spawn(async move {
        // Whoever waits for an answer gets the error as well.
        let _ = connection.await;
    });
    Ok(client)
}

/// The error with its causes: the first line of tokio-postgres alone says little.
pub(in crate::store) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

async fn bring_up(client: &mut Client) -> Result<Migrated, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(TURN).await?;
    transaction.batch_execute(PATIENCE).await?;
    let from = version(&transaction).await?;
    for (number, step) in (1_i64..).zip(STEPS).filter(|(number, _)| *number > from) {
        transaction.batch_execute(step).await?;
        transaction.execute("INSERT INTO schema_version VALUES ($1, clock_timestamp())", &[&number]).await?;
    }
    transaction.commit().await?;
    Ok(Migrated { from, to: SCHEMA.max(from) })
}

async fn version(transaction: &Transaction<'_>) -> Result<i64, tokio_postgres::Error> {
    let exists = transaction
        .query_one("SELECT to_regclass(quote_ident(current_schema()) || '.schema_version') IS NOT NULL", &[])
        .await?;
    // Looked for first: a user without the right to make tables may run on a schema that another one keeps up to date.
    if !exists.try_get::<_, bool>(0)? {
        let table =
            "CREATE TABLE schema_version (version bigint NOT NULL PRIMARY KEY, applied_at timestamptz NOT NULL)";
        transaction.batch_execute(table).await?;
    }
    transaction.query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[]).await?.try_get(0)
}
