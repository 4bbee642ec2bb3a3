//! Limits how long one attempt may wait for the head of its answer. The limit is kept where the request is sent, since
//! only there it is known whether anything had been written; here it is decided. Bodies have their own limit in their
//! reader: an export may stream for longer than any head may take.

use std::time::Duration;

use tokio::time::Instant;

use super::{Attempt, Response};
use crate::error::{Error, Kind, Outcome};
use crate::stack::{Answer, Around, Stage};

#[derive(Debug, Clone)]
pub struct HeadTimeout {
    limit: Duration,
}

impl HeadTimeout {
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl Default for HeadTimeout {
    fn default() -> Self {
        Self::new(Duration::from_secs(30))
    }
}

impl Around<Attempt> for HeadTimeout {
    type Below = Attempt;
    type Response = Response;

    fn around<S: Stage<Attempt, Response>>(&self, below: &mut S, mut attempt: Attempt) -> Answer<Response> {
        let now = Instant::now();
        // An upload that streams through is answered when it is over, which is up to the caller's pace.
        let limit = if attempt.request.body.is_streaming() { Duration::MAX } else { self.limit };
        attempt.head_by =
            now.checked_add(limit).map_or(attempt.request.deadline, |by| by.min(attempt.request.deadline));
        if attempt.head_by <= now {
            let late = Error::new(Kind::ProviderTimeout, "The time for the request was over before it was sent.");
            let late = late.retryable(true);
            let late = if attempt.request.is_write() { late.outcome(Outcome::NotExecuted) } else { late };
            return Box::pin(async { Err(late) });
        }
        Box::pin(below.call(attempt))
    }
}
