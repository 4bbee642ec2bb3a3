//! Reads answers whole where they are wanted whole. Below the retry, so that an answer that breaks off is a failed attempt
//! and not a failed request, and above everything that is about one exchange.

use super::{Request, Response};
use crate::stack::{Answer, Around, Stage};

#[derive(Debug, Clone)]
pub struct Read;

impl Around<Request> for Read {
    type Below = Request;
    type Response = Response;

    fn around<S: Stage<Request, Response>>(&self, below: &mut S, request: Request) -> Answer<Response> {
        let cap = request.read;
        let answer = below.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            match cap {
                Some(cap) => answer.read(cap).await,
                None => Ok(answer),
            }
        })
    }
}
