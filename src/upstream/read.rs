//! Reads answers whole where they are wanted whole. Below the retry, so that an answer that breaks off is a failed attempt
//! and not a failed request, and above everything that is about one exchange.

use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::{Future, Request, Response};
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, Default)]
pub struct ReadLayer;

#[derive(Debug, Clone)]
pub struct Read<S> {
    inner: S,
}

impl<S> Layer<S> for ReadLayer {
    type Service = Read<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Read { inner }
    }
}

impl<S> Service<Request> for Read<S>
where
    S: Service<Request, Response = Response, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Future {
        let cap = request.read;
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            match cap {
                Some(cap) => answer.read(cap).await,
                None => Ok(answer),
            }
        })
    }
}
