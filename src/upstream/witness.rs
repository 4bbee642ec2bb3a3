//! Tells of writes as they happen, whatever route they came by: what was read before one must not be taken for what the
//! record is now.

use std::sync::Arc;

use http::StatusCode;

use super::{Request, Response};
use crate::connections::Connection;
use crate::error::{Outcome, Result};
use crate::stack::{Answer, Around, Stage};

/// Who is told. Both are called on the way of a request: they have to be short.
pub trait Witness: Send + Sync + 'static {
    /// A write is about to be sent through the connection.
    fn begins(&self, connection: &Connection);

    /// One that began is over. `executed` unless it is certain that it was not.
    fn ends(&self, connection: &Connection, executed: bool);
}

#[derive(Clone)]
pub struct TellWitness {
    witness: Option<Arc<dyn Witness>>,
}

impl TellWitness {
    pub fn new(witness: Option<Arc<dyn Witness>>) -> Self {
        Self { witness }
    }
}

impl Around<Request> for TellWitness {
    type Below = Request;
    type Response = Response;

    fn around<S: Stage<Request, Response>>(&self, below: &mut S, request: Request) -> Answer<Response> {
        let witness = self.witness.as_ref().filter(|_| request.is_write());
        let Some(witness) = witness.cloned() else { return below.call(request) };
        let connection = request.connection.clone();
        witness.begins(&connection);
        let mut write = Write { witness, connection, executed: true };
        let answer = below.call(request);
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
