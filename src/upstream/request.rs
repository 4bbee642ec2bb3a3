//! What this stage is asked for, and what a single exchange needs in addition.

use std::sync::Arc;

use http::{HeaderMap, Method};
use tokio::time::Instant;

use crate::connections::{Access, Connection};
use crate::model::Priority;
use crate::net::Body;
use crate::telemetry::{Labels, Timings};

/// One logical request. It has no host: that is the connection's, and neither caller nor mapping can name another.
pub struct Request {
    pub connection: Arc<Connection>,
    pub labels: Labels,
    pub method: Method,
    /// Starts with `/`; under the connection's origin, or under its bare host if `root`.
    pub path_and_query: String,
    /// Against the bare host: passthrough, and next links, which are whole paths.
    pub root: bool,
    /// Redirects are answers to hand on, not failures.
    pub passthrough: bool,
    /// Already filtered; see [`super::headers`]. Credentials come later.
    pub headers: HeaderMap,
    pub body: Body,
    /// Executing it twice is the same as once (a search by POST, an upsert by key), so it may be sent again.
    pub safe: bool,
    /// Who asks: callers take turns where requests wait for the vendor's allowance.
    pub caller: Arc<str>,
    /// Its lane where requests wait for the vendor's allowance.
    pub priority: Priority,
    /// When the caller stops waiting.
    pub deadline: Instant,
    pub timings: Arc<Timings>,
}

/// One HTTP exchange: a request with the credentials of the moment.
pub struct Attempt {
    pub request: Request,
    pub access: Arc<Access>,
    /// When the head of the answer has to be there.
    pub head_by: Instant,
}

impl Request {
    pub fn provider(&self) -> &str {
        &self.connection.provider
    }

    /// Whether sending it changes nothing that sending it again would change once more.
    pub fn is_safe(&self) -> bool {
        self.safe || matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
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
            safe: self.safe,
            caller: self.caller.clone(),
            priority: self.priority,
            deadline: self.deadline,
            timings: self.timings.clone(),
        })
    }
}
