//! Sees to it that there is a credential to send with: waits for one before anything else is taken, and sends a request
//! once more that came back with a 401 which another credential can mend. That is a definite refusal, so that nothing
//! happens twice, not even a write; only a body that streamed through is gone. Below retry, whose budget is for failures
//! of the provider; above the permits, since those who wait for a token would otherwise spend theirs all at once after it.

use http::StatusCode;
use tokio::time::timeout_at;

use super::credentials::obtain;
use super::{Request, Response};
use crate::connections::Connections;
use crate::stack::{Answer, Around, Stage};

#[derive(Clone)]
pub struct Renew {
    connections: Connections,
}

impl Renew {
    pub fn new(connections: Connections) -> Self {
        Self { connections }
    }
}

impl Around<Request> for Renew {
    type Below = Request;
    type Response = Response;

    fn around<S: Stage<Request, Response>>(&self, below: &mut S, request: Request) -> Answer<Response> {
        let mut below = below.clone();
        let connections = self.connections.clone();
        Box::pin(async move {
            let (connection, deadline) = (request.connection.clone(), request.deadline);
            let again = request.try_clone();
            obtain(&connections, &connection, deadline, request.is_write()).await?;
            let answer = below.call(request).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                connections.heard(&connection, answer.generation, false);
                return Ok(answer);
            }
            // Also when it cannot be sent again: the next request finds the new token.
            let others = timeout_at(deadline, connections.others_than(&connection, answer.generation)).await;
            let answer = match (others, again) {
                (Ok(true), Some(again)) => below.call(again).await?,
                // Whether there are others is not known: no verdict.
                (Err(_), _) | (Ok(true), None) => return Ok(answer),
                (Ok(false), _) => answer,
            };
            connections.heard(&connection, answer.generation, answer.status == StatusCode::UNAUTHORIZED);
            Ok(answer)
        })
    }
}
