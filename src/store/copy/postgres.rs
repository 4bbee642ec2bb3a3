//! PostgreSQL as source and as target. As a source it is read as it stands at one moment; servers should be stopped all
//! the same, for what they write afterwards is not copied.

use std::pin::pin;

use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::value::{Value, postgres_type};
use super::{BATCH, Copied, CopyError, Piece, TABLES, Table, check, check_schema};
use crate::store::postgres::{SCHEMA, Server, connect};

pub(super) async fn read(server: &Server, pieces: mpsc::Sender<Piece>) -> Result<(), CopyError> {
    let mut client: Client = connect(server).await?;
    let moment = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = moment.start().await?;
    let found = transaction.query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[]).await?.try_get(0)?;
    check_schema("source", found, SCHEMA)?;
    for table in TABLES {
        let none: [&str; 0] = [];
        let rows = transaction.query_raw(&table.select(), none).await?;
        let mut batches = pin!(rows.map(|row| read_row(table, &row?)).try_chunks(BATCH));
        while let Some(batch) = batches.next().await {
            // A writer that has gone says itself why.
            if pieces.send(Piece::Rows(table, batch.map_err(|error| error.1)?)).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = pieces.send(Piece::End(count(&transaction).await?)).await;
    Ok(())
}

fn read_row(table: &Table, row: &tokio_postgres::Row) -> Result<Vec<Value>, CopyError> {
    let columns = table.columns.iter().enumerate();
    Ok(columns.map(|(at, (_, kind))| Value::of_postgres(*kind, row, at)).collect::<Result<_, _>>()?)
}

pub(super) async fn write(server: &Server, arriving: mpsc::Receiver<Piece>) -> Result<Copied, CopyError> {
    let mut client: Client = connect(server).await?;
    let transaction = client.transaction().await?;
    let filled = fill(&transaction, arriving).await;
    match filled {
        Ok(_) => transaction.commit().await?,
        // Awaited: the tables stay locked until the server has heard of it. One that cannot be told any more takes it
        // back by itself.
        Err(_) => drop(transaction.rollback().await),
    }
    filled
}

async fn fill(transaction: &Transaction<'_>, mut arriving: mpsc::Receiver<Piece>) -> Result<Copied, CopyError> {
    for table in TABLES {
        transaction.batch_execute(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.name)).await?;
    }
    let full = count(transaction).await?.into_iter().filter(|(_, rows)| *rows > 0).map(|(name, _)| name);
    let full: Vec<_> = full.collect();
    if !full.is_empty() {
        return Err(CopyError::NotEmpty(full.join(", ")));
    }
    let source = loop {
        match arriving.recv().await {
            Some(Piece::Rows(table, rows)) => write_rows(transaction, table, rows).await?,
            Some(Piece::End(source)) => break source,
            None => return Err(CopyError::Cut),
        }
    };
    let target = count(transaction).await?;
    check(&source, &target)?;
    // The next event, or request, gets a number after those that were copied.
    for table in ["connection_events", "connection_requests"] {
        let numbers = format!("SELECT setval(pg_get_serial_sequence('{table}', 'number'), max(number)) FROM {table}");
        transaction.batch_execute(&numbers).await?;
    }
    Ok(target)
}

async fn write_rows(at: &Transaction<'_>, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), CopyError> {
    let types: Vec<Type> = table.columns.iter().map(|(_, kind)| postgres_type(*kind)).collect();
    let sink = at.copy_in(&format!("COPY {} ({}) FROM STDIN BINARY", table.name, table.names())).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for row in &rows {
        let values: Vec<&(dyn ToSql + Sync)> = row.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
}

async fn count(at: &Transaction<'_>) -> Result<Copied, CopyError> {
    let mut counted = Vec::new();
    for table in TABLES {
        let rows: i64 = at.query_one(&format!("SELECT count(*) FROM {}", table.name), &[]).await?.try_get(0)?;
        counted.push((table.name, rows.unsigned_abs()));
    }
    Ok(counted)
}
