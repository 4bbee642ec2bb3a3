//! A caller's socket that notices who does not read, and that ends so that the last answer arrives.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::pulse::Pulse;
use super::refusal::{self, Refuse};

/// What is read and thrown away at the end: a socket that is closed with bytes unread takes the last answer with it.
/// Bytes.
const LINGER: usize = 64 * 1024;
/// And for how long.
const LINGER_FOR: Duration = Duration::from_secs(1);

pub(super) struct Socket<S> {
    inner: S,
    pulse: Arc<Pulse>,
    write_timeout: Duration,
    /// Runs while the other side takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    ending: Ending,
    refuse: Refuse,
    /// What of a refusal is still to be written in the place of hyper's own.
    refusal: Option<Bytes>,
}

enum Ending {
    NotYet,
    Lingering { left: usize, until: Pin<Box<Sleep>> },
    Done,
}

impl<S> Socket<S> {
    pub(super) fn new(inner: S, pulse: Arc<Pulse>, write_timeout: Duration, refuse: Refuse) -> Self {
        Self { inner, pulse, write_timeout, stalled: None, ending: Ending::NotYet, refuse, refusal: None }
    }

    /// Ends a write that has made no progress for too long.
    fn watched<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let until = Instant::now() + self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller does not read")))
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    /// Writes a refusal with a body in the place of one of hyper's; `None` for what is none. It counts as written when the
    /// whole of it is: until then hyper comes back with the same bytes.
    fn refused(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.refusal.is_none() {
            let may_be = !self.pulse.owes() && !self.pulse.is_http2();
            self.refusal = Some(may_be.then(|| refusal::with_body(bytes, self.refuse)).flatten()?);
        }
        while let Some(rest) = self.refusal.as_mut().filter(|rest| !rest.is_empty()) {
            let written = Pin::new(&mut self.inner).poll_write(cx, rest);
            match written {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(count)) => rest.advance(count.min(rest.len())),
                other => return Some(self.watched(cx, other)),
            }
        }
        self.refusal = None;
        Some(Poll::Ready(Ok(bytes.len())))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if read.is_ready() && buffer.filled().len() > before {
            this.pulse.read();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(refused) = this.refused(cx, bytes) {
            return refused;
        }
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.watched(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let [bytes] = parts
            && let Some(refused) = this.refused(cx, bytes)
        {
            return refused;
        }
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, parts);
        this.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            this.pulse.flushed();
        }
        this.watched(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.ending {
                Ending::NotYet => {
                    let shut = Pin::new(&mut this.inner).poll_shutdown(cx);
                    ready!(this.watched(cx, shut))?;
                    let until = Box::pin(sleep_until(Instant::now() + LINGER_FOR));
                    this.ending = Ending::Lingering { left: LINGER, until };
                }
                Ending::Lingering { left, until } => {
                    let mut scrap = [0; 4096];
                    let mut buffer = ReadBuf::new(&mut scrap);
                    match Pin::new(&mut this.inner).poll_read(cx, &mut buffer) {
                        Poll::Ready(Ok(())) if (1..*left).contains(&buffer.filled().len()) => {
                            *left -= buffer.filled().len();
                        }
                        // The end of what came, or more than is worth reading.
                        Poll::Ready(_) => this.ending = Ending::Done,
                        Poll::Pending => {
                            ready!(until.as_mut().poll(cx));
                            this.ending = Ending::Done;
                        }
                    }
                }
                Ending::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}
