//! Tells of writes as they happen, whatever route they came by: what was read before one must not be taken for what the
//! record is now.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::StatusCode;
use tower::{Layer, Service};

use super::{Future, Request, Response};
use crate::connections::Connection;
use crate::error::{Error, Outcome, Result};

/// Who is told. Both are called on the way of a request: they have to be short.
pub trait Witness: Send + Sync + 'static {
    /// A write is about to be sent through the connection.
    fn begins(&self, connection: &Connection);

    /// One that began is over. `executed` unless it is certain that it was not.
    fn ends(&self, connection: &Connection, executed: bool);
}

/// Without a witness requests pass by.
#[derive(Clone)]
pub struct WitnessLayer {
    witness: Option<Arc<dyn Witness>>,
}

#[derive(Clone)]
pub struct Witnessed<S> {
    inner: S,
    witness: Option<Arc<dyn Witness>>,
}

impl WitnessLayer {
    pub fn new(witness: Option<Arc<dyn Witness>>) -> Self {
        Self { witness }
    }
}

impl<S> Layer<S> for WitnessLayer {
    type Service = Witnessed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Witnessed { inner, witness: self.witness.clone() }
    }
}

impl<S> Service<Request> for Witnessed<S>
where
    S: Service<Request, Response = Response, Error = Error, Future = Future>,
{
    type Response = Response;
    type Error = Error;
    type Future = Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Future {
        let witness = self.witness.as_ref().filter(|_| request.is_write());
        let Some(witness) = witness.cloned() else { return self.inner.call(request) };
        let connection = request.connection.clone();
        witness.begins(&connection);
        let mut write = Write { witness, connection, executed: true };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            write.ended(&answer);
            answer
        })
    }
}

/// One that has begun. Its end is told also if it is given up.
struct Write {
    witness: Arc<dyn Witness>,
    connection: Arc<Connection>,
    executed: bool,
}

impl Write {
    /// A refusal for the credential or for the rate is about neither the record nor the write.
    fn ended(&mut self, answer: &Result<Response>) {
        self.executed = match answer {
            Ok(answer) => !matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS),
            Err(error) => error.get_outcome() != Some(Outcome::NotExecuted),
        };
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.witness.ends(&self.connection, self.executed);
    }
}
