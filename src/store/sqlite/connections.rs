//! Connections in SQLite.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rusqlite::{Connection as Database, ErrorCode, OptionalExtension, ToSql, named_params, params};

use super::columns::{count, get_count, get_json, get_time, get_time_if_any, json, parsed, time};
use super::{Sqlite, audit, events, failure, revocations};
use crate::connections::{
    Along, Connection, ConnectionId, ConnectionRepository, Failing, Filter, Overview, Row, State, TenantId, Times,
    WriteError,
};
use crate::error::Result;
use crate::telemetry::StoreFor;

/// All columns but the sealed credentials, which a list has no need to read.
const SHOWN: &str = "id, tenant, provider, customer_id, state, state_reason, paused, settings, scopes, last_error, log_bodies_until, \
     last_used_at, refreshed_at, next_refresh_at, expires_at, created_at, updated_at, revision, generation";

const INSERT: &str = "INSERT INTO connections (id, tenant, provider, customer_id, state, state_reason, paused, settings, scopes, last_error, \
     log_bodies_until, last_used_at, refreshed_at, next_refresh_at, expires_at, failures, failing_since, created_at, updated_at, revision, \
     generation, sealed) VALUES (:id, :tenant, :provider, :customer_id, :state, :state_reason, :paused, :settings, :scopes, :last_error, \
     :log_bodies_until, :last_used_at, :refreshed_at, :next_refresh_at, :expires_at, :failures, :failing_since, :created_at, :updated_at, \
     :revision, :generation, :sealed)";

/// `created_at` is written too, with the value it has: one list of parameters serves both statements.
const UPDATE: &str = "UPDATE connections SET provider = :provider, customer_id = :customer_id, state = :state, \
     state_reason = :state_reason, paused = :paused, settings = :settings, scopes = :scopes, last_error = :last_error, \
     log_bodies_until = :log_bodies_until, last_used_at = :last_used_at, refreshed_at = :refreshed_at, next_refresh_at = :next_refresh_at, \
     expires_at = :expires_at, failures = :failures, failing_since = :failing_since, \
     lease_until = CASE generation WHEN :generation THEN lease_until END, \
     lease_epoch = lease_epoch + (generation <> :generation), \
     intent_at = CASE generation WHEN :generation THEN intent_at END, \
     orphan = CASE generation WHEN :generation THEN orphan END, \
     created_at = :created_at, updated_at = :updated_at, revision = :revision, generation = :generation, sealed = :sealed \
     WHERE tenant = :tenant AND id = :id AND revision = :expected";

impl ConnectionRepository for Sqlite {
    fn insert(&self, row: Row, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(self.put(INSERT, row, None, along))
    }

