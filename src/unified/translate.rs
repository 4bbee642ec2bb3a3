//! The core of the stage: a call becomes requests upstream, their answers become the reply.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tower::Service;

use super::aside::aside;
use super::{Call, Reply, list, single};
use crate::error::{Error, Kind};
use crate::model::Operation;
use crate::upstream;

#[derive(Clone)]
pub struct Translate {
    upstream: upstream::Service,
}

impl Translate {
    pub fn new(upstream: upstream::Service) -> Self {
        Self { upstream }
    }
}

impl Service<Call> for Translate {
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let upstream = self.upstream.clone();
        let unbounded =
            call.provider.unbounded || call.resource.is_unbounded_for(call.operation, &call.query, call.body.as_ref());
        if !unbounded {
            return Box::pin(translate(call, upstream));
        }
        // Expressions that may run until their time limit do so on threads of their own; the requests they make go out
        // from the threads that all others go out from, which must own the connections.
        let upstream = upstream::Service::new(OnRuntime { inner: upstream, runtime: Handle::current() });
        Box::pin(async move { aside(translate(call, upstream)).await? })
    }
}

async fn translate(call: Call, upstream: upstream::Service) -> Result<Reply, Error> {
    match call.operation {
        Operation::List => list::list(call, &upstream).await,
        Operation::Get => single::get(call, &upstream).await,
        Operation::Create | Operation::Update => single::write(call, &upstream).await,
        Operation::Delete => single::delete(call, &upstream).await,
        Operation::Upsert => Err(Error::new(
            Kind::UnsupportedOperation,
            format!("{} cannot be written by a natural key.", call.resource.name),
        )),
    }
}

/// The same service, run on a given runtime whoever calls it.
#[derive(Clone)]
struct OnRuntime {
    inner: upstream::Service,
    runtime: Handle,
}

impl Service<upstream::Request> for OnRuntime {
    type Response = upstream::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<upstream::Response, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: upstream::Request) -> Self::Future {
        let answer = self.runtime.spawn(self.inner.call(request));
        Box::pin(async move { answer.await.map_err(Error::internal)? })
    }
}
