//! The server side: connections of callers, with bounds that a slow or hostile one cannot get round.

mod answer;
mod config;
mod connection;
mod forwarded;
mod lifecycle;
mod peers;
mod pulse;
mod refusal;
mod socket;
mod tls;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub use config::{Config, TlsConfig};
pub use lifecycle::{Lifecycle, Phase};
pub(super) use peers::whose;
pub use refusal::Refuse;
pub use tls::{Tls, TlsError};

use crate::net::Cidr;
use crate::telemetry::{self, Metrics};
use connection::Protocols;
use peers::Peers;

/// After a failed accept (out of file descriptors, usually), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from.
pub trait Listen: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        // Small answers must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer))
    }
}

/// Where a request came from, by way of the proxies that are trusted to tell.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What a listener serves by.
pub struct Serving {
    pub config: Config,
    pub tls: Option<Tls>,
    pub lifecycle: Lifecycle,
    /// What is said where a request's head cannot be read.
    pub refuse: Refuse,
    pub metrics: Arc<Metrics>,
    /// As its connections are counted.
    pub name: telemetry::Listener,
}

/// A connection that is open.
struct Counted(Arc<Metrics>, telemetry::Listener);

impl Counted {
    fn new(metrics: Arc<Metrics>, name: telemetry::Listener) -> Self {
        metrics.caller_connections(name, 1);
        Self(metrics, name)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.caller_connections(self.1, -1);
    }
}

/// Answers until the lifecycle says that it closes; then no connection is accepted and requests that have begun are
/// finished. Returns how many of them had to be cut off.
pub async fn serve<L: Listen>(listener: L, router: Router, serving: Serving) -> usize {
    let Serving { config, tls, lifecycle, refuse, metrics, name } = serving;
    let protocols = Protocols::new(&config, refuse);
    let peers = Peers::new(config.connections, config.connections_per_address);
    let trusted: Arc<[Cidr]> = config.trusted_proxies.as_slice().into();
    let active = Arc::new(AtomicUsize::new(0));
    // Every connection holds a receiver: the sender knows when there is none left.
    let (all, here) = watch::channel(());
    let accept = |stream: L::Stream, peer: SocketAddr| {
        // All callers behind a balancer share its connections.
        let shared = forwarded::is_trusted(peer.ip(), &trusted);
        let entered = match peers.enter(peer.ip(), shared) {
            Ok(entered) => entered,
            Err(reason) => {
                metrics.shed(reason);
                return;
            }
        };
        let here = here.clone();
        let (active, lifecycle) = (active.clone(), lifecycle.clone());
        let caller = connection::Caller { peer: peer.ip(), trusted: trusted.clone(), active, lifecycle };
        let serving = protocols.serve(stream, tls.as_ref().map(Tls::acceptor), router.clone(), caller);
        let counted = Counted::new(metrics.clone(), name);
        tokio::spawn(async move {
            serving.await;
            drop((entered, here, counted));
        });
    };
    let mut phase = lifecycle.watch();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // An error means that nobody can say it any more.
            _ = phase.wait_for(|phase| *phase >= Phase::Closing) => break,
        };
        match accepted {
            Ok((stream, peer)) => accept(stream, peer),
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Those that the system has accepted already would be reset with the listener.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        accept(stream, peer);
    }
    drop(listener);
    drop(here);
    if tokio::time::timeout(config.drain.get(), all.closed()).await.is_ok() {
        return 0;
    }
    let cut = active.load(Ordering::Acquire);
    lifecycle.enter(Phase::Cut);
    all.closed().await;
    cut
}
