//! Bodies in both directions: held in memory or streaming; and how a streaming one is read without trusting its sender.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Only the `Full` kind can be sent a second time.
pub enum Body {
    Full(Full<Bytes>),
    Streaming(UnsyncBoxBody<Bytes, BoxError>),
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body ended before it was complete")]
    Truncated(#[source] BoxError),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body comes in the coding {0:?}, which is not read here")]
    Coding(String),
    #[error("the body grows out of all proportion when it is decoded")]
    Bomb,
    #[error("the body is not in the coding that it is announced in, or ended before it was complete")]
    Undecodable(#[source] BoxError),
    #[error("no byte of the body came for {0:?}")]
    Stalled(Duration),
    #[error("the body came more slowly than {0} bytes a second")]
    TooSlow(u32),
}

impl Body {
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Full::new(bytes.into()))
    }

    pub fn streaming<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::Streaming(UnsyncBoxBody::new(body.map_err(Into::into)))
    }

    /// All of it, where it is in memory.
    pub fn bytes(&self) -> Option<Bytes> {
        let Self::Full(full) = self else { return None };
        let Some(frame) = full.clone().frame().now_or_never()? else { return Some(Bytes::new()) };
        frame.ok()?.into_data().ok()
    }

    pub fn is_streaming(&self) -> bool {
        matches!(self, Self::Streaming(_))
    }

    /// A second body with the same content; `None` where the content exists only once.
    pub fn try_clone(&self) -> Option<Self> {
        match self {
            Self::Full(full) => Some(Self::Full(full.clone())),
            Self::Streaming(_) => None,
        }
    }

    /// The same body, failing with [`BodyError::Stalled`] once nothing has come for `limit`, and with
    /// [`BodyError::TooSlow`] where hardly anything comes. The clock runs only while somebody waits for the next part: a slow
    /// reader is not the sender's fault.
    pub fn paced(self, limit: Duration) -> Self {
        match self {
            Self::Full(full) => Self::Full(full),
            Self::Streaming(inner) => Self::streaming(Paced { inner, limit, waiting: None, pace: Pace::default() }),
        }
    }
}

/// Reads a body to its end, but at most `cap` bytes of it, and never waits longer than `idle` for the next part.
pub async fn collect_capped<B>(body: B, cap: usize, idle: Duration) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    // What the sender announces is checked before anything is read, and believed no further than that.
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > cap {
        return Err(BodyError::TooLarge(cap));
    }
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut pace = Pace::default();
    while let Some(data) = next_part(&mut body, idle, &mut pace).await? {
        if data.len() > cap.saturating_sub(first.len() + rest.len()) {
            return Err(BodyError::TooLarge(cap));
        }
        // Most answers arrive in one piece, which then needs no copy.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The next part of a body, for which nobody waits longer than `idle`; `None` at its end.
pub(super) async fn next_part<B>(
    body: &mut Pin<&mut B>,
    idle: Duration,
    pace: &mut Pace,
) -> Result<Option<Bytes>, BodyError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    loop {
        let asked = Instant::now();
        let Ok(frame) = tokio::time::timeout(idle, body.frame()).await else { return Err(BodyError::Stalled(idle)) };
        let Some(frame) = frame else { return Ok(None) };
        // What is no data are trailers, which nobody needs.
        if let Ok(data) = frame.map_err(|error| broken(error.into()))?.into_data() {
            pace.came(data.len(), asked.elapsed())?;
            return Ok(Some(data));
        }
    }
}

