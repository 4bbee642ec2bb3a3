//! The provider's answer: a head that is here and a body that is still coming.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::headers::conceal_echoes;
use crate::connections::Access;
use crate::error::{Error, Kind, Outcome, Result};
use crate::net::{Body, BodyError, collect_decoded};
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
    /// What it was sent with, so that a refusal that repeats a credential does not carry it on.
    pub access: Option<Arc<Access>>,
    deadline: Instant,
    timings: Arc<Timings>,
    /// For answers to writes: what became of the write, judging by the head.
    outcome: Option<Outcome>,
}

/// A refusal for the vendor's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// When to come back, if the vendor said so.
    pub delay: Option<Duration>,
    /// An allowance for a day or so is used up: waiting within a request is of no use.
    pub exhausted: bool,
}

impl Response {
    /// An answer to `request`, which was sent with the token of this generation.
    pub fn new(status: StatusCode, headers: HeaderMap, body: Body, request: &super::Request, generation: u64) -> Self {
        let outcome = match status.as_u16() {
            _ if !request.is_write() => None,
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
            access: None,
            deadline: request.deadline,
            timings: request.timings.clone(),
            outcome,
        }
    }

    /// The same answer with its body read to the end and its content coding undone, but at most `cap` bytes of it, and no
    /// longer than the caller waits.
    pub async fn read(mut self, cap: usize) -> Result<Self> {
        let body = std::mem::take(&mut self.body);
        let mut bytes = self.reading().bytes(body, &self.headers, cap).await?;
        self.headers.remove(CONTENT_ENCODING);
        if let Some(access) = &self.access
            && !self.status.is_success()
        {
            bytes = conceal_echoes(bytes, access);
        }
        self.body = Body::full(bytes);
        Ok(self)
    }

    /// Status, headers and the whole body; see [`Response::read`].
    pub async fn collect(mut self, cap: usize) -> Result<http::Response<Bytes>> {
        let body = std::mem::take(&mut self.body);
        let body = self.reading().bytes(body, &self.headers, cap).await?;
        let mut response = http::Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        Ok(response)
    }

    fn reading(&self) -> Reading {
        Reading { deadline: self.deadline, timings: self.timings.clone(), outcome: self.outcome }
    }

    /// The body as it comes, for handing on: it fails when nothing has come for half a minute, or hardly
    /// anything.
    pub fn into_stream(self) -> Body {
        self.body.paced(BODY_IDLE)
    }
}

/// What reading a body depends on besides the body.
struct Reading {
    deadline: Instant,
    timings: Arc<Timings>,
    outcome: Option<Outcome>,
}

impl Reading {
    async fn bytes(self, body: Body, headers: &HeaderMap, cap: usize) -> Result<Bytes> {
        let started = Instant::now();
        let read = timeout_at(self.deadline, collect_decoded(body, headers, cap, BODY_IDLE)).await;
        self.timings.add_upstream(started.elapsed());
        let failed = |error: Error| match self.outcome {
            // Whether it was executed is known from the head; that the rest is missing does not change it.
            Some(outcome) => error.outcome(outcome).retryable(false),
            None => error,
        };
        match read {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(error)) => Err(failed(unreadable(error))),
            Err(_) => Err(failed(Error::new(Kind::ProviderTimeout, LATE).retryable(true))),
        }
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
        BodyError::Coding(coding) => Error::new(
            Kind::InvalidProviderResponse,
            format!("The provider's answer comes in the content coding {coding:?}, which was not asked for and is not read here."),
        ),
        BodyError::Bomb => Error::new(
            Kind::InvalidProviderResponse,
            "The provider's answer grows out of all proportion when it is decoded.",
        ),
        BodyError::Undecodable(_) => Error::new(
            Kind::InvalidProviderResponse,
            "The provider's answer is not in the content coding that it is announced in, or broke off.",
        ),
        BodyError::Stalled(_) | BodyError::TooSlow(_) => Error::new(Kind::ProviderTimeout, LATE).retryable(true),
    }
    .caused_by(error)
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("body", &self.body).finish_non_exhaustive()
    }
}
