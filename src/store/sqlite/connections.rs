//! Connections in SQLite.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rusqlite::{Connection as Database, ErrorCode, OptionalExtension, ToSql, named_params, params};

use super::columns::{count, get_count, get_json, get_time, get_time_if_any, json, parsed, time};
use super::{Sqlite, failure};
use crate::connections::{
    Connection, ConnectionId, ConnectionRepository, Filter, Overview, Row, State, TenantId, Times, WriteError,
};
use crate::error::Result;

/// All columns but the sealed credentials, which a list has no need to read.
const SHOWN: &str = "id, tenant, provider, customer_id, state, state_reason, paused, settings, scopes, last_error, last_used_at, \
     refreshed_at, next_refresh_at, created_at, updated_at, revision, generation";

const INSERT: &str = "INSERT INTO connections (id, tenant, provider, customer_id, state, state_reason, paused, settings, scopes, last_error, \
     last_used_at, refreshed_at, next_refresh_at, created_at, updated_at, revision, generation, sealed) \
     VALUES (:id, :tenant, :provider, :customer_id, :state, :state_reason, :paused, :settings, :scopes, :last_error, \
     :last_used_at, :refreshed_at, :next_refresh_at, :created_at, :updated_at, :revision, :generation, :sealed)";

/// `created_at` is written too, with the value it has: one list of parameters serves both statements.
const UPDATE: &str = "UPDATE connections SET provider = :provider, customer_id = :customer_id, state = :state, \
     state_reason = :state_reason, paused = :paused, settings = :settings, scopes = :scopes, last_error = :last_error, \
     last_used_at = :last_used_at, refreshed_at = :refreshed_at, next_refresh_at = :next_refresh_at, \
     created_at = :created_at, updated_at = :updated_at, revision = :revision, generation = :generation, sealed = :sealed \
     WHERE tenant = :tenant AND id = :id AND revision = :expected";

impl ConnectionRepository for Sqlite {
    fn insert(&self, row: Row) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(self.write(INSERT, row, None))
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

    fn update(&self, row: Row, expected: u64) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(self.write(UPDATE, row, Some(expected)))
    }

    fn delete(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.run(move |database| {
            let key = [tenant.as_str(), id.as_str()];
            database.prepare_cached("DELETE FROM mappings WHERE tenant = ?1 AND connection = ?2")?.execute(key)?;
            let mut statement = database.prepare_cached("DELETE FROM connections WHERE tenant = ?1 AND id = ?2")?;
            Ok(statement.execute(key)? > 0)
        }))
    }
}

impl Sqlite {
    async fn write(&self, sql: &'static str, row: Row, expected: Option<u64>) -> Result<(), WriteError> {
        self.worker.run(move |database| write(database, sql, &row, expected)).await?
    }
}

fn write(database: &Database, sql: &str, row: &Row, expected: Option<u64>) -> Result<(), WriteError> {
    match execute(database, sql, row, expected) {
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

fn execute(database: &Database, sql: &str, row: &Row, expected: Option<u64>) -> rusqlite::Result<usize> {
    let Row { connection, paused, times, revision, generation, sealed } = row;
    let expected = expected.map(count);
    let state = connection.state.as_str();
    let (settings, scopes) = (json(&connection.settings)?, json(&connection.scopes)?);
    let (created_at, updated_at) = (time(connection.created_at), time(connection.updated_at));
    let (revision, generation) = (count(*revision), count(*generation));
    let times = [times.last_used_at, times.refreshed_at, times.next_refresh_at].map(|at| at.map(time));
    let [last_used_at, refreshed_at, next_refresh_at] = &times;
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
        (":last_used_at", last_used_at),
        (":refreshed_at", refreshed_at),
        (":next_refresh_at", next_refresh_at),
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
        created_at: get_time(row, "created_at")?,
        updated_at: get_time(row, "updated_at")?,
    };
    let times = Times {
        last_used_at: get_time_if_any(row, "last_used_at")?,
        refreshed_at: get_time_if_any(row, "refreshed_at")?,
        next_refresh_at: get_time_if_any(row, "next_refresh_at")?,
    };
    Ok(Shown { connection, paused: row.get("paused")?, times })
}

fn whole(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let Shown { connection, paused, times } = shown(row)?;
    let (revision, generation) = (get_count(row, "revision")?, get_count(row, "generation")?);
    Ok(Row { connection, paused, times, revision, generation, sealed: row.get("sealed")? })
}
