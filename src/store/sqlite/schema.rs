//! Brings the schema up to date: all steps in one transaction, so that a failed start leaves the file as it was.

use rusqlite::{Connection, TransactionBehavior};

use super::{Migrated, OpenError};

/// Step n makes schema n. Steps that were released are never changed. Commands of the release before may still run on the
/// new schema, so a step only adds; `store/postgres/schema.rs` says more of it.
const STEPS: &[&str] = &[
    include_str!("../migrations/sqlite/0001.sql"),
    include_str!("../migrations/sqlite/0002.sql"),
    include_str!("../migrations/sqlite/0003.sql"),
    include_str!("../migrations/sqlite/0004.sql"),
];

/// The schema this release knows.
pub(in crate::store) const SCHEMA: i64 = STEPS.len() as i64;

pub(super) fn migrate(connection: &mut Connection) -> Result<Migrated, OpenError> {
    let known = SCHEMA;
    let found = bring_up(connection).map_err(|error| OpenError::Migration(error.to_string()))?;
    if found > known { Err(OpenError::Newer { found, known }) } else { Ok(Migrated { from: found, to: known }) }
}

/// Returns the version that was found.
fn bring_up(connection: &mut Connection) -> rusqlite::Result<i64> {
    // Takes the write lock at once: two processes that start together do not both see the old version.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL) STRICT",
    )?;
    let found = transaction.query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| row.get(0))?;
    for (version, step) in (1_i64..).zip(STEPS).filter(|(version, _)| *version > found) {
        transaction.execute_batch(step)?;
        transaction
            .execute("INSERT INTO schema_version VALUES (?1, ?2)", (version, jiff::Timestamp::now().to_string()))?;
    }
    transaction.commit()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_made_once_and_a_newer_one_is_refused() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate(&mut connection).expect("a new schema");
        migrate(&mut connection).expect("nothing to do");
        connection.execute("INSERT INTO schema_version VALUES (999, '')", []).expect("a row");
        assert!(matches!(migrate(&mut connection), Err(OpenError::Newer { found: 999, .. })));
    }
}
