//! Sends a request again where that cannot do anything twice, or where doing it twice is the same as once. The outermost
//! layer and the only one that resends, so every attempt asks anew for a permit and sees the newest credential. What may
//! be sent again is `classify`'s decision; how often and when is policy: at most two resends, a budget per provider that
//! keeps an outage from being amplified, and nothing past the caller's deadline.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};
use tower::{Layer, Service, ServiceExt};

use super::{Future, Request, Response};
use crate::error::{Error, Result};
use crate::limit::jitter;
use crate::net::{Failure, Phase, SendError};
use crate::telemetry::Metrics;

const MAX_RESENDS: u32 = 2;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// No vendor means more than that, and what is told in seconds could otherwise be past all time.
const LONGEST_TOLD: Duration = Duration::from_secs(365 * 86_400);

/// Resends may add a tenth to what callers ask for, and one a second where hardly anybody asks.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
const BUDGET_FLOOR: u32 = 1;
const BUDGET_SHARE: f32 = 0.1;

/// One budget a provider: their names are a closed set, so nothing has to be evicted.
type Budgets = Arc<Mutex<HashMap<Arc<str>, Arc<TpsBudget>>>>;

#[derive(Clone)]
pub struct RetryLayer {
    metrics: Arc<Metrics>,
    budgets: Budgets,
}

#[derive(Clone)]
pub struct Retry<S> {
    inner: S,
    metrics: Arc<Metrics>,
    budgets: Budgets,
}

/// Whether an attempt's end allows for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Final,
    /// After the provider's own delay, if it named one.
    Again {
        not_before: Option<Duration>,
    },
}

impl RetryLayer {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, budgets: Budgets::default() }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry { inner, metrics: self.metrics.clone(), budgets: self.budgets.clone() }
    }
}

impl<S> Service<Request> for Retry<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Error;
    type Future = Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Future {
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let budget = budget(&self.budgets, &request.connection.provider);
        Box::pin(attempts(inner, request, self.metrics.clone(), budget))
    }
}

async fn attempts<S>(mut inner: S, request: Request, metrics: Arc<Metrics>, budget: Arc<TpsBudget>) -> Result<Response>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    let safe = request.is_safe();
    let deadline = request.deadline;
    let provider = request.connection.provider.clone();
    budget.deposit();
    let mut next = Some(request);
    let mut resends = 0;
    loop {
        let Some(current) = next.take() else {
            return Err(Error::internal("an attempt without a request"));
        };
        // A streamed body is gone after the first attempt, and with it any second one.
        next = if resends < MAX_RESENDS { current.try_clone() } else { None };
        let result = inner.ready().await?.call(current).await;
        let Verdict::Again { not_before } = classify(&result, safe) else { return result };
        if next.is_none() {
            return result;
        }
        let delay = backoff(resends).max(not_before.unwrap_or_default());
        // What would come too late to be of use is not begun: the caller learns of the failure, and the delay, now.
        if Instant::now() + delay >= deadline {
            metrics.retry(&provider, "no-time");
            return result;
        }
        if !budget.withdraw() {
            metrics.retry(&provider, "no-budget");
            return result;
        }
        metrics.retry(&provider, "sent");
        drop(result);
        tokio::time::sleep(delay).await;
        resends += 1;
    }
}

/// The decision. Errors that did not come from the wire (a refused permit, an open breaker, missing credentials) are
/// final: the layer that raised them knows better when to come back.
fn classify(result: &Result<Response>, safe: bool) -> Verdict {
    match result {
        Ok(response) if safe && is_gateway_failure(response.status) => {
            Verdict::Again { not_before: retry_after(&response.headers) }
        }
        Ok(_) => Verdict::Final,
        Err(error) => match SendError::within(error).map(SendError::failure) {
            Some(Failure::Dns | Failure::Connect | Failure::NotSent) => Verdict::Again { not_before: None },
            Some(Failure::TimedOut(Phase::Connect | Phase::Tls)) => Verdict::Again { not_before: None },
            Some(Failure::Broken) if safe => Verdict::Again { not_before: None },
            // A rule refuses an address, and a certificate is wrong, the second time as well.
            _ => Verdict::Final,
        },
    }
}

fn is_gateway_failure(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// What `Retry-After` says, as seconds or as a date. Unreadable is the same as absent.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_TOLD));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A date that has passed means now.
    let ahead = Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default();
    Some(ahead.min(LONGEST_TOLD))
}

/// Anything between nothing and the full step, so that those who failed together do not come back together.
fn backoff(resends: u32) -> Duration {
    let full = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(resends)).min(MAX_BACKOFF);
    full.mul_f64(jitter())
}

fn budget(budgets: &Budgets, provider: &Arc<str>) -> Arc<TpsBudget> {
    let mut budgets = budgets.lock();
    let new = || Arc::new(TpsBudget::new(BUDGET_WINDOW, BUDGET_FLOOR, BUDGET_SHARE));
    budgets.entry(provider.clone()).or_insert_with(new).clone()
}