    fn find(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<Option<Row>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database.prepare_cached("SELECT * FROM connections WHERE tenant = ?1 AND id = ?2")?;
            statement.query_row([tenant.as_str(), id.as_str()], whole).optional()
        }))
    }

    fn find_by_customer(&self, tenant: TenantId, customer: Arc<str>) -> BoxFuture<'_, Result<Vec<ConnectionId>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT id FROM connections WHERE tenant = ?1 AND customer_id = ?2 ORDER BY provider",
            )?;
            let ids = statement.query_map([tenant.as_str(), &*customer], |row| row.get::<_, String>(0))?;
            ids.map(|id| id.map(|id| ConnectionId(id.into()))).collect()
        }))
    }

    fn list(&self, tenant: TenantId, filter: Filter) -> BoxFuture<'_, Result<Vec<Overview>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database.prepare_cached(&format!(
                "SELECT {SHOWN} FROM connections WHERE tenant = :tenant AND id > :after
                 AND (:provider IS NULL OR provider = :provider)
                 AND (:customer_id IS NULL OR customer_id = :customer_id)
                 AND (:providers = '[]' OR provider IN (SELECT value FROM json_each(:providers)))
                 AND (:connections = '[]' OR id IN (SELECT value FROM json_each(:connections)))
                 ORDER BY id LIMIT :limit"
            ))?;
            let parameters = named_params! {
                ":tenant": tenant.as_str(),
                ":after": filter.after.as_ref().map_or("", ConnectionId::as_str),
                ":provider": filter.provider,
                ":customer_id": filter.customer_id,
                ":providers": json(&filter.providers)?,
                ":connections": json(&filter.connections)?,
                ":limit": i64::try_from(filter.limit).unwrap_or(i64::MAX),
            };
            statement.query_map(parameters, |row| Ok(shown(row)?.into_overview()))?.collect()
        }))
    }

    fn update(&self, row: Row, expected: u64, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(self.put(UPDATE, row, Some(expected), along))
    }

    fn rows(
        &self,
        tenant: Option<TenantId>,
        provider: Option<Arc<str>>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Row>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT * FROM connections WHERE id > ?1 AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR provider = ?3)
                 ORDER BY id LIMIT ?4",
            )?;
            let after = after.as_ref().map_or("", ConnectionId::as_str);
            let tenant = tenant.as_ref().map(TenantId::as_str);
            let parameters = params![after, tenant, provider, i64::try_from(limit).unwrap_or(i64::MAX)];
            statement.query_map(parameters, whole)?.collect()
        }))
    }

    fn delete(&self, tenant: TenantId, id: ConnectionId, expected: u64, along: Along) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            let key = [tenant.as_str(), id.as_str()];
            let deleted = database
                .prepare_cached("DELETE FROM connections WHERE tenant = ?1 AND id = ?2 AND revision = ?3")?
                .execute(params![tenant.as_str(), id.as_str(), count(expected)])?;
            if deleted > 0 {
                for table in ["mappings", "connection_events", "connection_requests", "idempotency"] {
                    let sql = format!("DELETE FROM {table} WHERE tenant = ?1 AND connection = ?2");
                    database.prepare_cached(&sql)?.execute(key)?;
                }
                // Events go with the connection; credentials that have to be given back stay.
                let along = Along { events: Vec::new(), ..along };
                write_along(database, &tenant, &id, &along)?;
            }
            Ok(deleted > 0)
        }))
    }
}

impl Sqlite {
    async fn put(&self, sql: &'static str, row: Row, expected: Option<u64>, along: Along) -> Result<(), WriteError> {
        let put = self.worker.write(move |database| put(database, sql, &row, expected, &along));
        self.clocked.operation(StoreFor::Request, async { put.await? }).await
    }
}

/// What goes along with a row.
pub(super) fn write_along(
    database: &Database,
    tenant: &TenantId,
    id: &ConnectionId,
    along: &Along,
) -> rusqlite::Result<()> {
    events::append(database, tenant, id, &along.events)?;
    if let Some(revocation) = &along.revocation {
        revocations::insert(database, revocation)?;
    }
    audit::append(database, &along.audit)
}

fn put(database: &Database, sql: &str, row: &Row, expected: Option<u64>, along: &Along) -> Result<(), WriteError> {
    match put_with(database, sql, row, expected, along) {
        Ok(0) => Err(WriteError::Stale),
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            // Gone again in the meantime, or the random id is taken: either way another attempt helps.
            let other = holder(database, &row.connection).map_err(failure)?;
            Err(other.map_or(WriteError::Stale, WriteError::Taken))
        }
        Err(error) => Err(failure(error).into()),
    }
}

fn put_with(
    database: &Database,
    sql: &str,
    row: &Row,
    expected: Option<u64>,
    along: &Along,
) -> rusqlite::Result<usize> {
    let written = execute(database, sql, row, expected)?;
    if written > 0 {
        write_along(database, &row.connection.tenant, &row.connection.id, along)?;
    }
    Ok(written)
}

