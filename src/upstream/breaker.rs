//! Sends nothing to a host that is out: callers learn of it at once, and the host is left in peace until one request has
//! found it well. One breaker a host, because that is what an outage befalls; a customer's own refusals (401, 403, 429)
//! say nothing about it. Above the quota, so that a refused request costs no permit.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::uri::Authority;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Request, Response};
use crate::connections::{Connection, Connections};
use crate::error::{Error, Kind, Outcome, Result};
use crate::limit::{End, Outage, Ticket};
use crate::net::{Failure, Phase, SendError};
use crate::stack::{Answer, Around, Stage};
use crate::telemetry::{BreakerEvent, BreakerState, Metrics};

/// A caller that wants its answer sooner than this and does not get it has not found an outage.
const PATIENCE: Duration = Duration::from_secs(10);
/// Hosts that are remembered, and for how long without a request.
const MOST_HOSTS: u64 = 10_000;
const IDLE: Duration = Duration::from_secs(600);

type Hosts = Cache<Authority, Arc<Host>>;

struct Host {
    provider: Arc<str>,
    outage: Mutex<Outage>,
}

#[derive(Clone)]
pub struct Breaker {
    connections: Connections,
    metrics: Arc<Metrics>,
    hosts: Hosts,
}

impl Breaker {
    pub fn new(connections: Connections, metrics: Arc<Metrics>) -> Self {
        let hosts: Hosts = Cache::builder().max_capacity(MOST_HOSTS).time_to_idle(IDLE).build();
        let seen = hosts.clone();
        metrics.before_reading(move |metrics| {
            metrics.breaker_hosts(seen.iter().map(|(_, host)| {
                let closed = host.outage.lock().is_closed();
                (Arc::clone(&host.provider), if closed { BreakerState::Closed } else { BreakerState::Open })
            }));
        });
        Self { connections, metrics, hosts }
    }

    /// The request's place in the breaker of its host; none while the host is not known, as before the first token.
    async fn admit(&self, connection: Arc<Connection>, write: bool) -> Result<Option<Admitted>> {
        let Some(host) = self.connections.host(&connection).await else { return Ok(None) };
        let new = || Host { provider: connection.provider.clone(), outage: Mutex::new(Outage::new(Instant::now())) };
        let host = self.hosts.get_with(host, || Arc::new(new()));
        let asked = host.outage.lock().ask(Instant::now());
        match asked {
            Ok(ticket) => Ok(Some(Admitted {
                host: Arc::clone(&host),
                ticket,
                who: who(&connection),
                began: Instant::now(),
                end: End::Neither,
                metrics: self.metrics.clone(),
            })),
            Err(pause) => {
                self.metrics.breaker(&connection.provider, BreakerEvent::Refused);
                Err(refused(write, pause))
            }
        }
    }
}

impl Around<Request> for Breaker {
    type Below = Request;
    type Response = Response;

    fn around<S: Stage<Request, Response>>(&self, below: &mut S, request: Request) -> Answer<Response> {
        let mut below = below.clone();
        let breaker = self.clone();
        Box::pin(async move {
            let admitted = breaker.admit(request.connection.clone(), request.is_write()).await?;
            let result = below.call(request).await;
            if let Some(mut admitted) = admitted {
                admitted.end = admitted.end_of(&result);
            }
            result
        })
    }
}

/// A request under way. Dropped before its end, it says nothing about the host.
struct Admitted {
    host: Arc<Host>,
    ticket: Ticket,
    who: u64,
    began: Instant,
    end: End,
    metrics: Arc<Metrics>,
}

impl Admitted {
    fn end_of(&self, result: &Result<Response>) -> End {
        match result {
            Ok(response) if response.throttled.is_some() => End::Neither,
            Ok(response) => match response.status {
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => End::Bad,
                // A fault of its own may be about this one request; that the host is well it does not show either.
                StatusCode::INTERNAL_SERVER_ERROR | StatusCode::TOO_MANY_REQUESTS => End::Neither,
                _ => End::Good,
            },
            Err(error) => match SendError::within(error).map(SendError::failure) {
                Some(Failure::TimedOut(Phase::Head)) if self.began.elapsed() < PATIENCE => End::Neither,
                Some(Failure::Dns | Failure::Connect | Failure::Broken | Failure::InvalidAnswer) => End::Bad,
                Some(Failure::TimedOut(_)) => End::Bad,
                _ => End::Neither,
            },
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let (opened, closed) = {
            let mut outage = self.host.outage.lock();
            let was_closed = outage.is_closed();
            let opened = outage.ended(self.ticket, self.who, self.end, Instant::now());
            (opened && was_closed, !was_closed && outage.is_closed())
        };
        if opened {
            self.metrics.breaker(&self.host.provider, BreakerEvent::Opened);
            tracing::warn!(provider = %self.host.provider, "A host fails: nothing is sent to it for a while");
        }
        if closed {
            self.metrics.breaker(&self.host.provider, BreakerEvent::Closed);
            tracing::info!(provider = %self.host.provider, "A host that failed answers again");
        }
    }
}

/// Tells customers apart.
fn who(connection: &Connection) -> u64 {
    let mut hasher = DefaultHasher::new();
    connection.id.hash(&mut hasher);
    hasher.finish()
}

fn refused(write: bool, pause: Duration) -> Error {
    let detail =
        "The provider has not been answering: nothing is sent to it until one request has found it well again.";
    let error = Error::new(Kind::ProviderUnavailable, detail).retryable(true).retry_after(Some(pause));
    if write { error.outcome(Outcome::NotExecuted) } else { error }
}
