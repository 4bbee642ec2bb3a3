//! How values stand in columns: times as RFC 3339 text of one length (so that text order is time order), lists and
//! objects as JSON.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The store's own clock, in the form of all times.
pub(super) const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')";

/// A span from now, as the last argument of such a call.
pub(super) fn from_now(span: Duration) -> String {
    format!("+{:.3} seconds", span.as_secs_f64())
}

pub(super) fn ago(span: Duration) -> String {
    format!("-{:.3} seconds", span.as_secs_f64())
}

pub(super) fn time(time: Timestamp) -> String {
    format!("{time:.6}")
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

/// Counters start at one and do not reach the limit.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn get_time(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    parsed(column, row.get::<_, String>(column)?.parse::<Timestamp>().ok())
}

pub(super) fn get_time_if_any(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    parsed(column, text.parse::<Timestamp>().ok()).map(Some)
}

pub(super) fn get_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T> {
    parsed(column, serde_json::from_str(&row.get::<_, String>(column)?).ok())
}

pub(super) fn get_count(row: &Row<'_>, column: &str) -> Result<u64> {
    parsed(column, u64::try_from(row.get::<_, i64>(column)?).ok())
}

/// The value, or an error that names the column and not what stands in it.
pub(super) fn parsed<T>(column: &str, value: Option<T>) -> Result<T> {
    let error = || format!("the value in column {column} is not readable").into();
    value.ok_or_else(|| Error::FromSqlConversionFailure(0, Type::Text, error()))
}
