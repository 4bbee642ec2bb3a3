//! Permits that several processes share, in Redis. It only makes more of an allowance usable than an equal part for each:
//! without it nothing fails. Nothing is kept there but numbers under hashed names.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use futures_util::future::BoxFuture;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Script, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::timeout;

use crate::model::hex;
use crate::telemetry::Metrics;
use crate::upstream::{Ask, Lease, POOL_SLOTS, Pool};

/// Redis answers in well under a millisecond; what takes longer is as good as away.
const PATIENCE: Duration = Duration::from_millis(50);
const CONNECT: Duration = Duration::from_secs(1);
const PREFIX: &str = "throughline:quota:";

pub struct Redis {
    connection: ConnectionManager,
    script: Script,
    metrics: Arc<Metrics>,
    away: AtomicBool,
}

impl Redis {
    /// Does not connect yet: a Redis that is away at the start is no reason not to serve. `authorities` is a PEM file with
    /// those that are trusted in the place of the public ones.
    pub fn new(url: &str, authorities: Option<&Path>, metrics: Arc<Metrics>) -> Result<Self, String> {
        let client = match authorities {
            Some(path) => trusting(check(url)?, path)?,
            None => check(url)?,
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(0);
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(|error| error.category().to_owned())?;
        metrics.quota_pool(true);
        Ok(Self { connection, script: Script::new(include_str!("lease.lua")), metrics, away: AtomicBool::new(false) })
    }

    async fn asked(&self, ask: &Ask) -> Result<Lease, String> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut call = self.script.key(name(&ask.key));
        call.key(format!("{PREFIX}since"))
            .arg(ask.count)
            .arg(milliseconds(ask.per / POOL_SLOTS).max(1))
            .arg(POOL_SLOTS)
            .arg(ask.want)
            .arg(ask.back)
            .arg(ask.back_slot)
            .arg(ask.add)
            .arg(milliseconds(ask.careful));
        let mut connection = self.connection.clone();
        let answer = timeout(CONNECT, call.invoke_async::<(u32, u64, u64, u64)>(&mut connection)).await;
        let answer = answer.map_err(|_| "no answer in time".to_owned())?;
        // Its category alone: the words of an error may name the address with its password.
        let (granted, slot, good_for, opens) = answer.map_err(|error| error.category().to_owned())?;
        Ok(Lease { granted, slot, good_for: Duration::from_millis(good_for), opens: Duration::from_millis(opens) })
    }
}

impl Pool for Redis {
    fn lease(&self, ask: Ask) -> BoxFuture<'_, Option<Lease>> {
        Box::pin(async move {
            let began = Instant::now();
            let answer = self.asked(&ask).await;
            self.metrics.quota_pool_asked(began.elapsed(), answer.is_ok());
            let away = answer.is_err();
            if self.away.swap(away, Ordering::Relaxed) != away {
                self.metrics.quota_pool(!away);
                match &answer {
                    Err(why) => {
                        tracing::warn!(why, "Redis is away: each server keeps to its part of the vendors' limits")
                    }
                    Ok(_) => tracing::info!("Redis is back: the servers share the vendors' limits again"),
                }
            }
            answer.ok()
        })
    }
}

/// What would be right. Says nothing of what was given: that may hold a password.
pub fn check(url: &str) -> Result<Client, String> {
    // In a fragment the library would read that no certificate is to be looked at.
    let open = if url.contains('#') { None } else { Client::open(url).ok() };
    open.ok_or_else(|| {
        "it is not a URL such as redis://user:password@host:6379/0, or rediss:// for TLS, in which the special \
         characters of a password are percent-encoded"
            .to_owned()
    })
}

/// The same client, over TLS with a certificate of these authorities.
fn trusting(client: Client, path: &Path) -> Result<Client, String> {
    let unusable = |why: String| format!("redis_ca_file: {}: {why}", path.display());
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    if CertificateDer::pem_slice_iter(&pem).next().is_none_or(|first| first.is_err()) {
        return Err(unusable("the file holds no certificate".to_owned()));
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
    Client::build_with_tls(client.get_connection_info().clone(), certificates)
        .map_err(|_| unusable("it needs a URL that begins with rediss://".to_owned()))
}

/// Accounts' names stay here.
fn name(key: &str) -> String {
    let hash = digest::digest(&digest::SHA256, key.as_bytes());
    let start = hash.as_ref().get(..16).unwrap_or_default();
    format!("{PREFIX}{}", hex(start))
}
