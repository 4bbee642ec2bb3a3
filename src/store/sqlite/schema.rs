//! Brings the schema up to date: all steps in one transaction, so that a failed start leaves the file as it was. A newer
//! schema is left alone, and used if it says that this release can.

use rusqlite::{Connection, TransactionBehavior};

use super::{Migrated, OpenError};
use crate::store::open::Step;

/// Step n makes schema n. Steps that were released are never changed; what a new one may do stands at `Step`.
const STEPS: &[Step] = &[
    Step { sql: include_str!("../migrations/sqlite/0001.sql"), compatible_from: 1 },
    Step { sql: include_str!("../migrations/sqlite/0002.sql"), compatible_from: 1 },
    Step { sql: include_str!("../migrations/sqlite/0003.sql"), compatible_from: 1 },
    Step { sql: include_str!("../migrations/sqlite/0004.sql"), compatible_from: 3 },
    Step { sql: include_str!("../migrations/sqlite/0005.sql"), compatible_from: 3 },
];

/// The schema this release knows.
pub(in crate::store) const SCHEMA: i64 = STEPS.len() as i64;

pub(super) fn migrate(connection: &mut Connection) -> Result<Migrated, OpenError> {
    let (migrated, needed) = bring_up(connection).map_err(|error| OpenError::Migration(error.to_string()))?;
    let Migrated { to: found, known, .. } = migrated;
    if needed > known { Err(OpenError::Newer { found, needed, known }) } else { Ok(migrated) }
}

/// Also returns the oldest schema whose releases can work on what is there.
fn bring_up(connection: &mut Connection) -> rusqlite::Result<(Migrated, i64)> {
    // Takes the write lock at once: two processes that start together do not both see the old version.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL) STRICT",
    )?;
    let from = transaction.query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| row.get(0))?;
    for (version, step) in (1_i64..).zip(STEPS).filter(|(version, _)| *version > from) {
        transaction.execute_batch(step.sql)?;
        let now = jiff::Timestamp::now().to_string();
        transaction.execute("INSERT INTO schema_version (version, applied_at) VALUES (?1, ?2)", (version, now))?;
        // The column is itself of step 4.
        if version >= 4 {
            let sql = "UPDATE schema_version SET compatible_from = ?2 WHERE version = ?1";
            transaction.execute(sql, (version, step.compatible_from))?;
        }
    }
    let sql = "SELECT coalesce(max(coalesce(compatible_from, version)), 0) FROM schema_version WHERE version > ?1";
    let needed = transaction.query_row(sql, [SCHEMA], |row| row.get(0))?;
    transaction.commit()?;
    Ok((Migrated { from, to: SCHEMA.max(from), known: SCHEMA }, needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_made_once_and_a_newer_one_is_used_only_if_it_says_so() {
        let mut connection = Connection::open_in_memory().expect("memory");
        let made = migrate(&mut connection).expect("a new schema");
        assert_eq!(made, Migrated { from: 0, to: SCHEMA, known: SCHEMA });
        assert!(!migrate(&mut connection).expect("nothing to do").is_newer());

        let next = |connection: &Connection, version: i64, compatible_from: Option<i64>| {
            let sql = "INSERT INTO schema_version (version, applied_at, compatible_from) VALUES (?1, '', ?2)";
            connection.execute(sql, (version, compatible_from)).expect("a row");
        };
        next(&connection, SCHEMA + 1, Some(SCHEMA));
        next(&connection, SCHEMA + 2, Some(SCHEMA - 1));
        let newer = migrate(&mut connection).expect("it only adds");
        assert_eq!((newer.to, newer.is_newer()), (SCHEMA + 2, true));

        // A step that takes away counts, though one after it only adds.
        next(&connection, SCHEMA + 3, Some(SCHEMA + 3));
        next(&connection, SCHEMA + 4, Some(SCHEMA));
        let refused = migrate(&mut connection).expect_err("it needs a newer release");
        assert!(matches!(refused, OpenError::Newer { needed, .. } if needed == SCHEMA + 3), "{refused}");
        // One that says nothing is for itself alone.
        connection.execute("DELETE FROM schema_version WHERE version > ?1", [SCHEMA]).expect("gone");
        next(&connection, 999, None);
        assert!(matches!(migrate(&mut connection), Err(OpenError::Newer { found: 999, needed: 999, .. })));
    }
}
