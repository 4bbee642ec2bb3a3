//! What a request may look like before anything of it is believed: a proxy in front and the vendor behind must not be able
//! to read it in another way than we do.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, Method, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::problem::Refusal;
use crate::app::App;
use crate::error::{Error, Kind, Outcome, Violation};
use crate::net::BodyError;

pub async fn well_formed(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Err(refusal) = check(&request) {
        return refusal.into_response();
    }
    // Most requests have none, and nothing to watch.
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (limit, rate) = (app.edge.body_timeout.get(), app.edge.body_rate);
    next.run(request.map(|body| Body::new(Incoming::new(body, limit, rate)))).await
}

fn check(request: &Request) -> Result<(), Refusal> {
    let method = request.method();
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        // TRACE would send a customer's credential back; CONNECT asks for a tunnel.
        let error = Error::new(Kind::UnsupportedOperation, format!("{method} is never served."));
        return Err(Refusal::from(error).allow("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    let checked = host(request).and_then(|()| framing(request.headers())).and_then(|()| expectation(request.headers()));
    checked.map_err(|error| if method.is_safe() { error } else { error.outcome(Outcome::NotExecuted) }.into())
}

fn refused(header: &str, detail: &'static str, expected: &'static str) -> Error {
    Error::new(Kind::InvalidRequest, format!("The header {header} cannot be used."))
        .violation(Violation::parameter(header, detail).expected(expected))
}

/// RFC 9112, 3.2: exactly one, except before HTTP/1.1; RFC 9113, 8.3.1: it does not contradict `:authority`.
fn host(request: &Request) -> Result<(), Error> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(refused("Host", "it stands there twice", "one Host"));
    }
    let named = host.map(|host| host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()));
    match named {
        Some(named) if named.as_ref().is_none_or(|named| named.as_str().contains('@')) => {
            Err(refused("Host", "it is no host", "a name or address and a port, if need be"))
        }
        Some(Some(named)) if request.version() == Version::HTTP_2 => match request.uri().authority() {
            Some(authority) if *authority != named => Err(refused("Host", "`:authority` is another", "the same host")),
            _ => Ok(()),
        },
        Some(_) => Ok(()),
        None if request.version() < Version::HTTP_11 => Ok(()),
        None if request.version() == Version::HTTP_2 && request.uri().authority().is_some() => Ok(()),
        None => Err(refused("Host", "it is missing", "one Host")),
    }
}

/// One coding is understood. The parser takes `gzip, chunked` for chunks, and would leave the other coding in the body.
fn framing(headers: &HeaderMap) -> Result<(), Error> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next();
    if codings.next().is_some() || first.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(refused("Transfer-Encoding", "it is not `chunked` alone", "chunked"));
    }
    Ok(())
}

fn expectation(headers: &HeaderMap) -> Result<(), Error> {
    let unknown = |value: &&http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(header::EXPECT).iter().any(|value| unknown(&value)) {
        return Err(Error::new(Kind::ExpectationFailed, "This expectation cannot be met.")
            .violation(Violation::parameter("Expect", "it is not known").expected("100-continue")));
    }
    Ok(())
}

/// A body that has to keep coming while it is waited for: a part within each `limit`, and `rate` bytes a second once it
/// has been waited for as long as that.
struct Incoming {
    inner: Body,
    limit: Duration,
    rate: u64,
    received: u64,
    /// For earlier parts.
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Incoming {
    fn new(inner: Body, limit: Duration, rate: u64) -> Self {
        Self { inner, limit, rate, received: 0, waited: Duration::ZERO, waiting: None }
    }

    /// How long the next part may take.
    fn patience(&self) -> Duration {
        let Some(earned) = self.received.saturating_mul(1000).checked_div(self.rate) else { return self.limit };
        let in_all = Duration::from_millis(earned).max(self.limit);
        in_all.saturating_sub(self.waited).min(self.limit)
    }
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            if let Some((since, _)) = this.waiting.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame);
        }
        let patience = this.patience();
        let now = Instant::now();
        let (_, end) = this.waiting.get_or_insert_with(|| (now, Box::pin(sleep_until(now + patience))));
        ready!(end.as_mut().poll(cx));
        Poll::Ready(Some(Err(axum::Error::new(BodyError::Stalled(this.limit)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    /// Reads parts of `size` bytes, one each `every`; how many came.
    async fn parts_read(size: usize, every: Duration, count: usize) -> usize {
        let parts = stream::unfold(0, move |sent| async move {
            tokio::time::sleep(every).await;
            (sent < count).then(|| (Ok::<_, axum::Error>(Frame::data(Bytes::from(vec![0; size]))), sent + 1))
        });
        let mut body = Incoming::new(Body::new(StreamBody::new(Box::pin(parts))), LIMIT, 1024);
        let mut read = 0;
        while let Some(Ok(_)) = body.frame().await {
            read += 1;
        }
        read
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_and_a_slow_one_is_read() {
        let second = Duration::from_secs(1);
        assert_eq!(parts_read(1, second * 16, 3).await, 0, "nothing came in time");
        assert!((14..=15).contains(&parts_read(1, second, 1000).await), "a byte a second is too little");
        assert_eq!(parts_read(1100, second, 1000).await, 1000, "fast enough, for as long as it takes");
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_asks_is_not_the_senders() {
        let parts = stream::iter((0..5).map(|_| Ok::<_, axum::Error>(Frame::data(Bytes::from_static(b"x")))));
        let mut body = Incoming::new(Body::new(StreamBody::new(parts)), LIMIT, 1024);
        for _ in 0..5 {
            tokio::time::sleep(LIMIT * 2).await;
            assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        }
    }
}
