//! One renewal, from the lease to its end:
//!
//! 1. take the lease, or wait for whoever holds it;
//! 2. ask the token endpoint with the current refresh token, holding on to the lease meanwhile;
//! 3. on success [settle](super::settle): persist, then publish;
//! 4. on a refusal find out whose fault it is; other tokens we have are tried before a connection is given up.
//!
//! A refresh token that may have been spent is never sent again by two at once: the lease is held for as long as an answer
//! may come, and a process that slept through it finds out before it sends.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use super::endpoint::Admission;
use super::flight::Landed;
use super::{Key, Lease, Leased};
use crate::catalog::{Flow, Grant, Provider};
use crate::connections::connection::{Credentials, Tokens};
use crate::connections::oauth::{App, Class, Exchange, Granted, Refused};
use crate::connections::repository::Row;
use crate::connections::service::Connections;
use crate::error::Result;
use crate::limit::jitter;
use crate::telemetry::Refreshed;

/// How long a lease is good for without a word of its holder.
const LEASE: Duration = Duration::from_secs(60);
/// A lease that is younger is held for certain: far less than the time it is good for.
const FRESH: Duration = Duration::from_secs(2);
/// How often its holder says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How often whoever waits for another's renewal looks whether it has come: less and less often, for those who wait
/// would keep the store from those who renew.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LATER_LOOKS: Duration = Duration::from_millis(500);
/// Whoever waits for another's renewal gives up after that.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(150);
/// "Somebody else is refreshing" is believed so many times.
const RACES: u32 = 3;
/// The rate of the endpoint is waited for no longer than that.
const PATIENCE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(2);

/// What a renewal works on.
pub(super) struct Work {
    pub(super) key: Key,
    pub(super) lease: Lease,
    /// Before the lease was asked for; by the clock that runs on while the machine sleeps.
    leased_at: Duration,
    pub(super) provider: Arc<Provider>,
    pub(super) app: App,
    pub(super) tokens: Tokens,
}

/// How asking ended.
enum Asked {
    Granted(Box<Granted>),
    Refused(Refused),
    /// The lease or the credentials are another's by now.
    Overtaken,
    /// Not asked: not before that time has passed, and why.
    Closed(Duration, &'static str),
}

impl Connections {
    pub(super) async fn renew(&self, key: &Key, generation: u64) -> Landed {
        // What an earlier renewal could not write may be the very token that is missing.
        self.drain_escrow().await;
        let (lease, leased_at) = match self.leased(key, generation).await {
            Ok(Some(leased)) => leased,
            Ok(None) => return self.overtaken(key).await,
            Err(error) => {
                return Landed::Later { retry_after: SOON, reason: error.detail().to_owned() };
            }
        };
        let began = Instant::now();
        let work = match self.work(key, lease, leased_at).await {
            Ok(work) => work,
            Err((lease, refused)) => return self.settle_refused(key, &lease, refused).await,
        };
        let provider = Arc::clone(&work.provider);
        let landed = self.asked_and_settled(work).await;
        let result = match &landed {
            Landed::Renewed => Refreshed::Renewed,
            Landed::Later { .. } => Refreshed::Failed,
            Landed::Lost => Refreshed::Lost,
        };
        self.0.metrics.refresh(&provider.name, result, began.elapsed());
        landed
    }

    /// `None` if the credentials are others by now. Waits for whoever holds the lease.
    async fn leased(&self, key: &Key, generation: u64) -> Result<Option<(Lease, Duration)>> {
        let until = Instant::now() + WAIT_FOR_OTHERS;
        let mut pause = FIRST_LOOK;
        loop {
            let owner = Arc::clone(&self.0.owner);
            let asked_at = self.0.clock.unsleeping();
            match self.0.tokens.lease(key.clone(), generation, owner, LEASE).await? {
                Leased::Granted(lease) => return Ok(Some((*lease, asked_at))),
                Leased::Moved => return Ok(None),
                Leased::Held if Instant::now() >= until => return Ok(None),
                Leased::Held => {
                    sleep(pause.mul_f64(1.0 + jitter())).await;
                    pause = pause.mul_f64(1.5).min(LATER_LOOKS);
                }
            }
        }
    }

    /// What it takes to ask; without it there is a refusal that is the operator's.
    async fn work(&self, key: &Key, lease: Lease, leased_at: Duration) -> Result<Work, (Lease, Refused)> {
        let prepared = async {
            let row = &lease.row;
            let provider = self.provider(&row.connection.provider)?;
            let opened = self.opened(&key.tenant, &key.id, row.generation, &row.sealed)?;
            let Credentials::OAuth2(tokens) = opened else {
                return Err(crate::error::Error::internal("credentials without tokens are not renewed"));
            };
            let app = self.0.oauth.app(&key.tenant, &provider.name, tokens.client_id.as_deref()).await?;
            Ok((provider, app, tokens))
        };
        match prepared.await {
            Ok((provider, app, tokens)) => Ok(Work { key: key.clone(), lease, leased_at, provider, app, tokens }),
            Err(error) => Err((lease, Refused::unsent(error))),
        }
    }

