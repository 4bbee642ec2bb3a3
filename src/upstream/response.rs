//! The provider's answer: a head that is here and a body that is still coming.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Kind, Outcome, Result};
use crate::net::{Body, BodyError, collect_capped};
use crate::telemetry::Timings;

/// How long an answer may go without a byte before it counts as lost.
const BODY_IDLE: Duration = Duration::from_secs(30);

pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
    /// Which token was used, so that a refused one is told from its successor.
    pub generation: u64,
    /// The vendor says that it was too much, in whatever words: the request was not executed.
    pub throttled: Option<Throttled>,
    deadline: Instant,
    timings: Arc<Timings>,
    /// For answers to writes: what became of the write, judging by the head.
    outcome: Option<Outcome>,
}

/// A refusal for the vendor's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// When to come back: as the vendor said, or as long as nothing is sent to it now.
    pub delay: Option<Duration>,
    /// An allowance for a day or so is used up: waiting within a request is of no use.
    pub exhausted: bool,
}

impl Response {
    /// An answer to `request`, which was sent with the token of this generation.
    pub fn new(status: StatusCode, headers: HeaderMap, body: Body, request: &super::Request, generation: u64) -> Self {
        let outcome = match status.as_u16() {
            _ if request.is_safe() => None,
            200..=299 => Some(Outcome::Executed),
            400..=499 => Some(Outcome::NotExecuted),
            _ => Some(Outcome::Unknown),
        };
        Self {
            status,
            headers,
            body,
            generation,
            throttled: None,
            deadline: request.deadline,
            timings: request.timings.clone(),
            outcome,
        }
    }

    /// Reads the body to its end, but at most `cap` bytes of it, and no longer than the caller waits.
    pub async fn collect(self, cap: usize) -> Result<http::Response<Bytes>> {
        let started = Instant::now();
        let read = timeout_at(self.deadline, collect_capped(self.body, cap, BODY_IDLE)).await;
        self.timings.add_upstream(started.elapsed());
        let failed = |error: Error| match self.outcome {
            // Whether it was executed is known from the head; that the rest is missing does not change it.
            Some(outcome) => error.outcome(outcome).retryable(false),
            None => error,
        };
        let body = match read {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => return Err(failed(unreadable(error))),
            Err(_) => return Err(failed(Error::new(Kind::ProviderTimeout, LATE).retryable(true))),
        };
        let mut response = http::Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        Ok(response)
    }

    /// The body as it comes, for handing on: it fails when nothing has come for half a minute.
    pub fn into_stream(self) -> Body {
        self.body.idle_timeout(BODY_IDLE)
    }
}

const LATE: &str = "The provider's answer did not arrive completely in time.";

fn unreadable(error: BodyError) -> Error {
    match &error {
        BodyError::Truncated(_) => {
            Error::new(Kind::InvalidProviderResponse, "The provider's answer broke off before it was complete.")
                .retryable(true)
        }
        BodyError::TooLarge(cap) => {
            Error::new(Kind::InvalidProviderResponse, format!("The provider's answer is larger than {cap} bytes."))
        }
        BodyError::Stalled(_) => Error::new(Kind::ProviderTimeout, LATE).retryable(true),
    }
    .caused_by(error)
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("body", &self.body).finish_non_exhaustive()
    }
}
