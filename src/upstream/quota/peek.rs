//! The beginning of an answer, read ahead for what it says of limits and put back before the rest: whoever reads the
//! answer sees every byte, and an answer that is long or slow streams on.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::net::{Body, BoxError};

/// An error's body is a few hundred bytes.
const MOST: usize = 64 * 1024;
/// An answer that dawdles is handed on as it is.
const PATIENCE: Duration = Duration::from_secs(5);

type Read = Result<Frame<Bytes>, BoxError>;

/// The body as JSON; null if it is longer, slower, broken or none, or comes later than the caller waits.
pub async fn peek(body: &mut Body, deadline: Instant) -> Value {
    let by = deadline.min(Instant::now() + PATIENCE);
    let mut rest = std::mem::take(body);
    let mut begun = VecDeque::new();
    let mut text = BytesMut::new();
    let mut complete = false;
    while text.len() <= MOST {
        match timeout_at(by, rest.frame()).await {
            Ok(Some(frame)) => {
                let failed = frame.is_err();
                if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
                    text.extend_from_slice(data);
                }
                begun.push_back(frame);
                if failed {
                    break;
                }
            }
            Ok(None) => {
                complete = true;
                break;
            }
            Err(_) => break,
        }
    }
    let value = complete.then(|| serde_json::from_slice(&text).ok()).flatten().unwrap_or(Value::Null);
    *body = Body::streaming(Resumed { begun, rest, length: complete.then_some(text.len() as u64) });
    value
}

struct Resumed {
    begun: VecDeque<Read>,
    rest: Body,
    /// Of what is left, where all of it was read.
    length: Option<u64>,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        match self.begun.pop_front() {
            Some(frame) => {
                let data = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
                self.length = self.length.map(|length| length.saturating_sub(data));
                Poll::Ready(Some(frame))
            }
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body::Body as _;
    use http_body_util::StreamBody;

    use super::*;
    use crate::net::collect_capped;

    const IDLE: Duration = Duration::from_secs(30);

    fn parts(parts: Vec<Result<String, &'static str>>) -> Body {
        let frames = parts.into_iter().map(|part| part.map(|text| Frame::data(text.into())).map_err(BoxError::from));
        Body::streaming(StreamBody::new(stream::iter(frames)))
    }

    #[tokio::test]
    async fn what_was_read_is_put_back() {
        let mut body = parts(vec![Ok("{\"a\"".into()), Ok(": 1}".into())]);
        assert_eq!(peek(&mut body, Instant::now() + IDLE).await, serde_json::json!({"a": 1}));
        assert_eq!(body.size_hint().exact(), Some(8));
        assert_eq!(collect_capped(body, 100, IDLE).await.expect("whole"), "{\"a\": 1}");
    }

    #[tokio::test]
    async fn a_long_body_and_a_broken_one_stay_what_they_are() {
        let long = "x".repeat(MOST);
        let mut body = parts(vec![Ok(long.clone()), Ok(long.clone()), Ok("end".into())]);
        assert_eq!(peek(&mut body, Instant::now() + IDLE).await, Value::Null);
        assert_eq!(collect_capped(body, 3 * MOST, IDLE).await.expect("whole").len(), 2 * MOST + 3);
        let mut cut = parts(vec![Ok("{".into()), Err("reset")]);
        assert_eq!(peek(&mut cut, Instant::now() + IDLE).await, Value::Null);
        assert!(collect_capped(cut, 100, IDLE).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_dawdles_streams_on() {
        let slow = stream::iter([Ok("{".to_owned())]).chain(stream::once(async {
            tokio::time::sleep(PATIENCE * 2).await;
            Ok::<_, BoxError>("}".to_owned())
        }));
        let mut body = Body::streaming(StreamBody::new(slow.map(|text| text.map(|text| Frame::data(text.into())))));
        let began = Instant::now();
        assert_eq!(peek(&mut body, Instant::now() + IDLE).await, Value::Null);
        assert_eq!(began.elapsed(), PATIENCE);
        assert_eq!(collect_capped(body, 100, IDLE).await.expect("whole"), "{}");
    }
}
