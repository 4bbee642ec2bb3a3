//! What the layers of our stacks have in common. A layer says what it does around the service below it; that this is a
//! tower layer, and what is made of it a tower service, is said here once.
//!
//! Admission is a matter of `around`, never of readiness: whoever waits has then been looked at, and can be answered. So
//! services are always ready, and a clone of one may be called as it is.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use crate::error::{Error, Result};

/// What services of our stacks answer with. Boxed, so that a request carries room only for what it has come to.
pub type Answer<T> = BoxFuture<'static, Result<T>>;

/// What a layer does with each request on its way down, and with its answer on the way up.
pub trait Around<Request>: Clone {
    /// What the service below is handed.
    type Below;
    type Response: 'static;

    fn around<S>(&self, below: &mut S, request: Request) -> Answer<Self::Response>
    where
        S: Stage<Self::Below, Self::Response>;
}

/// A service of our stacks: built once, cloned for each request.
pub trait Stage<Request, Response>:
    Service<Request, Response = Response, Error = Error, Future = Answer<Response>> + Clone + Send + Sync + 'static
{
}

impl<S, Request, Response> Stage<Request, Response> for S where
    S: Service<Request, Response = Response, Error = Error, Future = Answer<Response>> + Clone + Send + Sync + 'static
{
}

/// As a tower layer.
pub fn around<L: Clone>(around: L) -> AroundLayer<L> {
    AroundLayer { around }
}

#[derive(Clone)]
pub struct AroundLayer<L> {
    around: L,
}

impl<L: Clone, S> Layer<S> for AroundLayer<L> {
    type Service = Surrounded<L, S>;

    fn layer(&self, below: S) -> Self::Service {
        Surrounded { around: self.around.clone(), below }
    }
}

/// A service with one layer around it.
#[derive(Clone)]
pub struct Surrounded<L, S> {
    around: L,
    below: S,
}

impl<L, S, Request> Service<Request> for Surrounded<L, S>
where
    L: Around<Request>,
    S: Stage<L::Below, L::Response>,
{
    type Response = L::Response;
    type Error = Error;
    type Future = Answer<L::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.below.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.around.around(&mut self.below, request)
    }
}
