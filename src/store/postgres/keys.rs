//! API keys in PostgreSQL.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::Postgres;
use super::columns::{get, get_json, get_text, json, parsed, time};
use super::failure::Failure;
use super::notify::notify;
use super::work::execute;
use crate::auth::{Hash, KeyRecord, KeyRepository, Mode, TenantId};
use crate::error::Result;
use crate::store::changed::Changed;

const COLUMNS: &str = "id, tenant, mode, hash, scopes, providers, connections, limits, name, created_at, expires_at, revoked_at, last_used_at";

impl KeyRepository for Postgres {
    fn insert(&self, key: KeyRecord) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let inserted = self.transact(move |at| {
                Box::pin(async move {
                    let sql = format!(
                        "INSERT INTO api_keys ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
                    );
                    let hash = key.hash.0.as_slice();
                    let (providers, connections) = (json(&key.providers)?, json(&key.connections)?);
                    let limits = json(&key.limits)?;
                    let (mode, scopes) = (key.mode.as_str(), key.scopes.to_string());
                    let dates = [key.expires_at, key.revoked_at, key.last_used_at].map(|at| at.map(time));
                    let [expires_at, revoked_at, last_used_at] = &dates;
                    execute(
                        at,
                        &sql,
                        &[
                            &&*key.id,
                            &key.tenant.as_str(),
                            &mode,
                            &hash,
                            &scopes,
                            &providers,
                            &connections,
                            &limits,
                            &key.name,
                            &time(key.created_at),
                            expires_at,
                            revoked_at,
                            last_used_at,
                        ],
                    )
                    .await
                })
            });
            inserted.await?;
            Ok(())
        })
    }

    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<KeyRecord>>> {
        Box::pin(async move {
            let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1");
            Ok(self.row(&sql, &[&&*id]).await?.as_ref().map(record).transpose()?)
        })
    }

    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<KeyRecord>>> {
        Box::pin(async move {
            let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE tenant = $1 ORDER BY created_at DESC, id");
            let rows = self.rows(&sql, &[&tenant.as_str()]).await?;
            Ok(rows.iter().map(record).collect::<Result<_, Failure>>()?)
        })
    }

    fn revoke(&self, tenant: TenantId, id: Arc<str>, at: Timestamp) -> BoxFuture<'_, Result<bool>> {
        let origin = self.origin();
        Box::pin(async move {
            let revoked = self.transact(move |transaction| {
                Box::pin(async move {
                    let sql = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3) WHERE tenant = $1 AND id = $2";
                    let found = execute(transaction, sql, &[&tenant.as_str(), &&*id, &time(at)]).await? > 0;
                    if found {
                        notify(transaction, &origin, &Changed::Key(id)).await?;
                    }
                    Ok(found)
                })
            });
            Ok(revoked.await?)
        })
    }

    fn touch(&self, used: Vec<(Arc<str>, Timestamp)>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let touched = self.transact(move |transaction| {
                Box::pin(async move {
                    let ids: Vec<&str> = used.iter().map(|(id, _)| &**id).collect();
                    let times: Vec<Timestamp> = used.iter().map(|(_, at)| time(*at)).collect();
                    // Locked in one order: of two processes that write down the same keys neither waits for the other
                    // while the other waits for it.
                    let sql = "WITH used AS (SELECT id, max(at) AS at FROM unnest($1::text[], $2::timestamptz[]) AS used (id, at)
                                             GROUP BY id),
                               held AS (SELECT k.id FROM api_keys k JOIN used USING (id)
                                        WHERE k.last_used_at IS NULL OR k.last_used_at < used.at ORDER BY k.id FOR UPDATE OF k)
                               UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, used.at)
                               FROM used JOIN held USING (id) WHERE k.id = used.id";
                    execute(transaction, sql, &[&ids, &times]).await
                })
            });
            touched.await?;
            Ok(())
        })
    }
}

fn record(row: &Row) -> Result<KeyRecord, Failure> {
    Ok(KeyRecord {
        id: get_text(row, "id")?,
        tenant: TenantId(get_text(row, "tenant")?),
        mode: parsed("mode", Mode::parse(get(row, "mode")?))?,
        hash: Hash(parsed("hash", <[u8; 32]>::try_from(get::<&[u8]>(row, "hash")?).ok())?),
        scopes: parsed("scopes", get::<&str>(row, "scopes")?.parse().ok())?,
        providers: get_json(row, "providers")?,
        connections: get_json(row, "connections")?,
        limits: get_json(row, "limits")?,
        name: get(row, "name")?,
        created_at: get(row, "created_at")?,
        expires_at: get(row, "expires_at")?,
        revoked_at: get(row, "revoked_at")?,
        last_used_at: get(row, "last_used_at")?,
    })
}
