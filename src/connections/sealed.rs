//! All that the vault has sealed in the store, for sealing it anew under another key.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::access::place;
use super::connection::ConnectionId;
use super::oauth;
use super::vault::Vault;
use crate::auth::TenantId;
use crate::error::{Error, Kind, Result};

/// Where a sealed text stands, and so what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealedAt {
    Connection {
        tenant: TenantId,
        id: ConnectionId,
        generation: u64,
    },
    /// Credentials that came too late, beside the connection's.
    Orphan {
        tenant: TenantId,
        id: ConnectionId,
        generation: u64,
    },
    Revocation {
        id: Arc<str>,
        tenant: TenantId,
        connection: ConnectionId,
        generation: u64,
    },
    App {
        tenant: TenantId,
        provider: Arc<str>,
    },
    Secret {
        name: Arc<str>,
    },
    /// The answer to a write with an idempotency key.
    Answer {
        tenant: TenantId,
        connection: ConnectionId,
        id: Arc<str>,
        fingerprint: Arc<str>,
    },
}

pub trait SealedRepository: Send + Sync + 'static {
    /// Everything sealed that lasts, of all tenants. Consents of customers end by themselves and are left out.
    fn sealed_texts(&self) -> BoxFuture<'_, Result<Vec<SealedAt>>>;

    /// `None` if it has gone, or stands for another generation by now.
    fn sealed_text(&self, at: SealedAt) -> BoxFuture<'_, Result<Option<Vec<u8>>>>;

    /// Puts `new` in the place of `old`; false if something else stands there by now.
    fn reseal(&self, at: SealedAt, old: Vec<u8>, new: Vec<u8>) -> BoxFuture<'_, Result<bool>>;

    /// The secret of this name: the one there is, or else `sealed`, which is kept then.
    fn keep_secret(&self, name: Arc<str>, sealed: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>>>;
}

/// How sealing anew went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Were under the first key already.
    pub fresh: u64,
    pub resealed: u64,
    /// Changed while they were looked at; whoever changed them sealed them anew.
    pub changed: u64,
}

/// Seals everything with the vault's first key that is sealed with another one. Servers may go on meanwhile.
pub async fn reseal_all(repository: &dyn SealedRepository, vault: &Vault) -> Result<Resealed> {
    let mut done = Resealed::default();
    for at in repository.sealed_texts().await? {
        let Some(old) = repository.sealed_text(at.clone()).await? else {
            done.changed += 1;
            continue;
        };
        if vault.is_sealed_by_first(&old) {
            done.fresh += 1;
            continue;
        }
        let text = at.with_place(|place| vault.open(place, &old)).map_err(Error::internal)?;
        let new = at.with_place(|place| vault.seal(place, &text)).map_err(Error::internal)?;
        match repository.reseal(at, old, new).await? {
            true => done.resealed += 1,
            false => done.changed += 1,
        }
    }
    Ok(done)
}

/// A secret of the deployment: made from `first` once, the same for all processes and keys from then on.
pub async fn lasting_secret(
    repository: &dyn SealedRepository,
    vault: &Vault,
    name: &str,
    first: [u8; 32],
) -> Result<[u8; 32]> {
    let at = SealedAt::Secret { name: name.into() };
    let sealed = at.with_place(|place| vault.seal(place, &first)).map_err(Error::internal)?;
    let kept = repository.keep_secret(name.into(), sealed).await?;
    // The first thing of a store that is opened: where a backup was restored with the wrong key, it shows here.
    let opened = at.with_place(|place| vault.open(place, &kept)).map_err(|error| {
        let told = format!(
            "it was sealed with another vault key ({error}); name the key that belongs to it in vault.key_file or \
             THROUGHLINE_VAULT_KEY, alone or on a further line"
        );
        Error::new(Kind::Internal, told).caused_by(error)
    })?;
    opened.as_slice().try_into().map_err(|_| Error::internal("a secret of the deployment has another length"))
}

impl SealedAt {
    /// What the text is bound to.
    pub fn with_place<T>(&self, act: impl FnOnce(&[&[u8]]) -> T) -> T {
        match self {
            SealedAt::Connection { tenant, id, generation }
            | SealedAt::Orphan { tenant, id, generation }
            | SealedAt::Revocation { tenant, connection: id, generation, .. } => {
                act(&place(tenant, id, &generation.to_string()))
            }
            SealedAt::App { tenant, provider } => act(&oauth::place(tenant, provider)),
            SealedAt::Secret { name } => act(&[b"secret", name.as_bytes()]),
            SealedAt::Answer { tenant, connection, id, fingerprint } => {
                let (tenant, connection) = (tenant.as_str().as_bytes(), connection.as_str().as_bytes());
                act(&[b"idempotent answer", tenant, connection, id.as_bytes(), fingerprint.as_bytes()])
            }
        }
    }
}
