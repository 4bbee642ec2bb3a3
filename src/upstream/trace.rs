//! One span for one logical request, above everything that is done for it: waiting for the vendor's allowance and for
//! credentials, attempts, pauses between them.

use super::{Request, Response};
use crate::stack::{Answer, Around, Stage};
use crate::telemetry::trace::Kind;

#[derive(Clone)]
pub struct TraceRequest;

impl Around<Request> for TraceRequest {
    type Below = Request;
    type Response = Response;

    fn around<S: Stage<Request, Response>>(&self, below: &mut S, mut request: Request) -> Answer<Response> {
        let mut span = request.trace.span(Kind::Internal, || format!("upstream {}", request.method));
        request.trace = span.trace();
        if !span.is_recorded() {
            return below.call(request);
        }
        span.text("throughline.provider", &request.labels.provider);
        span.text("throughline.connection", request.connection.id.as_str());
        let timings = request.timings.clone();
        let waited = timings.quota();
        let answer = below.call(request);
        Box::pin(async move {
            let answer = answer.await;
            // Of requests side by side it is the sum.
            let waited = timings.quota().saturating_sub(waited);
            if !waited.is_zero() {
                span.number("throughline.quota_wait_us", i64::try_from(waited.as_micros()).unwrap_or(i64::MAX));
            }
            match &answer {
                Err(error) => span.ended(error),
                Ok(response) => span.number("http.response.status_code", response.status.as_u16()),
            }
            answer
        })
    }
}
