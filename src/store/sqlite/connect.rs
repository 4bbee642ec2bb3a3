//! Connect links and consents in SQLite.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::Sqlite;
use super::columns::{get_json, get_time, json, time};
use crate::connections::{ConnectRepository, ConnectionId, Consent, Session, TenantId};
use crate::error::Result;

impl ConnectRepository for Sqlite {
    fn create(&self, session: Session) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "INSERT INTO connect_sessions (id, tenant, customer_id, providers, connection, return_url, browser, completed_by, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            statement.execute(params![
                session.id,
                session.tenant.0,
                session.customer_id,
                json(&session.providers)?,
                session.connection.map(|connection| connection.0),
                session.return_url,
                session.browser,
                session.completed_by.map(|connection| connection.0),
                time(session.created_at),
                time(session.expires_at)
            ])?;
            Ok(())
        }))
    }

    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<Session>>> {
        Box::pin(self.run(move |database| {
            let mut statement = database.prepare_cached("SELECT * FROM connect_sessions WHERE id = ?1")?;
            statement.query_row([&*id], session).optional()
        }))
    }

    fn bind(&self, id: Arc<str>, browser: Arc<str>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "UPDATE connect_sessions SET browser = ?2 WHERE id = ?1 AND (browser IS NULL OR browser = ?2)",
            )?;
            Ok(statement.execute([&*id, &*browser])? > 0)
        }))
    }

    fn complete(&self, id: Arc<str>, connection: ConnectionId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "UPDATE connect_sessions SET completed_by = ?2 WHERE id = ?1 AND completed_by IS NULL",
            )?;
            Ok(statement.execute([&*id, connection.as_str()])? > 0)
        }))
    }

    fn begin(&self, consent: Consent) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached(
                "INSERT INTO connect_states (id, session, provider, settings, sealed, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let Consent { id, session, provider, settings, sealed, expires_at } = consent;
            statement.execute(params![id, session, provider, json(&settings)?, sealed, time(expires_at)])?;
            Ok(())
        }))
    }

    fn take(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<Consent>>> {
        Box::pin(self.write(move |database| {
            let mut statement = database.prepare_cached("DELETE FROM connect_states WHERE id = ?1 RETURNING *")?;
            statement.query_row([&*id], consent).optional()
        }))
    }

    fn sweep(&self, before: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(move |database| {
            for table in ["connect_states", "connect_sessions"] {
                let sql = format!("DELETE FROM {table} WHERE expires_at < ?1");
                database.prepare_cached(&sql)?.execute([time(before)])?;
            }
            Ok(())
        }))
    }
}

fn session(row: &rusqlite::Row<'_>) -> rusqlite::Result<Session> {
    let text = |column: &str| row.get::<_, String>(column).map(Arc::<str>::from);
    let text_if_any = |column: &str| row.get::<_, Option<String>>(column).map(|text| text.map(Arc::<str>::from));
    Ok(Session {
        id: text("id")?,
        tenant: TenantId(text("tenant")?),
        customer_id: text("customer_id")?,
        providers: get_json(row, "providers")?,
        connection: text_if_any("connection")?.map(ConnectionId),
        return_url: row.get("return_url")?,
        browser: text_if_any("browser")?,
        completed_by: text_if_any("completed_by")?.map(ConnectionId),
        created_at: get_time(row, "created_at")?,
        expires_at: get_time(row, "expires_at")?,
    })
}

fn consent(row: &rusqlite::Row<'_>) -> rusqlite::Result<Consent> {
    let text = |column: &str| row.get::<_, String>(column).map(Arc::<str>::from);
    Ok(Consent {
        id: text("id")?,
        session: text("session")?,
        provider: text("provider")?,
        settings: get_json(row, "settings")?,
        sealed: row.get("sealed")?,
        expires_at: get_time(row, "expires_at")?,
    })
}
