//! A 401 that another credential can mend is sent once more. It is a definite refusal, so that nothing happens twice, not
//! even a write; only a body that streamed through is gone. Below retry, whose budget is for failures of the provider.

use std::task::{Context, Poll};

use http::StatusCode;
use tokio::time::timeout_at;
use tower::{Layer, Service, ServiceExt};

use super::{Future, Request, Response};
use crate::connections::Connections;
use crate::error::{Error, Result};

#[derive(Clone)]
pub struct RenewLayer {
    connections: Connections,
}

#[derive(Clone)]
pub struct Renew<S> {
    inner: S,
    connections: Connections,
}

impl RenewLayer {
    pub fn new(connections: Connections) -> Self {
        Self { connections }
    }
}

impl<S> Layer<S> for RenewLayer {
    type Service = Renew<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Renew { inner, connections: self.connections.clone() }
    }
}

impl<S> Service<Request> for Renew<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Error;
    type Future = Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Future {
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let connections = self.connections.clone();
        Box::pin(async move {
            let (connection, deadline) = (request.connection.clone(), request.deadline);
            let again = request.try_clone();
            let answer = inner.call(request).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                connections.heard(&connection, answer.generation, false);
                return Ok(answer);
            }
            // Also when it cannot be sent again: the next request finds the new token.
            let others = timeout_at(deadline, connections.others_than(&connection, answer.generation)).await;
            let answer = match (others, again) {
                (Ok(true), Some(again)) => inner.ready().await?.call(again).await?,
                // Whether there are others is not known: no verdict.
                (Err(_), _) | (Ok(true), None) => return Ok(answer),
                (Ok(false), _) => answer,
            };
            connections.heard(&connection, answer.generation, answer.status == StatusCode::UNAUTHORIZED);
            Ok(answer)
        })
    }
}
