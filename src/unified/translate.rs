//! The core of the stage: a call becomes requests upstream, their answers become the reply.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tower::Service;

use super::aside::aside;
use super::{Accounts, Call, Reply, Turns, Vendor, associations, batch, expand, fields, list, single, upsert, version};
use crate::error::Error;
use crate::model::Operation;
use crate::upstream;

#[derive(Clone)]
pub struct Translate {
    shared: Shared,
}

/// What all calls share.
#[derive(Clone)]
pub struct Shared {
    pub vendor: Vendor,
    pub accounts: Accounts,
    pub turns: Turns,
}

impl Translate {
    pub fn new(upstream: upstream::Service) -> Self {
        Self {
            shared: Shared { vendor: Vendor::new(upstream), accounts: Accounts::default(), turns: Turns::default() },
        }
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
        let shared = self.shared.clone();
        if !call.is_unbounded() {
            return translate(call, shared);
        }
        // Expressions that may run until their time limit do so on threads of their own; the requests they make go out
        // from the threads that all others go out from, which must own the connections.
        let runtime = Handle::current();
        let service = upstream::Service::new(OnRuntime { inner: shared.vendor.service().clone(), runtime });
        let shared = Shared { vendor: shared.vendor.by(service), ..shared };
        Box::pin(async move { aside(translate(call, shared)).await? })
    }
}

/// Boxed, because a batch translates its operations by the same way.
pub fn translate(call: Call, shared: Shared) -> BoxFuture<'static, Result<Reply, Error>> {
    Box::pin(async move { operate(call, &shared).await })
}

async fn operate(call: Call, shared: &Shared) -> Result<Reply, Error> {
    let vendor = &shared.vendor;
    version::check(&call)?;
    expand::check(&call)?;
    // What can be refused without the account is refused before it is asked anything. Where it has told all before, the
    // operation itself refuses in good time.
    if shared.accounts.would_ask(&call) {
        list::check(&call)?;
        upsert::check(&call)?;
        single::check(&call)?;
    }
    let call = shared.accounts.identify(call, vendor).await?;
    let call = shared.accounts.acquaint(call, vendor).await?;
    let expanding = (!call.query.expand.is_empty()).then(|| call.clone());
    let reply = match call.operation {
        Operation::List => boxed(|| list::list(call, vendor)),
        Operation::Get => boxed(|| single::get(call, vendor)),
        Operation::Create | Operation::Update => boxed(|| single::write(call, vendor)),
        Operation::Delete => boxed(|| single::delete(call, vendor)),
        Operation::Upsert => boxed(|| upsert::upsert(call, shared)),
        Operation::Batch => boxed(|| batch::batch(call, shared)),
        Operation::Fields => boxed(|| fields::fields(call, shared)),
        Operation::Associations => boxed(|| associations::associations(call, shared)),
        Operation::Associate | Operation::Dissociate => boxed(|| associations::change(call, shared)),
        Operation::Types => boxed(|| fields::types(call, shared)),
    };
    let reply = reply.await?;
    match expanding {
        Some(call) => boxed(|| expand::expand(&call, reply, shared)).await,
        None => Ok(reply),
    }
}

/// What runs seldom, or instead of others, on the heap: otherwise every call would carry room for all of it, and one
/// within another would outgrow the stack. Made in a frame of its own for the same reason.
pub fn boxed<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    Box::pin(make())
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
