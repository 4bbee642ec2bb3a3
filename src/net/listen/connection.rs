//! One connection of a caller: HTTP/1.1 or HTTP/2 (by ALPN, or begun as such), watched from its first byte to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use super::answer::{Answer, Begun};
use super::pulse::{Pulse, Verdict};
use super::socket::Socket;
use super::{Config, Lifecycle, Peer, Phase, Refuse, forwarded};
use crate::net::Cidr;

/// Bytes of one head of HTTP/1, and headers in it.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 64;
/// Bytes of the headers of one request of HTTP/2, decoded.
const MAX_HEADER_LIST: u32 = 16 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// Streams that were reset before they were looked at (rapid reset), and that we reset for faults of the other side
/// (MadeYouReset), before the connection is ended.
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 64;
/// What may be under way to us unread: of one stream, of all.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What of one answer is held for a caller who does not read it. Bytes.
const SEND_BUFFER: usize = 64 * 1024;
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// For TLS to be agreed upon.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A connection whose first request may be under way when the server closes.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Who is at the other end, and what the server knows of all.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) peer: IpAddr,
    /// Proxies that are believed whose requests they hand on.
    pub(super) trusted: Arc<[Cidr]>,
    /// Requests that are being answered, of all connections.
    pub(super) active: Arc<AtomicUsize>,
    pub(super) lifecycle: Lifecycle,
}

#[derive(Clone)]
pub(super) struct Protocols {
    builder: Builder<TokioExecutor>,
    head_timeout: Duration,
    keep_alive: Duration,
    write_timeout: Duration,
    refuse: Refuse,
}

impl Protocols {
    pub(super) fn new(config: &Config, refuse: Refuse) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        // Heads are timed by the pulse: hyper's clock would also run while a connection rests.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_LOCAL_RESETS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            builder,
            head_timeout: config.head_timeout.get(),
            keep_alive: config.keep_alive.get(),
            write_timeout: config.write_timeout.get(),
            refuse,
        }
    }

    pub(super) fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        tls: Option<TlsAcceptor>,
        router: Router,
        caller: Caller,
    ) -> impl Future<Output = ()> + Send + use<S> {
        let this = self.clone();
        async move {
            let Some(tls) = tls else { return this.speak(stream, router, caller).await };
            match timeout(HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => this.speak(stream, router, caller).await,
                Ok(Err(error)) => tracing::debug!(%error, "A TLS handshake failed"),
                Err(_) => tracing::debug!("A TLS handshake took too long"),
            }
        }
    }

    async fn speak<S>(self, stream: S, router: Router, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pulse = Arc::new(Pulse::new(self.head_timeout, self.keep_alive));
        let socket = Socket::new(stream, pulse.clone(), self.write_timeout, self.refuse);
        let lifecycle = caller.lifecycle.clone();
        let answering = Answering { router, caller, pulse: pulse.clone(), write_timeout: self.write_timeout };
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(socket), answering));
        let mut phase = lifecycle.watch();
        phase.mark_changed();
        let mut look_at = Instant::now() + self.head_timeout;
        // When it is asked to end because the server does.
        let mut closing_at: Option<Instant> = None;
        // When it has to have ended, after it was asked to because nobody uses it.
        let mut gone_by: Option<Instant> = None;
        loop {
            // Ready with nothing where a head has begun to come, which has to be timed from now on.
            let polled = poll_fn(|cx| match connection.as_mut().poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if pulse.take_head_began() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            tokio::select! {
                biased;
                ended = polled => match ended {
                    Some(Ok(())) => return,
                    Some(Err(error)) => return tracing::debug!(%error, "A connection ended early"),
                    None => {}
                },
                () = sleep_until(look_at) => {}
                Ok(()) = phase.changed() => match *phase.borrow_and_update() {
                    Phase::Serving => {}
                    // HTTP/2 can say that it takes no more without losing any; HTTP/1 says so with its answers.
                    Phase::Draining if pulse.is_http2() => connection.as_mut().graceful_shutdown(),
                    Phase::Draining => {}
                    // The first request may be on its way; an idle connection has had the whole delay to be used.
                    Phase::Closing if pulse.is_used() => closing_at = Some(Instant::now()),
                    Phase::Closing => closing_at = Some(Instant::now() + FIRST_REQUEST),
                    Phase::Cut => return,
                }
            }
            let now = Instant::now();
            if closing_at.is_some_and(|at| at <= now) {
                closing_at = None;
                connection.as_mut().graceful_shutdown();
            }
            look_at = match (pulse.look(), gone_by) {
                (Verdict::LookAgain(at), _) => at,
                (Verdict::Late, _) => return tracing::debug!("A connection was closed: what was begun did not come"),
                (Verdict::Idle, None) => {
                    connection.as_mut().graceful_shutdown();
                    let by = now + self.write_timeout;
                    gone_by = Some(by);
                    by
                }
                (Verdict::Idle, Some(by)) if now < by => by,
                (Verdict::Idle, Some(_)) => return,
            };
            look_at = closing_at.map_or(look_at, |at| at.min(look_at));
        }
    }
}

/// The router behind one connection.
#[derive(Clone)]
struct Answering {
    router: Router,
    caller: Caller,
    pulse: Arc<Pulse>,
    write_timeout: Duration,
}

impl hyper::service::Service<Request<Incoming>> for Answering {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let http2 = request.version() == Version::HTTP_2;
        let begun = Begun::new(self.pulse.clone(), self.caller.active.clone(), http2);
        let (lifecycle, write_timeout) = (self.caller.lifecycle.clone(), self.write_timeout);
        let mut request = request;
        let peer = forwarded::caller(self.caller.peer, request.headers(), &self.caller.trusted);
        request.extensions_mut().insert(Peer(peer));
        // A router is always ready; admission is a matter of its layers.
        let answered = self.router.clone().call(request);
        Box::pin(async move {
            let Ok(mut response) = answered.await;
            if !http2 && lifecycle.is_draining() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Answer::new(body, begun, http2, write_timeout)))
        })
    }
}
