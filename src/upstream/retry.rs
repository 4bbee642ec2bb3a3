//! Sends a request again where `classify` says that it may be: here is how often and when. At most two resends, a budget
//! per provider that keeps an outage from being amplified, and nothing past the caller's deadline. The outermost layer and
//! the only one that resends for failures, so every attempt asks anew for a permit and sees the newest credential.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};

use super::classify::{Nature, Verdict, classify};
use super::{Request, Response};
use crate::error::{Error, Result};
use crate::limit::jitter;
use crate::stack::{Answer, Around, Stage};
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
pub struct Retry {
    metrics: Arc<Metrics>,
    budgets: Budgets,
}

impl Retry {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, budgets: Budgets::default() }
    }
}

impl Around<Request> for Retry {
    type Below = Request;
    type Response = Response;

    fn around<S: Stage<Request, Response>>(&self, below: &mut S, request: Request) -> Answer<Response> {
        let budget = budget(&self.budgets, &request.connection.provider);
        Box::pin(attempts(below.clone(), request, self.metrics.clone(), budget))
    }
}

async fn attempts<S>(mut below: S, request: Request, metrics: Arc<Metrics>, budget: Arc<TpsBudget>) -> Result<Response>
where
    S: Stage<Request, Response>,
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
        let result = below.call(current).await;
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