    async fn asked_and_settled(&self, mut work: Work) -> Landed {
        let mut spent: Vec<String> = Vec::new();
        let mut candidate = work.tokens.refresh_token.clone();
        let mut races = 0;
        loop {
            match self.ask(&work, candidate.as_ref()).await {
                Asked::Granted(granted) => return self.settle_granted(work, candidate, *granted).await,
                Asked::Overtaken => return self.overtaken(&work.key).await,
                Asked::Closed(pause, why) => return self.settle_closed(&work, pause, why).await,
                Asked::Refused(refused) if refused.class == Class::Race && races < RACES => {
                    races += 1;
                    sleep(SOON.mul_f64(0.25 + 0.75 * jitter())).await;
                }
                Asked::Refused(refused) if refused.class == Class::Permanent => {
                    spent.extend(candidate.as_ref().map(|token| token.expose_secret().to_owned()));
                    // The row may hold more by now than when the lease was taken.
                    let Ok(Some(lease)) = self.held_on(&work).await else { return self.overtaken(&work.key).await };
                    work.lease = Lease { interrupted: work.lease.interrupted, ..lease };
                    candidate = self.next_candidate(&work, &spent);
                    if candidate.is_none() {
                        return self.settle_refused(&work.key, &work.lease, refused).await;
                    }
                }
                Asked::Refused(refused) => return self.settle_refused(&work.key, &work.lease, refused).await,
            }
        }
    }

    /// Sends one exchange, and says every now and then that the lease is still needed.
    async fn ask(&self, work: &Work, refresh_token: Option<&SecretString>) -> Asked {
        let Some(grant) = &work.provider.grant else {
            return Asked::Refused(Refused::unsent(crate::error::Error::internal("the provider has no grant")));
        };
        if let Some(pause) = self.too_soon(grant, &work.lease.row) {
            return Asked::Closed(pause, "the provider wants more time between two renewals");
        }
        let exchange = match (work.tokens.flow, refresh_token) {
            (_, Some(token)) => Exchange::Refresh { token },
            (Flow::ClientCredentials, None) => Exchange::AppItself,
            (Flow::JwtBearer, None) => {
                Exchange::Assertion { subject: work.tokens.subject.as_deref().unwrap_or_default() }
            }
            (Flow::AuthorizationCode, None) => {
                return Asked::Refused(Refused::unsent(crate::error::Error::internal("there is no refresh token")));
            }
        };
        let began = Instant::now();
        loop {
            match self.0.endpoints.admit(&work.provider.name, &work.app.client_id) {
                Admission::Go => break,
                Admission::Later(pause) if began.elapsed() + pause < PATIENCE => sleep(pause).await,
                Admission::Later(pause) => return Asked::Closed(pause, "too many tokens are renewed at the moment"),
                Admission::Closed(pause) => return Asked::Closed(pause, "the token endpoint is failing"),
            }
        }
        // The last look before a token is spent: this process may have been stopped since it took the lease.
        if !self.is_fresh(work) && !matches!(self.held_on(work).await, Ok(Some(_))) {
            return Asked::Overtaken;
        }
        let settings = &work.lease.row.connection.settings;
        let mut exchange = std::pin::pin!(self.0.oauth.exchange(grant, settings, &work.app, exchange));
        let answer = loop {
            tokio::select! {
                answer = &mut exchange => break answer,
                // What becomes of it does not matter here: the answer is waited for in any case.
                () = sleep(HEARTBEAT) => drop(self.held_on(work).await),
            }
        };
        match answer {
            Ok(granted) => {
                self.0.endpoints.succeeded(&work.provider.name, &work.app.client_id);
                Asked::Granted(Box::new(granted))
            }
            Err(refused) => {
                let (name, client_id) = (&work.provider.name, &work.app.client_id);
                self.0.endpoints.failed(name, client_id, refused.class, refused.retry_after);
                Asked::Refused(refused)
            }
        }
    }

    /// The row as it is now, if the lease is still ours; it is ours for longer then.
    async fn held_on(&self, work: &Work) -> Result<Option<Lease>> {
        let (epoch, generation) = (work.lease.epoch, work.lease.row.generation);
        self.0.tokens.extend(work.key.clone(), epoch, generation, LEASE).await
    }

    /// Whether the lease was taken so lately, by a clock that runs while this process does not, that nobody can have it.
    fn is_fresh(&self, work: &Work) -> bool {
        self.0.clock.unsleeping().saturating_sub(work.leased_at) < FRESH
    }

    /// The provider's least time between two renewals.
    fn too_soon(&self, grant: &Grant, row: &Row) -> Option<Duration> {
        let not_before = row.times.refreshed_at?.saturating_add(grant.spacing?).ok()?;
        let pause = Duration::try_from(not_before.duration_since(self.0.clock.now())).ok()?;
        (!pause.is_zero()).then_some(pause)
    }

    /// Another refresh token that may work, each at most once: one that came too late to be stored as the current one,
    /// and the one before, where the provider forgives for a while.
    fn next_candidate(&self, work: &Work, spent: &[String]) -> Option<SecretString> {
        let unspent = |token: &SecretString| !spent.iter().any(|other| other == token.expose_secret());
        let orphan = work.lease.orphan.as_ref().and_then(|(generation, sealed)| {
            match self.opened(&work.key.tenant, &work.key.id, *generation, sealed).ok()? {
                Credentials::OAuth2(tokens) => tokens.refresh_token,
                _ => None,
            }
        });
        let grace = work.provider.grant.as_ref().and_then(|grant| grant.grace);
        let previous = work.tokens.previous.as_ref().zip(grace).and_then(|((token, replaced_at), grace)| {
            let until = replaced_at.saturating_add(grace).ok()?;
            (self.0.clock.now() < until).then(|| token.clone())
        });
        orphan.into_iter().chain(previous).find(unspent)
    }
}
