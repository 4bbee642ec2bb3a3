//! The core of the stage: a call becomes requests upstream, their answers become the reply.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::Service;

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
        Box::pin(async move {
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
        })
    }
}
