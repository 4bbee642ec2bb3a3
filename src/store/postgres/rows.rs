//! A connection as a row of PostgreSQL, written and read.

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use tokio_postgres::Row as Read;

use super::columns::{count, get, get_count, get_json, get_text, json, parsed, time};
use super::failure::Failure;
use super::work::{Parameters, execute};
use crate::connections::{Connection, ConnectionId, Failing, Overview, Row, State, TenantId, Times};

/// All columns but those of leases and the sealed credentials, which a list has no need to read.
pub(super) const SHOWN: &str = "id, tenant, provider, customer_id, state, state_reason, paused, settings, scopes, last_error, last_used_at, \
     refreshed_at, next_refresh_at, expires_at, created_at, updated_at, log_bodies_until";

pub(super) const WHOLE: &str = "id, tenant, provider, customer_id, state, state_reason, paused, settings, scopes, last_error, last_used_at, \
     refreshed_at, next_refresh_at, expires_at, created_at, updated_at, failures, failing_since, revision, generation, sealed, \
     log_bodies_until";

pub(super) const INSERT: &str = "INSERT INTO connections (id, tenant, provider, customer_id, state, state_reason, paused, settings, scopes, \
     last_error, last_used_at, refreshed_at, next_refresh_at, expires_at, created_at, updated_at, failures, failing_since, \
     revision, generation, sealed, log_bodies_until) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)";

/// `created_at` is written too, with the value it has: one list of parameters serves both statements.
pub(super) const UPDATE: &str = "UPDATE connections SET provider = $3, customer_id = $4, state = $5, state_reason = $6, paused = $7, \
     settings = $8, scopes = $9, last_error = $10, last_used_at = $11, refreshed_at = $12, next_refresh_at = $13, \
     expires_at = $14, created_at = $15, updated_at = $16, failures = $17, failing_since = $18, \
     lease_until = CASE generation WHEN $20 THEN lease_until END, \
     lease_epoch = lease_epoch + CASE generation WHEN $20 THEN 0 ELSE 1 END, \
     intent_at = CASE generation WHEN $20 THEN intent_at END, \
     orphan = CASE generation WHEN $20 THEN orphan END, \
     revision = $19, generation = $20, sealed = $21, log_bodies_until = $22 \
     WHERE tenant = $2 AND id = $1 AND revision = $23";

pub(super) async fn write(at: &Transaction<'_>, sql: &str, row: &Row, expected: Option<u64>) -> Result<u64, Failure> {
    let Row { connection, paused, times, revision, generation, sealed, failing } = row;
    let (failures, failing_since) = failing_columns(*failing);
    let times = [times.last_used_at, times.refreshed_at, times.next_refresh_at, times.expires_at];
    let [last_used_at, refreshed_at, next_refresh_at, expires_at] = times.map(|at| at.map(time));
    let expected = expected.map(count);
    let parameters: Parameters<'_> = &[
        &connection.id.as_str(),
        &connection.tenant.as_str(),
        &&*connection.provider,
        &&*connection.customer_id,
        &connection.state.as_str(),
        &connection.state_reason,
        paused,
        &json(&connection.settings)?,
        &json(&connection.scopes)?,
        &connection.last_error,
        &last_used_at,
        &refreshed_at,
        &next_refresh_at,
        &expires_at,
        &time(connection.created_at),
        &time(connection.updated_at),
        &failures,
        &failing_since,
        &count(*revision),
        &count(*generation),
        sealed,
        &connection.log_bodies_until.map(time),
        &expected,
    ];
    // An insertion expects nothing: the last one is the update's.
    let used =
        if expected.is_some() { parameters } else { parameters.split_last().map_or(parameters, |(_, rest)| rest) };
    execute(at, sql, used).await
}

pub(super) fn failing_columns(failing: Option<Failing>) -> (i64, Option<Timestamp>) {
    (failing.map_or(0, |failing| i64::from(failing.count)), failing.map(|failing| time(failing.since)))
}

fn connection(row: &Read) -> Result<Connection, Failure> {
    Ok(Connection {
        id: ConnectionId(get_text(row, "id")?),
        tenant: TenantId(get_text(row, "tenant")?),
        provider: get_text(row, "provider")?,
        customer_id: get_text(row, "customer_id")?,
        state: parsed("state", State::parse(get(row, "state")?))?,
        state_reason: get(row, "state_reason")?,
        settings: get_json(row, "settings")?,
        scopes: get_json(row, "scopes")?,
        last_error: get(row, "last_error")?,
        log_bodies_until: get(row, "log_bodies_until")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
    })
}

fn times(row: &Read) -> Result<Times, Failure> {
    Ok(Times {
        last_used_at: get(row, "last_used_at")?,
        refreshed_at: get(row, "refreshed_at")?,
        next_refresh_at: get(row, "next_refresh_at")?,
        expires_at: get(row, "expires_at")?,
    })
}

pub(super) fn overview(row: &Read) -> Result<Overview, Failure> {
    Ok(Overview::new(connection(row)?, get(row, "paused")?, times(row)?))
}

pub(super) fn whole(row: &Read) -> Result<Row, Failure> {
    let count = get_count(row, "failures")?;
    let failing = get::<Option<Timestamp>>(row, "failing_since")?.map(|since| Failing { count, since });
    Ok(Row {
        connection: connection(row)?,
        paused: get(row, "paused")?,
        times: times(row)?,
        revision: get_count(row, "revision")?,
        generation: get_count(row, "generation")?,
        sealed: get(row, "sealed")?,
        failing,
    })
}
