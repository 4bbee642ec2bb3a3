//! SQLite as source and as target. Nobody may serve from it meanwhile: what a server wrote after its row was copied
//! would be lost, and with a renewed token the customer's consent.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter};
use tokio::sync::mpsc;

use super::value::Value;
use super::{BATCH, Copied, CopyError, Piece, TABLES, Table, check, check_schema};
use crate::store::sqlite::{SCHEMA, acquire};

fn open(path: &Path) -> Result<(std::fs::File, Connection), CopyError> {
    let lock = acquire(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok((lock, connection))
}

pub(super) fn read(path: &Path, pieces: &mpsc::Sender<Piece>) -> Result<(), CopyError> {
    let (_lock, mut connection) = open(path)?;
    let transaction = connection.transaction()?;
    let found = transaction.query_row("SELECT max(version) FROM schema_version", [], |row| row.get(0))?;
    check_schema("source", found, SCHEMA)?;
    for table in TABLES {
        let mut statement = transaction.prepare(&table.select())?;
        let mut rows = statement.query([])?;
        let mut batch = Vec::new();
        while let Some(row) = rows.next()? {
            batch.push(read_row(table, row)?);
            // A writer that has gone says itself why.
            if batch.len() >= BATCH && pieces.blocking_send(Piece::Rows(table, std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
        }
        if pieces.blocking_send(Piece::Rows(table, batch)).is_err() {
            return Ok(());
        }
    }
    let _ = pieces.blocking_send(Piece::End(count(&transaction)?));
    Ok(())
}

fn read_row(table: &'static Table, row: &rusqlite::Row<'_>) -> Result<Vec<Value>, CopyError> {
    let columns = table.columns.iter().enumerate();
    let values = columns.map(|(at, (column, kind))| {
        let unreadable = CopyError::Unreadable { table: table.name, column };
        Value::of_sqlite(*kind, row.get_ref(at)?).ok_or(unreadable)
    });
    values.collect()
}

pub(super) fn write(path: &Path, mut arriving: mpsc::Receiver<Piece>) -> Result<Copied, CopyError> {
    let (_lock, mut connection) = open(path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let full: Vec<_> = count(&transaction)?.into_iter().filter(|(_, rows)| *rows > 0).map(|(name, _)| name).collect();
    if !full.is_empty() {
        return Err(CopyError::NotEmpty(full.join(", ")));
    }
    let source = loop {
        match arriving.blocking_recv() {
            Some(Piece::Rows(table, rows)) => {
                let places = vec!["?"; table.columns.len()].join(", ");
                let sql = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.names());
                let mut statement = transaction.prepare_cached(&sql)?;
                for row in rows {
                    statement.execute(params_from_iter(row))?;
                }
            }
            Some(Piece::End(source)) => break source,
            None => return Err(CopyError::Cut),
        }
    };
    let target = count(&transaction)?;
    check(&source, &target)?;
    transaction.commit()?;
    Ok(target)
}

fn count(connection: &Connection) -> Result<Copied, CopyError> {
    let counted = TABLES.iter().map(|table| {
        let rows: i64 = connection.query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get(0))?;
        Ok((table.name, rows.unsigned_abs()))
    });
    counted.collect()
}
