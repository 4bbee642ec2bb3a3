//! Connect links and consents in PostgreSQL.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::Postgres;
use super::columns::{get, get_json, get_text, get_text_if_any, json, time};
use super::failure::Failure;
use super::work::{execute, query};
use crate::connections::{ConnectRepository, ConnectionId, Consent, Session, TenantId};
use crate::error::Result;

const SESSION: &str =
    "id, tenant, customer_id, providers, connection, return_url, browser, completed_by, created_at, expires_at";
const CONSENT: &str = "id, session, provider, settings, sealed, expires_at";

impl ConnectRepository for Postgres {
    fn create(&self, session: Session) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let created = self.transact(move |at| {
                Box::pin(async move {
                    let sql = format!(
                        "INSERT INTO connect_sessions ({SESSION}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
                    );
                    execute(
                        at,
                        &sql,
                        &[
                            &&*session.id,
                            &session.tenant.as_str(),
                            &&*session.customer_id,
                            &json(&session.providers)?,
                            &session.connection.as_ref().map(ConnectionId::as_str),
                            &session.return_url,
                            &session.browser.as_deref(),
                            &session.completed_by.as_ref().map(ConnectionId::as_str),
                            &time(session.created_at),
                            &time(session.expires_at),
                        ],
                    )
                    .await
                })
            });
            created.await?;
            Ok(())
        })
    }

    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<Session>>> {
        Box::pin(async move {
            let sql = format!("SELECT {SESSION} FROM connect_sessions WHERE id = $1");
            Ok(self.row(&sql, &[&&*id]).await?.as_ref().map(session).transpose()?)
        })
    }

    fn bind(&self, id: Arc<str>, browser: Arc<str>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let bound = self.transact(move |at| {
                Box::pin(async move {
                    let sql =
                        "UPDATE connect_sessions SET browser = $2 WHERE id = $1 AND (browser IS NULL OR browser = $2)";
                    execute(at, sql, &[&&*id, &&*browser]).await
                })
            });
            Ok(bound.await? > 0)
        })
    }

    fn complete(&self, id: Arc<str>, connection: ConnectionId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let completed = self.transact(move |at| {
                Box::pin(async move {
                    let sql = "UPDATE connect_sessions SET completed_by = $2 WHERE id = $1 AND completed_by IS NULL";
                    execute(at, sql, &[&&*id, &connection.as_str()]).await
                })
            });
            Ok(completed.await? > 0)
        })
    }

    fn begin(&self, consent: Consent) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let begun = self.transact(move |at| {
                Box::pin(async move {
                    let sql = format!("INSERT INTO connect_states ({CONSENT}) VALUES ($1, $2, $3, $4, $5, $6)");
                    let Consent { id, session, provider, settings, sealed, expires_at } = consent;
                    let (settings, expires_at) = (json(&settings)?, time(expires_at));
                    execute(at, &sql, &[&&*id, &&*session, &&*provider, &settings, &sealed, &expires_at]).await
                })
            });
            begun.await?;
            Ok(())
        })
    }

    fn take(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<Consent>>> {
        Box::pin(async move {
            let taken = self.transact(move |at| {
                Box::pin(async move {
                    let sql = format!("DELETE FROM connect_states WHERE id = $1 RETURNING {CONSENT}");
                    query(at, &sql, &[&&*id]).await?.first().map(consent).transpose()
                })
            });
            Ok(taken.await?)
        })
    }

    fn sweep(&self, before: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let swept = self.transact(move |at| {
                Box::pin(async move {
                    for table in ["connect_states", "connect_sessions"] {
                        execute(at, &format!("DELETE FROM {table} WHERE expires_at < $1"), &[&time(before)]).await?;
                    }
                    Ok(())
                })
            });
            Ok(swept.await?)
        })
    }
}

fn session(row: &Row) -> Result<Session, Failure> {
    Ok(Session {
        id: get_text(row, "id")?,
        tenant: TenantId(get_text(row, "tenant")?),
        customer_id: get_text(row, "customer_id")?,
        providers: get_json(row, "providers")?,
        connection: get_text_if_any(row, "connection")?.map(ConnectionId),
        return_url: get(row, "return_url")?,
        browser: get_text_if_any(row, "browser")?,
        completed_by: get_text_if_any(row, "completed_by")?.map(ConnectionId),
        created_at: get(row, "created_at")?,
        expires_at: get(row, "expires_at")?,
    })
}

fn consent(row: &Row) -> Result<Consent, Failure> {
    Ok(Consent {
        id: get_text(row, "id")?,
        session: get_text(row, "session")?,
        provider: get_text(row, "provider")?,
        settings: get_json(row, "settings")?,
        sealed: get(row, "sealed")?,
        expires_at: get(row, "expires_at")?,
    })
}
