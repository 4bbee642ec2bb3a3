//! The server side: connections of callers, with bounds that a slow or hostile one cannot get round.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceExt;

/// A head that takes longer is not going to be a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one head.
const MAX_HEAD: usize = 64 * 1024;
/// Streams at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// How long requests that have begun may go on after the signal to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// After a failed accept (out of file descriptors, usually), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address that a request's connection comes from, among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Answers until `shutdown`; then no connection is accepted and requests that have begun are finished.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let mut builder = Builder::new(TokioExecutor::new());
    // Without a timer hyper's time limits do nothing.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(Duration::from_secs(20));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small answers must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let peer = Peer(from.ip().to_canonical());
        let with_peer = move |mut request: http::Request<_>| {
            request.extensions_mut().insert(peer);
            request
        };
        let service = TowerToHyperService::new(router.clone().map_request(with_peer));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let watched = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(error = %error, "A connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("Some requests had not ended when the process had to");
    }
}
