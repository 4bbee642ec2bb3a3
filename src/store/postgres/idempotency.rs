//! Writes that happen once, in PostgreSQL. The clock is the server's.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Transaction;
use futures_util::future::BoxFuture;

use super::Postgres;
use super::columns::{get, limit, parsed};
use super::failure::Failure;
use super::work::{execute, query};
use crate::error::Result;
use crate::idempotency::{Claim, Claimed, End, IdempotencyRepository, Place};

impl IdempotencyRepository for Postgres {
    fn claim(&self, at: Place, claim: Claim) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(async move {
            let claimed = self.transact(move |on| Box::pin(async move { claim_on(on, &at, &claim).await }));
            Ok(claimed.await?)
        })
    }

    fn settle(&self, at: Place, claim: Arc<str>, end: End) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let settled = self.transact(move |on| {
                Box::pin(async move {
                    let (state, sealed) = match end {
                        End::Done(sealed) => ("done", Some(sealed)),
                        End::Unknown(sealed) => ("unknown", sealed),
                    };
                    let sql = "UPDATE idempotency SET state = $5, sealed = $6, lease_until = NULL
                               WHERE tenant = $1 AND connection = $2 AND id = $3 AND claim = $4";
                    let (tenant, connection) = (at.tenant.as_str(), at.connection.as_str());
                    execute(on, sql, &[&tenant, &connection, &&*at.id, &&*claim, &state, &sealed]).await
                })
            });
            Ok(settled.await? > 0)
        })
    }

    fn release(&self, at: Place, claim: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let released = self.transact(move |on| {
                Box::pin(async move {
                    let sql = "DELETE FROM idempotency
                               WHERE tenant = $1 AND connection = $2 AND id = $3 AND claim = $4";
                    execute(on, sql, &[&at.tenant.as_str(), &at.connection.as_str(), &&*at.id, &&*claim]).await
                })
            });
            released.await?;
            Ok(())
        })
    }

    fn renew(&self, owner: Arc<str>, lease: Duration, longest: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let renewed = self.transact_aside(move |on| {
                Box::pin(async move {
                    let sql = "UPDATE idempotency SET lease_until = clock_timestamp() + make_interval(secs => $2)
                               WHERE owner = $1 AND state = 'in_flight'
                               AND created_at >= clock_timestamp() - make_interval(secs => $3)";
                    execute(on, sql, &[&&*owner, &lease.as_secs_f64(), &longest.as_secs_f64()]).await
                })
            });
            renewed.await?;
            Ok(())
        })
    }

    /// Others may serve the same database: only a lease that ran out tells of an end.
    fn give_up_dead(&self, owner: Arc<str>) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let given_up = self.transact_aside(move |on| {
                Box::pin(async move {
                    let sql = "UPDATE idempotency SET state = 'unknown', lease_until = NULL
                               WHERE owner <> $1 AND state = 'in_flight' AND lease_until < clock_timestamp()";
                    execute(on, sql, &[&&*owner]).await
                })
            });
            Ok(given_up.await?)
        })
    }

    fn sweep(&self, most: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let swept = self.transact_aside(move |on| {
                Box::pin(async move {
                    let sql = "DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
                               SELECT ctid FROM idempotency WHERE expires_at < clock_timestamp()
                               LIMIT $1 FOR UPDATE SKIP LOCKED))";
                    execute(on, sql, &[&limit(most)]).await
                })
            });
            Ok(swept.await?)
        })
    }
}

async fn claim_on(on: &Transaction<'_>, at: &Place, claim: &Claim) -> Result<Claimed, Failure> {
    let place = (at.tenant.as_str(), at.connection.as_str(), &*at.id);
    // Of those who come at the same time the first inserts; the others wait for it, and hold its row until they have
    // read it. A place whose time is over is as good as none.
    let sql = "INSERT INTO idempotency AS kept
               (tenant, connection, id, fingerprint, claim, owner, state, lease_until, created_at, expires_at)
               VALUES ($1, $2, $3, $4, $5, $6, 'in_flight', clock_timestamp() + make_interval(secs => $7),
                       clock_timestamp(), clock_timestamp() + make_interval(secs => $8))
               ON CONFLICT (tenant, connection, id) DO UPDATE SET fingerprint = excluded.fingerprint,
                   claim = excluded.claim, owner = excluded.owner, state = excluded.state, sealed = NULL,
                   lease_until = excluded.lease_until, created_at = excluded.created_at,
                   expires_at = excluded.expires_at
               WHERE kept.expires_at < clock_timestamp()";
    let (lease, ttl) = (claim.lease.as_secs_f64(), claim.ttl.as_secs_f64());
    let (fingerprint, id, owner) = (&*claim.fingerprint, &*claim.id, &*claim.owner);
    let inserted = execute(on, sql, &[&place.0, &place.1, &place.2, &fingerprint, &id, &owner, &lease, &ttl]).await?;
    if inserted > 0 {
        return Ok(Claimed::New);
    }
    let sql = "SELECT fingerprint, state, sealed, coalesce(lease_until >= clock_timestamp(), false) AS alive
               FROM idempotency WHERE tenant = $1 AND connection = $2 AND id = $3";
    let rows = query(on, sql, &[&place.0, &place.1, &place.2]).await?;
    let row = parsed("id", rows.first())?;
    let (state, sealed): (&str, Option<Vec<u8>>) = (get(row, "state")?, get(row, "sealed")?);
    if get::<&str>(row, "fingerprint")? != fingerprint {
        return Ok(Claimed::Mismatch);
    }
    Ok(match (state, sealed) {
        ("done", Some(sealed)) => Claimed::Done(sealed),
        ("in_flight", _) if get(row, "alive")? => Claimed::InFlight,
        (_, sealed) => Claimed::Unknown(sealed),
    })
}
