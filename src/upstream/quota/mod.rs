//! The vendors' allowances, kept before they are exceeded.
//!
//! Each rule of a provider file is one [`bucket::Bucket`] for each account (or connection, or app) that it counts. A
//! request takes a permit of every rule that counts it, waits for it in a lane by its urgency, or is refused at once where
//! waiting would be of no use. Answers tell what is left ([`learn`]): they drain and hold the buckets, and another plan's
//! number is adopted. What counts requests *at once* is held until the answer's body has been read or dropped: the
//! vendor's worker is busy for as long.
//!
//! # Several processes
//!
//! How many there are the store knows ([`Replicas`]), or the configuration says. Without a [`Pool`] each keeps to an equal
//! part, and so does everybody with what counts requests at once.
//!
//! With one (Redis), a fifth of each allowance is divided like that and the rest is leased. A process takes its own
//! part first: a connection with few requests asks nobody. When less than half of that is left it leases a batch, in
//! the background and ahead of need, good for one slot of a tenth of the span, and gives back what it did not use. The
//! pool counts a lease for a span from the slot's end, by its own clock, so that all together never send more than the
//! vendor allows. An own part of five servers costs one that is alone with the load 16 % at most.
//!
//! When the pool is away, or has forgotten what it leased, everybody keeps to the own part until nothing of the old leases
//! counts any more (a span, a minute at most), then to an equal part of the whole. What was used without the pool is
//! the first thing that it hears when it is back.

mod account;
mod bucket;
mod layer;
mod learn;
mod peek;
mod pool;
mod rate;
mod replicas;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use self::account::{Account, UNRULED};
use self::bucket::{Asks, Bucket, Common, Permit, Refusal};
use self::layer::Asked;
pub use self::layer::TakePermit;
pub use self::pool::{Ask, Lease, Pool, SLOTS as POOL_SLOTS};
pub use self::replicas::{ReplicaRepository, Replicas};
use crate::catalog::{Allows, QuotaScope};
use crate::connections::{Connection, ConnectionId, Connections};
use crate::error::{Error, Kind, Origin, Outcome, Result};
use crate::limit::{LONG, Left};
use crate::telemetry::{Allowance, Metrics, QuotaRefusal, Timings};

/// Connections whose buckets are at hand, and how long they stay after their last request.
const REMEMBERED: u64 = 200_000;
const IDLE: Duration = Duration::from_secs(600);
/// How often what nobody uses is given up, and gauges are set.
const SWEEP: Duration = Duration::from_secs(15);
/// The longest that a request waits for a permit; half of its time at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// A permit that took less was there.
const NOTICED: Duration = Duration::from_micros(500);
/// Told to those who come when too many wait already.
const COME_BACK: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub struct Quota(Arc<Inner>);

struct Inner {
    connections: Connections,
    metrics: Arc<Metrics>,
    common: Arc<Common>,
    accounts: moka::sync::Cache<ConnectionId, Arc<Account>>,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
}

/// What one request holds of the allowances while it is under way.
struct Pass {
    account: Arc<Account>,
    /// Each with the index of its rule; none for what no rule counts.
    permits: Vec<(Option<usize>, Permit)>,
}

/// How an allowance of a connection stands, as far as this process knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub name: Arc<str>,
    pub left: Left,
}

impl Quota {
    pub fn new(connections: Connections, pool: Option<Arc<dyn Pool>>, metrics: Arc<Metrics>) -> Self {
        let accounts = moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_idle(IDLE).build();
        let (common, buckets) = (Arc::new(Common::new(pool)), Mutex::default());
        Self(Arc::new(Inner { connections, metrics, common, accounts, buckets }))
    }

    /// So many processes share the allowances from now on.
    pub fn share_among(&self, replicas: u32) {
        self.0.common.replicas.store(replicas.max(1), Ordering::Relaxed);
        self.0.metrics.replicas(replicas.max(1));
    }

    /// How the allowances of a connection stand; none if nothing was sent through it lately.
    pub fn standing(&self, connection: &ConnectionId) -> Option<Vec<Standing>> {
        let account = self.0.accounts.get(connection)?;
        let mut standing: Vec<Standing> = Vec::new();
        let unruled = account.unruled.left().filter(|left| left.remaining == 0).map(|_| &account.unruled);
        for bucket in account.buckets.iter().chain(unruled) {
            standing.extend(bucket.left().map(|left| Standing { name: Arc::clone(&bucket.rule), left }));
        }
        Some(standing)
    }

    /// Gives up what nobody uses and sets the gauges, until the process ends.
    pub async fn look_after(self) {
        let mut ticks = tokio::time::interval(SWEEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sweep();
        }
    }

