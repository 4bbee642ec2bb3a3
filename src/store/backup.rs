//! A copy of a SQLite store in one file, made while a server works on it.

use std::path::{Path, PathBuf};

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::address::Address;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "PostgreSQL makes its own backups: run `pg_dump --format=custom --file=FILE` on the database, or have the server archive its log"
    )]
    Postgres,
    #[error("{0} is there already; name a new file")]
    Exists(PathBuf),
    #[error("there is no store at {0}")]
    Missing(PathBuf),
    #[error("the copy was not good ({0}) and was thrown away")]
    Damaged(String),
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    File(PathBuf, #[source] std::io::Error),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Writes the store at `from` into the new file `to`, which only this user can read. It waits for the disk.
pub fn backup(from: &Address, to: &Path) -> Result<(), BackupError> {
    let Address::Sqlite(from) = from else { return Err(BackupError::Postgres) };
    if !from.exists() {
        return Err(BackupError::Missing(from.clone()));
    }
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    // A file under its own name is a whole one.
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write(from, &part).and_then(|()| {
        let failed = |error| BackupError::File(to.to_owned(), error);
        std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(failed)?;
        std::fs::rename(&part, to).map_err(failed)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn write(from: &Path, part: &Path) -> Result<(), BackupError> {
    let mut options = std::fs::File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(part).map_err(|error| BackupError::File(part.to_owned(), error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags)?;
    source.busy_timeout(std::time::Duration::from_secs(5))?;
    let mut target = Connection::open_with_flags(part, flags)?;
    // All pages at once: a writer would make a backup in steps begin again and again, and this keeps none waiting.
    Backup::new(&source, &mut target)?.run_to_completion(i32::MAX, std::time::Duration::from_millis(50), None)?;
    // One file, without a log beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    let found: String = target.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(BackupError::Damaged(found)) }
}
