//! The body of an answer on its way to the caller. As long as it is there, the request is not over. On HTTP/2 a caller can
//! stop reading one stream while the socket goes on: then the body is dropped, and with it the exchange behind it.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::pulse::Pulse;

/// A body up to this size is all in memory, and holds nobody up. Bytes.
const SMALL: u64 = 64 * 1024;

/// One request from its head to the end of its answer, for all who count.
pub(super) struct Begun {
    pulse: Arc<Pulse>,
    all: Arc<AtomicUsize>,
}

impl Begun {
    pub(super) fn new(pulse: Arc<Pulse>, all: Arc<AtomicUsize>, http2: bool) -> Self {
        pulse.request_began(http2);
        all.fetch_add(1, Ordering::AcqRel);
        Self { pulse, all }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.pulse.request_ended();
        self.all.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(super) enum Answer {
    Plain(Body, #[expect(dead_code, reason = "it is there to be dropped with the body")] Begun),
    Watched(Arc<Mutex<Flowing>>),
}

pub(super) struct Flowing {
    held: Option<(Body, Begun)>,
    /// Since when nobody has asked for more; none while the source is waited for.
    unread_since: Option<Instant>,
}

impl Answer {
    pub(super) fn new(body: Body, begun: Begun, http2: bool, timeout: Duration) -> Self {
        let small = body.size_hint().upper().is_some_and(|size| size <= SMALL);
        if !http2 || small {
            return Self::Plain(body, begun);
        }
        let flowing = Arc::new(Mutex::new(Flowing { held: Some((body, begun)), unread_since: Some(Instant::now()) }));
        tokio::spawn(give_up_when_unread(Arc::downgrade(&flowing), timeout));
        Self::Watched(flowing)
    }
}

async fn give_up_when_unread(flowing: Weak<Mutex<Flowing>>, timeout: Duration) {
    loop {
        let now = Instant::now();
        let next = match flowing.upgrade() {
            None => return,
            Some(flowing) => {
                let mut flowing = flowing.lock();
                let end = flowing.unread_since.map_or(now + timeout, |since| since + timeout);
                if end <= now {
                    tracing::debug!("An answer was given up: its caller does not read");
                    flowing.held = None;
                    return;
                }
                end
            }
        };
        sleep_until(next).await;
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Plain(body, _) => Pin::new(body).poll_frame(cx),
            Self::Watched(flowing) => {
                let mut flowing = flowing.lock();
                flowing.unread_since = None;
                let Some((body, _)) = &mut flowing.held else {
                    return Poll::Ready(Some(Err(axum::Error::new("the caller does not read"))));
                };
                let frame = Pin::new(body).poll_frame(cx);
                if frame.is_ready() {
                    flowing.unread_since = Some(Instant::now());
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body, _) => body.is_end_stream(),
            Self::Watched(flowing) => flowing.lock().held.as_ref().is_some_and(|(body, _)| body.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body, _) => body.size_hint(),
            Self::Watched(flowing) => {
                flowing.lock().held.as_ref().map_or_else(SizeHint::default, |(body, _)| body.size_hint())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_takes_is_dropped_and_a_slow_source_is_not() {
        let pulse = Arc::new(Pulse::new(LIMIT, LIMIT));
        let all = Arc::new(AtomicUsize::new(0));
        let (send, receive) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, axum::Error>>(4);
        let parts =
            futures_util::stream::unfold(receive, |mut receive| async move { Some((receive.recv().await?, receive)) });
        let body = Body::new(StreamBody::new(Box::pin(parts)));
        let mut answer = Answer::new(body, Begun::new(pulse, all.clone(), true), true, LIMIT);

        let waiting = tokio::spawn(async move {
            let frame = answer.frame().await;
            (answer, frame)
        });
        tokio::time::sleep(LIMIT * 3).await;
        assert!(!send.is_closed(), "it is the source that is slow");
        send.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.expect("taken");
        let (mut answer, frame) = waiting.await.expect("no panic");
        assert!(frame.is_some_and(|frame| frame.is_ok()));

        tokio::time::sleep(LIMIT + Duration::from_secs(1)).await;
        assert!(send.is_closed(), "what is behind it has ended");
        assert_eq!(all.load(Ordering::SeqCst), 0, "the request is over");
        assert!(answer.frame().await.is_some_and(|frame| frame.is_err()), "no end that looks whole");
    }
}
