//! Stand-ins for vendors' APIs, as data: `mappings/<provider>/sandbox.yaml` describes objects, routes, errors and
//! limits; this module interprets it. The demo and the tests talk to it as they would to the vendor. It keeps records
//! in memory and always gives the same answers to the same calls.
//!
//! `Plan` is the file, read and checked. `engine` takes one request through it; `listing` and `writing` are the
//! actions, `many` does them for several records, `view` shows records, `language` reads statements of query languages.

mod answer;
mod asked;
mod asking;
mod column;
mod columns;
mod condition;
mod digits;
mod draft;
mod engine;
mod fault;
mod ids;
mod language;
mod limit;
mod listing;
mod many;
mod object;
mod page;
mod plan;
mod route;
mod rows;
mod seed;
mod serve;
mod state;
mod template;
mod view;
mod words;
mod writing;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::catalog::Problem;
use plan::Plan;
use state::State;

pub use serve::serve;

/// Where the time comes from.
pub type Clock = fn() -> Timestamp;

/// The address under which a sandbox is reached, for links in answers. An extension of the request.
#[derive(Debug, Clone)]
pub struct Mount(pub String);

/// One vendor's stand-in.
#[derive(Debug)]
pub struct Sandbox {
    provider: String,
    plan: Plan,
    token: Option<String>,
    clock: Clock,
    state: Mutex<State>,
}

impl Sandbox {
    /// Reads a `sandbox.yaml`. Everything that is wrong is told at once.
    pub fn load(provider: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let plan = Plan::read(provider, text)?;
        let mut state = State::default();
        seed::plant(&plan, &mut state).map_err(|(object, fault)| {
            let message = format!("the seeds of `{object}` cannot be planted: {} {:?}", fault.name, fault.members);
            vec![Problem { file: format!("{provider}/sandbox.yaml").into(), line: 0, message }]
        })?;
        Ok(Self { provider: provider.to_owned(), plan, token: None, clock: Timestamp::now, state: Mutex::new(state) })
    }

    /// The only credential that is accepted. Without one, none is.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Another count for the limit of this name, so that tests can reach it.
    pub fn with_limit(mut self, name: &str, count: u64) -> Self {
        self.plan.limits.iter_mut().filter(|limit| limit.name == name).for_each(|limit| limit.count = count);
        self
    }

    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The vendor's answer. The path is the vendor's own.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.answer_in(&mut self.state.lock(), &request)
    }
}

#[cfg(test)]
mod tests;
