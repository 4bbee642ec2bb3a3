//! The layer: a permit before each attempt, and what its answer tells after it.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Pass, Permit, Quota};
use crate::connections::Connection;
use crate::model::{Operation, Priority};
use crate::net::{Body, Holding, SendError};
use crate::stack::{Answer, Around, Stage};
use crate::telemetry::{self, Timings};
use crate::upstream::{Request, Response};

#[derive(Clone)]
pub struct TakePermit {
    quota: Quota,
}

impl TakePermit {
    pub fn new(quota: Quota) -> Self {
        Self { quota }
    }
}

impl Around<Request> for TakePermit {
    type Below = Request;
    type Response = Response;

    fn around<S: Stage<Request, Response>>(&self, below: &mut S, request: Request) -> Answer<Response> {
        let mut below = below.clone();
        let quota = self.quota.clone();
        Box::pin(async move {
            let asked = Asked::of(&request);
            let account = quota.account_of(&asked).await?;
            let rules: Vec<usize> = account.rules(&request.method, &request.path_and_query, request.root).collect();
            let mut pass = quota.admit(account, &rules, &asked).await?;
            // From here on it counts, also for a caller who leaves meanwhile.
            pass.spend();
            match below.call(request).await {
                Ok(mut response) => {
                    quota.learn(&pass, &mut response, &asked).await;
                    pass.hold_on(&mut response);
                    Ok(response)
                }
                Err(error) => {
                    if SendError::within(&error).is_some_and(|failed| !failed.may_have_been_sent()) {
                        pass.unspend();
                    }
                    Err(error)
                }
            }
        })
    }
}

/// What is needed of a request besides its path: before it has a permit, and after it has gone.
pub struct Asked {
    pub connection: Arc<Connection>,
    pub caller: Arc<str>,
    pub priority: Priority,
    pub deadline: Instant,
    pub safe: bool,
    pub passthrough: bool,
    pub operation: Operation,
    pub timings: Arc<Timings>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let named = Operation::ALL
            .into_iter()
            .find(|operation| telemetry::Operation::from(*operation) == request.labels.operation);
        let safe = !request.is_write();
        // Raw requests have no operation: it matters only whether they write.
        let raw = if safe { Operation::Get } else { Operation::Update };
        Self {
            connection: Arc::clone(&request.connection),
            caller: Arc::clone(&request.caller),
            priority: request.priority,
            deadline: request.deadline,
            safe,
            passthrough: request.passthrough,
            operation: named.unwrap_or(raw),
            timings: Arc::clone(&request.timings),
        }
    }
}

impl Pass {
    fn spend(&mut self) {
        self.permits.iter_mut().for_each(|(_, permit)| permit.spend());
    }

    fn unspend(&mut self) {
        self.permits.iter_mut().for_each(|(_, permit)| permit.unspend());
    }

    /// What counts requests at once is held until the answer has been read to its end or dropped.
    fn hold_on(self, response: &mut Response) {
        if !self.permits.iter().any(|(_, permit)| permit.lasts) {
            return;
        }
        let permits: Vec<Permit> = self.permits.into_iter().map(|(_, permit)| permit).collect();
        let body = std::mem::take(&mut response.body);
        response.body = match body {
            Body::Full(_) => body,
            Body::Streaming(_) => Body::streaming(Holding::new(body, permits)),
        };
    }
}
