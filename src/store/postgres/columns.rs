//! How values stand in columns: times as timestamptz, counters as bigint, lists and objects as JSON text.
//!
//! Statements name their columns, never `*`: a column that a newer release adds must not disturb a statement that this
//! one has prepared.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::failure::Failure;
use crate::model::in_microseconds;

/// In microseconds, which is what is kept; the server would round and not cut.
pub(super) fn time(time: Timestamp) -> Timestamp {
    in_microseconds(time)
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    Ok(serde_json::to_string(value)?)
}

/// Counters start at one and do not reach the limit.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: &'static str) -> Result<T, Failure> {
    Ok(row.try_get(column)?)
}

pub(super) fn get_text(row: &Row, column: &'static str) -> Result<Arc<str>, Failure> {
    Ok(get::<&str>(row, column)?.into())
}

pub(super) fn get_text_if_any(row: &Row, column: &'static str) -> Result<Option<Arc<str>>, Failure> {
    Ok(get::<Option<&str>>(row, column)?.map(Arc::from))
}

pub(super) fn get_json<T: DeserializeOwned>(row: &Row, column: &'static str) -> Result<T, Failure> {
    parsed(column, serde_json::from_str(get(row, column)?).ok())
}

pub(super) fn get_count<T: TryFrom<i64>>(row: &Row, column: &'static str) -> Result<T, Failure> {
    parsed(column, T::try_from(get::<i64>(row, column)?).ok())
}

/// The value, or an error that names the column and not what stands in it.
pub(super) fn parsed<T>(column: &'static str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or(Failure::Unreadable(column))
}