    fn sweep(&self) {
        self.0.accounts.run_pending_tasks();
        let mut buckets = self.0.buckets.lock();
        // Only this map knows it: no connection's account, no permit, nobody who waits.
        buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1 || !bucket.is_idle());
        let mut least: HashMap<(&str, &str), u32> = HashMap::new();
        for bucket in buckets.values().filter(|bucket| *bucket.rule != *UNRULED) {
            let Some(left) = bucket.left() else { continue };
            let known = least.entry((&bucket.provider, &bucket.rule)).or_insert(left.remaining);
            *known = left.remaining.min(*known);
        }
        self.0.metrics.quota_remaining(least.into_iter());
    }

    async fn account(&self, connection: &Arc<Connection>) -> Result<Arc<Account>> {
        let provider = self.0.connections.provider(&connection.provider)?;
        if let Some(account) = self.0.accounts.get(&connection.id)
            && Arc::ptr_eq(&account.connection, connection)
            && Arc::ptr_eq(&account.provider, &provider)
        {
            return Ok(account);
        }
        let by_app = provider.quotas.rules.iter().any(|rule| rule.scope == QuotaScope::App);
        let app = if by_app { self.0.connections.app_of(connection).await? } else { None };
        let name = Arc::clone(&provider.name);
        let bucket = |rule: &str, whose: &str, allows: Allows| self.bucket(&name, rule, whose, allows);
        let account = Arc::new(Account::new(Arc::clone(connection), provider, app.as_deref(), bucket));
        self.0.accounts.insert(connection.id.clone(), Arc::clone(&account));
        Ok(account)
    }

    fn bucket(&self, provider: &Arc<str>, rule: &str, whose: &str, allows: Allows) -> Arc<Bucket> {
        // With its numbers: a rule that was changed is another one.
        let key = format!("{provider}\n{rule}\n{allows:?}\n{whose}");
        let mut buckets = self.0.buckets.lock();
        let new =
            |key: &String| Bucket::new(key.clone(), Arc::clone(provider), rule.into(), allows, self.0.common.clone());
        Arc::clone(buckets.entry(key).or_insert_with_key(|key| Arc::new(new(key))))
    }

    async fn account_of(&self, asked: &Asked) -> Result<Arc<Account>> {
        self.account(&asked.connection).await.map_err(|error| asked.not_sent(error))
    }

    /// Permits of these rules for one attempt, waited for if need be.
    async fn admit(&self, account: Arc<Account>, rules: &[usize], asked: &Asked) -> Result<Pass> {
        let began = Instant::now();
        let patience = (asked.deadline.saturating_duration_since(began) / 2).min(PATIENCE);
        let by = began + patience;
        let mut permits = Vec::with_capacity(rules.len().max(1));
        let mut rated = false;
        for index in rules {
            let Some((rule, bucket)) = account.rule(*index) else { continue };
            rated |= rule.per().is_some();
            let caller = match rule.scope {
                QuotaScope::Connection => &asked.caller,
                // Tenants take turns here: one must not get more of it by having more keys.
                QuotaScope::Account | QuotaScope::App => &asked.connection.tenant.0,
            };
            permits.push((Some(*index), self.permit(bucket, caller, by, asked).await?));
        }
        if !rated {
            permits.push((None, self.permit(&account.unruled, &asked.caller, by, asked).await?));
        }
        let waited = began.elapsed();
        if waited > NOTICED {
            asked.timings.add_quota(waited);
            self.0.metrics.quota_waited(&asked.connection.provider, waited);
        }
        Ok(Pass { account, permits })
    }

    async fn permit(&self, bucket: &Arc<Bucket>, caller: &Arc<str>, by: Instant, asked: &Asked) -> Result<Permit> {
        let began = Instant::now();
        let asks = Asks { priority: asked.priority, caller: Arc::clone(caller), by };
        let refusal = match bucket.take(&asks).await {
            Ok(permit) => return Ok(permit),
            Err(refusal) => refusal,
        };
        asked.timings.add_quota(began.elapsed());
        let error = self.refuse(bucket, refusal, &asked.timings);
        self.0.metrics.quota_refused(&asked.connection.provider, QuotaRefusal::of(error.kind()));
        Err(asked.not_sent(error))
    }

    fn refuse(&self, bucket: &Bucket, refusal: Refusal, timings: &Timings) -> Error {
        let Bucket { provider, rule, .. } = bucket;
        let delay = match refusal {
            Refusal::Full => {
                let detail = format!("Too many requests wait for {provider}'s limit `{rule}` already.");
                return Error::new(Kind::Overloaded, detail).retry_after(Some(COME_BACK));
            }
            Refusal::Later(delay) => delay.unwrap_or(COME_BACK),
        };
        let left = bucket.left();
        tell(timings, left.into_iter());
        let allowed = match left.filter(|left| left.count < u32::MAX) {
            Some(left) => format!(" ({} in {} s)", left.count, left.per.as_secs()),
            None => String::new(),
        };
        let exhausted = bucket.is_exhausted();
        // When a day begins anew is known by the half hour; until then this is as good as it gets.
        let delay = if exhausted && delay > LONG { delay.min(rate::until_half_hour().max(COME_BACK)) } else { delay };
        let (kind, state) = if exhausted {
            (Kind::QuotaExhausted, "is used up")
        } else {
            (Kind::RateLimited, "is used up for the moment, and waiting for it would take too long")
        };
        let detail = format!("{provider}'s limit `{rule}`{allowed} {state}; the request was not sent.");
        Error::new(kind, detail).origin(Origin::Throughline).retry_after(Some(delay))
    }
}

impl Asked {
    fn not_sent(&self, error: Error) -> Error {
        if self.safe { error } else { error.outcome(Outcome::NotExecuted) }
    }
}

/// Tells the caller what is left: of the short spans the one with least, and of the long ones.
fn tell(timings: &Timings, all: impl Iterator<Item = Left>) {
    let (mut burst, mut daily): (Option<Left>, Option<Left>) = (None, None);
    for left in all.filter(|left| left.count < u32::MAX) {
        let slot = if left.per < LONG { &mut burst } else { &mut daily };
        if slot.is_none_or(|least| left.remaining < least.remaining) {
            *slot = Some(left);
        }
    }
    for (policy, left) in [("vendor-burst", burst), ("vendor-daily", daily)] {
        let Some(left) = left else { continue };
        timings.tell_allowance(Allowance {
            policy,
            quota: Some(u64::from(left.count)),
            window: Some(left.per),
            remaining: u64::from(left.remaining),
            reset: Some(left.reset),
        });
    }
}
