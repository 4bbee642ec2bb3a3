//! Egress budgets: how much may be read through one connection before its owner is told, and before it is paused if the
//! deployment wants that. A key that was stolen shows by what it takes along.
//!
//! Counted in memory, by each process for itself, and gone with it. Nothing is counted where no budget is set.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use indexmap::IndexMap;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Request, Response};
use crate::connections::{Connection, ConnectionId, Connections};
use crate::error::Result;
use crate::limit::{Amount, Egress, EgressBudget, Exceeded};
use crate::net::{Body, BoxError};
use crate::stack::{Answer, Around, Stage};
use crate::telemetry::Metrics;

/// Connections that are counted at a time, about 700 bytes each.
const COUNTED: u64 = 100_000;
/// After a day without a use there is nothing to count.
const IDLE: Duration = Duration::from_secs(25 * 3600);
/// A body's bytes are reported in portions, so that small frames cost next to nothing. Bytes.
const PORTION: u64 = 256 * 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Records that unified answers hand out.
    pub rows_per_hour: Option<u64>,
    /// Bytes of the provider's answers.
    pub bytes_per_hour: Option<u64>,
    pub rows_per_day: Option<u64>,
    pub bytes_per_day: Option<u64>,
    /// Whether a connection is paused that goes past its budget. Otherwise it is only told.
    pub pause: bool,
    /// Budgets of single tenants, which take the place of the one above as a whole.
    pub tenants: IndexMap<String, TenantConfig>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantConfig {
    pub rows_per_hour: Option<u64>,
    pub bytes_per_hour: Option<u64>,
    pub rows_per_day: Option<u64>,
    pub bytes_per_day: Option<u64>,
    pub pause: bool,
}

/// What a tenant's connections may hand out.
#[derive(Debug, Clone, Copy, Default)]
struct Rule {
    budget: EgressBudget,
    pause: bool,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Budgets(Arc<Inner>);

struct Inner {
    rule: Rule,
    tenants: IndexMap<String, Rule>,
    counted: moka::sync::Cache<ConnectionId, Arc<Mutex<Egress>>>,
    connections: Connections,
    metrics: Arc<Metrics>,
}

impl Budgets {
    pub fn new(config: &Config, connections: Connections, metrics: Arc<Metrics>) -> Self {
        let Config { rows_per_hour, bytes_per_hour, rows_per_day, bytes_per_day, pause, tenants } = config;
        let budget = EgressBudget {
            rows_per_hour: *rows_per_hour,
            bytes_per_hour: *bytes_per_hour,
            rows_per_day: *rows_per_day,
            bytes_per_day: *bytes_per_day,
        };
        let tenants = tenants.iter().map(|(name, own)| (name.clone(), Rule::of(own))).collect();
        let counted = moka::sync::Cache::builder().max_capacity(COUNTED).time_to_idle(IDLE).build();
        Self(Arc::new(Inner { rule: Rule { budget, pause: *pause }, tenants, counted, connections, metrics }))
    }

    /// Whether anything is counted for the connection.
    pub fn counts(&self, connection: &Connection) -> bool {
        !self.rule(connection).budget.is_none()
    }

    /// Adds what was read through the connection. Memory only, until a bound is passed.
    pub fn read(&self, connection: &Arc<Connection>, amount: Amount) {
        let rule = self.rule(connection);
        if rule.budget.is_none() {
            return;
        }
        let now = Instant::now();
        let egress = match self.0.counted.get(&connection.id) {
            Some(egress) => egress,
            None => self.0.counted.get_with(connection.id.clone(), || Arc::new(Mutex::new(Egress::new(now)))),
        };
        let exceeded = egress.lock().read(amount, &rule.budget, now);
        for one in exceeded {
            self.tell(connection, one, rule.pause);
        }
    }

    /// The connection was resumed: what it has handed out before does not count any more.
    pub fn begin_anew(&self, id: &ConnectionId) {
        self.0.counted.invalidate(id);
    }

    fn rule(&self, connection: &Connection) -> Rule {
        self.0.tenants.get(connection.tenant.as_str()).copied().unwrap_or(self.0.rule)
    }

    fn tell(&self, connection: &Arc<Connection>, exceeded: Exceeded, pause: bool) {
        let Exceeded { what, window, read, bound } = exceeded;
        tracing::warn!(
            tenant = %connection.tenant, connection = %connection.id, provider = %connection.provider,
            what = what.as_str(), window = window.as_str(), read, bound, pause,
            "More was read through a connection than its egress budget allows"
        );
        self.0.metrics.egress_budget_exceeded(&connection.provider, what, window);
        let detail = format!("{read} {} in the last {}, and {bound} are its budget", what.as_str(), window.as_str());
        let (connections, connection) = (self.0.connections.clone(), Arc::clone(connection));
        // Not in the way of the answer that passed the bound.
        tokio::spawn(async move {
            if let Err(error) = connections.budget_exceeded(&connection, &detail, pause).await {
                tracing::error!(%error, connection = %connection.id, "That an egress budget was exceeded could not be stored");
            }
        });
    }
}

impl Rule {
    fn of(config: &TenantConfig) -> Self {
        let budget = EgressBudget {
            rows_per_hour: config.rows_per_hour,
            bytes_per_hour: config.bytes_per_hour,
            rows_per_day: config.rows_per_day,
            bytes_per_day: config.bytes_per_day,
        };
        Self { budget, pause: config.pause }
    }
}

#[derive(Clone)]
pub struct CountBytes {
    budgets: Budgets,
}

impl CountBytes {
    pub fn new(budgets: Budgets) -> Self {
        Self { budgets }
    }
}

impl Around<Request> for CountBytes {
    type Below = Request;
    type Response = Response;

    fn around<S: Stage<Request, Response>>(&self, below: &mut S, request: Request) -> Answer<Response> {
        if !self.budgets.counts(&request.connection) {
            return below.call(request);
        }
        let (budgets, connection) = (self.budgets.clone(), Arc::clone(&request.connection));
        let answer = below.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            let inner = std::mem::take(&mut answer.body);
            answer.body = Body::streaming(Counted { inner, bytes: 0, budgets, connection });
            Ok(answer)
        })
    }
}

struct Counted {
    inner: Body,
    /// Read, and not reported yet.
    bytes: u64,
    budgets: Budgets,
    connection: Arc<Connection>,
}

impl Counted {
    fn report(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.budgets.read(&self.connection, Amount { rows: 0, bytes });
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.bytes += data.len() as u64;
            if this.bytes >= PORTION {
                this.report();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Also of a body that was not read to its end.
impl Drop for Counted {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.report();
        }
    }
}