/// A stall that a body in between has reported stays a stall.
fn broken(error: BoxError) -> BodyError {
    match error.downcast::<BodyError>() {
        Ok(known) => *known,
        Err(other) => BodyError::Truncated(other),
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content belongs to a customer and is never printed.
        match self {
            Self::Full(full) => write!(f, "{} bytes", full.size_hint().lower()),
            Self::Streaming(_) => f.write_str("streaming"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Full(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            Self::Streaming(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(full) => full.is_end_stream(),
            Self::Streaming(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(full) => full.size_hint(),
            Self::Streaming(body) => body.size_hint(),
        }
    }
}

/// Bytes against the time that was spent waiting for them: who sends one byte now and then keeps a connection busy for ever.
#[derive(Default)]
pub(super) struct Pace {
    waited: Duration,
    bytes: usize,
}

impl Pace {
    const WINDOW: Duration = Duration::from_secs(30);
    /// Bytes a second.
    const LEAST: u32 = 1024;

    pub(super) fn came(&mut self, bytes: usize, after: Duration) -> Result<(), BodyError> {
        self.bytes += bytes;
        self.waited += after;
        if self.waited < Self::WINDOW {
            return Ok(());
        }
        let enough = self.bytes as f64 >= self.waited.as_secs_f64() * f64::from(Self::LEAST);
        *self = Self::default();
        if enough { Ok(()) } else { Err(BodyError::TooSlow(Self::LEAST)) }
    }
}

struct Paced {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    limit: Duration,
    /// Since when, and until when, the next part is waited for.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    pace: Pace,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            let waited = this.waiting.take().map(|(since, _)| since.elapsed()).unwrap_or_default();
            if let Some(Ok(part)) = &frame
                && let Some(data) = part.data_ref()
                && let Err(slow) = this.pace.came(data.len(), waited)
            {
                return Poll::Ready(Some(Err(Box::new(slow))));
            }
            return Poll::Ready(frame);
        }
        let limit = this.limit;
        let waiting = this.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(tokio::time::sleep_until(now + limit)))
        });
        ready!(waiting.1.as_mut().poll(cx));
        Poll::Ready(Some(Err(Box::new(BodyError::Stalled(limit)))))
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
    use futures_util::{StreamExt, stream};
    use http_body_util::StreamBody;

    use super::*;

    const IDLE: Duration = Duration::from_secs(30);

    fn parts(parts: Vec<Result<&'static str, &'static str>>) -> Body {
        let frames =
            parts.into_iter().map(|part| part.map(|text| Frame::data(Bytes::from(text))).map_err(BoxError::from));
        Body::streaming(StreamBody::new(stream::iter(frames)))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_cap() {
        assert_eq!(collect_capped(parts(vec![Ok("ab"), Ok("cd")]), 4, IDLE).await.expect("complete"), "abcd");
        let over = collect_capped(parts(vec![Ok("ab"), Ok("cde")]), 4, IDLE).await;
        assert!(matches!(over, Err(BodyError::TooLarge(4))));
        assert!(matches!(collect_capped(Body::full("abcde"), 4, IDLE).await, Err(BodyError::TooLarge(4))));
        let cut = collect_capped(parts(vec![Ok("ab"), Err("reset")]), 4, IDLE).await;
        assert!(matches!(cut, Err(BodyError::Truncated(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up() {
        let drip = |bytes: usize, pause: u64| {
            let part = move |_| async move {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                Ok::<_, BoxError>(Frame::data(Bytes::from(vec![b'x'; bytes])))
            };
            Body::streaming(StreamBody::new(Box::pin(stream::iter(0..20).then(part))))
        };
        for paced in [false, true] {
            let body = |body: Body| if paced { body.paced(IDLE) } else { body };
            let slow = collect_capped(body(drip(1, 10)), 1_000_000, IDLE).await;
            assert!(matches!(slow, Err(BodyError::TooSlow(_))), "{slow:?}");
            let fast = collect_capped(body(drip(20_000, 10)), 1_000_000, IDLE).await;
            assert_eq!(fast.expect("twenty parts").len(), 400_000);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_body_is_told_from_a_cut_one() {
        let never = || Body::streaming(StreamBody::new(stream::pending::<Result<Frame<Bytes>, BoxError>>()));
        assert!(matches!(collect_capped(never(), 4, IDLE).await, Err(BodyError::Stalled(IDLE))));
        let guarded = never().paced(Duration::from_secs(5));
        assert!(
            matches!(collect_capped(guarded, 4, IDLE).await, Err(BodyError::Stalled(limit)) if limit.as_secs() == 5)
        );
    }
}
