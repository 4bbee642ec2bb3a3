//! One logical request to a provider, as one or more HTTP exchanges. The only way out to a CRM: unified operations and
//! passthrough both end here. What stands in which order is `pipeline`'s business; each layer is in the file of its name.

mod attempt;
mod breaker;
mod budget;
mod classify;
mod credentials;
pub mod headers;
pub mod path;
mod quota;
mod read;
mod renew;
mod request;
mod response;
mod retry;
mod send;
mod timeout;
mod trace;
mod witness;

#[cfg(test)]
mod tests;

pub use attempt::RecordAttempt;
pub use breaker::Breaker;
pub use budget::{Budgets, Config as BudgetConfig, CountBytes, TenantConfig as TenantBudgetConfig};
pub use classify::retry_after;
pub use credentials::AddCredentials;
pub use quota::{Ask, Lease, POOL_SLOTS, Pool, Quota, ReplicaRepository, Replicas, Standing, TakePermit};
pub use read::Read;
pub use renew::Renew;
pub use request::{Attempt, Effect, Request};
pub use response::{Response, Throttled};
pub use retry::Retry;
pub use send::Send;
pub use timeout::HeadTimeout;
pub use trace::TraceRequest;
pub use witness::{TellWitness, Witness};

use crate::error::Error;

/// The finished stage.
pub type Service = tower::util::BoxCloneSyncService<Request, Response, Error>;
