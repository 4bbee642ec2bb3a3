//! Sends a request again where `classify` says that it may be: here is how often and when. At most two resends, a budget
//! per provider that keeps an outage from being amplified, and nothing past the caller's deadline. The outermost layer and
//! the only one that resends for failures, so every attempt asks anew for a permit and sees the newest credential.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};
use tower::{Layer, Service, ServiceExt};

use super::classify::{Nature, Verdict, classify};
use super::{Future, Request, Response};
use crate::error::{Error, Result};
use crate::limit::jitter;
use crate::telemetry::{Metrics, Retried};

const MAX_RESENDS: u32 = 2;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// A vendor that wants to be left alone for longer is left alone: the caller learns of the delay instead.
const LONGEST_DELAY: Duration = Duration::from_secs(300);
/// An attempt that has less could not even be sent, and its end would hide what the vendor has said.
const LEAST_TIME: Duration = Duration::from_millis(100);

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
    let nature = Nature::of(&request);
    let most = nature.most(MAX_RESENDS);
    let (deadline, timings) = (request.deadline, request.timings.clone());
    let provider = request.connection.provider.clone();
    budget.deposit();
    let mut next = Some(request);
    let mut resends = 0;
    loop {
        let Some(current) = next.take() else {
            return Err(Error::internal("an attempt without a request"));
        };
        // A streamed body is gone after the first attempt, and with it any second one.
        next = if resends < most { current.try_clone() } else { None };
        let result = inner.ready().await?.call(current).await;
        let Verdict::Again(again) = classify(&result, &nature) else { return result };
        if next.is_none() {
            return result;
        }
        let delay = backoff(resends).max(again.not_before.unwrap_or_default());
        // What would come too late to be of use is not begun: the caller learns of the failure, and the delay, now.
        if delay > LONGEST_DELAY || Instant::now() + delay + LEAST_TIME >= deadline {
            metrics.retry(&provider, Retried::NoTime);
            return result;
        }
        if !budget.withdraw() {
            metrics.retry(&provider, Retried::NoBudget);
            return result;
        }
        metrics.retry(&provider, Retried::Sent);
        timings.add_retry();
        drop(result);
        tokio::time::sleep(delay).await;
        if again.throttled {
            timings.add_quota(delay);
        } else {
            timings.add_upstream(delay);
        }
        resends += 1;
    }
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