fn execute(database: &Database, sql: &str, row: &Row, expected: Option<u64>) -> rusqlite::Result<usize> {
    let Row { connection, paused, times, revision, generation, sealed, failing } = row;
    let expected = expected.map(count);
    let state = connection.state.as_str();
    let (settings, scopes) = (json(&connection.settings)?, json(&connection.scopes)?);
    let log_bodies_until = connection.log_bodies_until.map(time);
    let (created_at, updated_at) = (time(connection.created_at), time(connection.updated_at));
    let (revision, generation) = (count(*revision), count(*generation));
    let times = [times.last_used_at, times.refreshed_at, times.next_refresh_at, times.expires_at];
    let times = times.map(|at| at.map(time));
    let [last_used_at, refreshed_at, next_refresh_at, expires_at] = &times;
    let (failures, failing_since) = failing_columns(*failing);
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![
        (":id", &connection.id.0),
        (":tenant", &connection.tenant.0),
        (":provider", &connection.provider),
        (":customer_id", &connection.customer_id),
        (":state", &state),
        (":state_reason", &connection.state_reason),
        (":paused", paused),
        (":settings", &settings),
        (":scopes", &scopes),
        (":last_error", &connection.last_error),
        (":log_bodies_until", &log_bodies_until),
        (":last_used_at", last_used_at),
        (":refreshed_at", refreshed_at),
        (":next_refresh_at", next_refresh_at),
        (":expires_at", expires_at),
        (":failures", &failures),
        (":failing_since", &failing_since),
        (":created_at", &created_at),
        (":updated_at", &updated_at),
        (":revision", &revision),
        (":generation", &generation),
        (":sealed", sealed),
    ];
    if let Some(expected) = &expected {
        parameters.push((":expected", expected));
    }
    database.prepare_cached(sql)?.execute(parameters.as_slice())
}

/// Who has the customer and provider of `connection`.
fn holder(database: &Database, connection: &Connection) -> rusqlite::Result<Option<ConnectionId>> {
    let mut statement = database.prepare_cached(
        "SELECT id FROM connections WHERE tenant = ?1 AND customer_id = ?2 AND provider = ?3 AND id <> ?4",
    )?;
    let key = params![connection.tenant.0, connection.customer_id, connection.provider, connection.id.0];
    let id = statement.query_row(key, |row| row.get::<_, String>(0)).optional()?;
    Ok(id.map(|id| ConnectionId(id.into())))
}

/// What a list reads of a row.
struct Shown {
    connection: Connection,
    paused: bool,
    times: Times,
}

impl Shown {
    fn into_overview(self) -> Overview {
        Overview::new(self.connection, self.paused, self.times)
    }
}

fn shown(row: &rusqlite::Row<'_>) -> rusqlite::Result<Shown> {
    let text = |column: &str| row.get::<_, String>(column).map(Arc::<str>::from);
    let connection = Connection {
        id: ConnectionId(text("id")?),
        tenant: TenantId(text("tenant")?),
        provider: text("provider")?,
        customer_id: text("customer_id")?,
        state: parsed("state", State::parse(&text("state")?))?,
        state_reason: row.get("state_reason")?,
        settings: get_json(row, "settings")?,
        scopes: get_json(row, "scopes")?,
        last_error: row.get("last_error")?,
        log_bodies_until: get_time_if_any(row, "log_bodies_until")?,
        created_at: get_time(row, "created_at")?,
        updated_at: get_time(row, "updated_at")?,
    };
    let times = Times {
        last_used_at: get_time_if_any(row, "last_used_at")?,
        refreshed_at: get_time_if_any(row, "refreshed_at")?,
        next_refresh_at: get_time_if_any(row, "next_refresh_at")?,
        expires_at: get_time_if_any(row, "expires_at")?,
    };
    Ok(Shown { connection, paused: row.get("paused")?, times })
}

pub(super) fn failing_columns(failing: Option<Failing>) -> (u32, Option<String>) {
    (failing.map_or(0, |failing| failing.count), failing.map(|failing| time(failing.since)))
}

pub(super) fn whole(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let Shown { connection, paused, times } = shown(row)?;
    let (revision, generation) = (get_count(row, "revision")?, get_count(row, "generation")?);
    let count = row.get("failures")?;
    let failing = get_time_if_any(row, "failing_since")?.map(|since| Failing { count, since });
    Ok(Row { connection, paused, times, revision, generation, sealed: row.get("sealed")?, failing })
}
