//! Brings the schema up to date: all steps in one transaction, so that a failed start leaves the database as it was. A
//! newer schema is left alone, and used if it says that this release can.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::server::{CONNECT, Server};
use crate::store::Migrated;
use crate::store::open::{OpenError, Step};

/// Step n makes schema n. Steps that were released are never changed; what a new one may do stands at `Step`.
const STEPS: &[Step] = &[
    Step { sql: include_str!("../migrations/postgres/0001.sql"), compatible_from: 1 },
    Step { sql: include_str!("../migrations/postgres/0002.sql"), compatible_from: 1 },
    Step { sql: include_str!("../migrations/postgres/0003.sql"), compatible_from: 1 },
];
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
    let (migrated, needed) = migrated.map_err(|error| failed(words(&error)))?;
    let Migrated { to: found, known, .. } = migrated;
    if needed > known { Err(OpenError::Newer { found, needed, known }) } else { Ok(migrated) }
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

/// Also returns the oldest schema whose releases can work on what is there.
async fn bring_up(client: &mut Client) -> Result<(Migrated, i64), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(TURN).await?;
    transaction.batch_execute(PATIENCE).await?;
    let from = version(&transaction).await?;
    for (number, step) in (1_i64..).zip(STEPS).filter(|(number, _)| *number > from) {
        transaction.batch_execute(step.sql).await?;
        let sql = "INSERT INTO schema_version (version, applied_at) VALUES ($1, clock_timestamp())";
        transaction.execute(sql, &[&number]).await?;
        // The column is itself of step 2.
        if number >= 2 {
            let sql = "UPDATE schema_version SET compatible_from = $2 WHERE version = $1";
            transaction.execute(sql, &[&number, &step.compatible_from]).await?;
        }
    }
    let sql = "SELECT coalesce(max(coalesce(compatible_from, version)), 0) FROM schema_version WHERE version > $1";
    let needed = transaction.query_one(sql, &[&SCHEMA]).await?.try_get(0)?;
    transaction.commit().await?;
    Ok((Migrated { from, to: SCHEMA.max(from), known: SCHEMA }, needed))
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
