//! What this stage is asked for, and what a single exchange needs in addition.

use std::sync::Arc;

use http::{HeaderMap, Method};
use tokio::time::Instant;

use crate::connections::{Access, Connection};
use crate::idempotency::Progress;
use crate::model::Priority;
use crate::net::Body;
use crate::telemetry::{Labels, Timings, Trace};

/// One logical request. It has no host: that is the connection's, and neither caller nor mapping can name another. A copy
/// costs next to nothing.
pub struct Request {
    pub connection: Arc<Connection>,
    pub labels: Labels,
    pub method: Method,
    /// Starts with `/`; under the connection's origin, or under its bare host if `root`.
    pub path_and_query: Arc<str>,
    /// Against the bare host: passthrough, and next links, which are whole paths.
    pub root: bool,
    /// Redirects are answers to hand on, not failures.
    pub passthrough: bool,
    /// Already filtered; see [`super::headers`]. Credentials come later.
    pub headers: Arc<HeaderMap>,
    pub body: Body,
    pub effect: Effect,
    /// Several writes in one: a refusal as too much may be about some of them only.
    pub bulk: bool,
    /// The answer is read whole, up to so many bytes, as part of the attempt: a body that breaks off is a failed attempt.
    /// Without it the body streams.
    pub read: Option<usize>,
    /// Told when a write begins to be sent.
    pub progress: Progress,
    /// Who asks: callers take turns where requests wait for the vendor's allowance.
    pub caller: Arc<str>,
    /// Its lane where requests wait for the vendor's allowance.
    pub priority: Priority,
    /// When the caller stops waiting.
    pub deadline: Instant,
    pub timings: Arc<Timings>,
    /// The span that it is a part of.
    pub trace: Trace,
}

/// What executing a request changes, which decides what may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Something, and doing it twice is the same as doing it once.
    Repeatable,
    /// Something, each time.
    Once,
}

/// One HTTP exchange: a request with the credentials of the moment.
pub struct Attempt {
    pub request: Request,
    /// Ready to send.
    pub headers: HeaderMap,
    pub access: Arc<Access>,
    /// When the head of the answer has to be there.
    pub head_by: Instant,
}

impl Request {
    pub fn is_write(&self) -> bool {
        self.effect != Effect::None
    }

    /// The same request once more; `None` if its body exists only once.
    pub fn try_clone(&self) -> Option<Self> {
        Some(Self {
            connection: self.connection.clone(),
            labels: self.labels.clone(),
            method: self.method.clone(),
            path_and_query: self.path_and_query.clone(),
            root: self.root,
            passthrough: self.passthrough,
            headers: self.headers.clone(),
            body: self.body.try_clone()?,
            progress: self.progress.clone(),
            effect: self.effect,
            bulk: self.bulk,
            read: self.read,
            caller: self.caller.clone(),
            priority: self.priority,
            deadline: self.deadline,
            timings: self.timings.clone(),
            trace: self.trace.clone(),
        })
    }
}

impl Effect {
    /// Of a method alone (RFC 9110, 9.2.1). That PUT and DELETE are idempotent is what the RFC asks for and not what
    /// vendors promise.
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Self::None,
            _ => Self::Once,
        }
    }
}
