//! Tells other processes of records that were written, so that they forget what they keep of them.

use futures_util::future::BoxFuture;

use super::Postgres;
use super::notify::notify;
use crate::connections::{ConnectionId, TenantId};
use crate::error::Result;
use crate::store::changed::Changed;
use crate::unified::cache::Announcements;

impl Announcements for Postgres {
    fn announce(&self, written: Vec<(TenantId, ConnectionId)>) -> BoxFuture<'_, Result<()>> {
        let origin = self.origin();
        Box::pin(async move {
            let announced = self.transact(move |at| {
                Box::pin(async move {
                    for (tenant, connection) in written {
                        notify(at, &origin, &Changed::Records(tenant, connection)).await?;
                    }
                    Ok(())
                })
            });
            Ok(announced.await?)
        })
    }
}
