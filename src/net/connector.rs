//! Opens connections: the address filter, one time limit for name and TCP, one for TLS. `HttpConnector` asks its resolver
//! only for names, never for `https://169.254.169.254/`, so an address written in the URL is checked here as well.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::guard::AddressGuard;
use super::send_error::{Failure, Phase, SendError};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const TLS_LIMIT: Duration = Duration::from_secs(5);
/// Probes on idle connections, so that one that was dropped on the way is not kept until somebody needs it.
const TCP_KEEPALIVE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector<GuardedResolver>,
    tls: TlsConnector,
    guard: Arc<AddressGuard>,
}

/// The system's resolver without the addresses that may not be reached.
#[derive(Clone)]
struct GuardedResolver {
    resolver: GaiResolver,
    guard: Arc<AddressGuard>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, SendError>> + Send>>;

impl Connector {
    pub(super) fn new(guard: AddressGuard, tls: rustls::ClientConfig) -> Self {
        let guard = Arc::new(guard);
        let resolver = GuardedResolver { resolver: GaiResolver::new(), guard: guard.clone() };
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        // Shared out among the addresses of a name, so that a dead first one leaves time for the second.
        tcp.set_connect_timeout(Some(CONNECT_LIMIT));
        Self { tcp, tls: TlsConnector::from(Arc::new(tls)), guard }
    }

    async fn connect(mut self, uri: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, SendError> {
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host).to_owned();
        if host.parse::<IpAddr>().is_ok_and(|address| !self.guard.allows(address)) {
            return Err(Failure::RefusedAddress.into());
        }
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let tcp = match timeout(CONNECT_LIMIT, self.tcp.call(uri)).await {
            Err(_) => return Err(Failure::TimedOut(Phase::Connect).into()),
            Ok(connected) => connected.map_err(|error| SendError::while_connecting(error.into()))?,
        };
        if !secure {
            return Ok(MaybeHttpsStream::Http(tcp));
        }
        let name = ServerName::try_from(host).map_err(|error| SendError::new(Failure::Tls, error))?;
        match timeout(TLS_LIMIT, self.tls.connect(name, TokioIo::new(tcp))).await {
            Err(_) => Err(Failure::TimedOut(Phase::Tls).into()),
            // rustls calls what it refuses invalid; everything else is a connection that broke before there was one.
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(SendError::new(Failure::Tls, error)),
            Ok(Err(error)) => Err(SendError::new(Failure::Connect, error)),
            Ok(Ok(stream)) => Ok(MaybeHttpsStream::Https(TokioIo::new(stream))),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = SendError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Service<Name> for GuardedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = SendError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { mut resolver, guard } = self.clone();
        Box::pin(async move {
            let found = resolver.call(name).await.map_err(|error| SendError::new(Failure::Dns, error))?;
            let found: Vec<SocketAddr> = found.collect();
            let any = !found.is_empty();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| guard.allows(address.ip())).collect();
            match (any, allowed.is_empty()) {
                (true, true) => Err(Failure::RefusedAddress.into()),
                (false, _) => Err(Failure::Dns.into()),
                (true, false) => Ok(allowed.into_iter()),
            }
        })
    }
}
