//! Opens connections: the address filter, one time limit for name and TCP, one for TLS. `HttpConnector` asks its resolver
//! only for names, never for `https://169.254.169.254/`, so an address written in the URL is checked here as well.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::dial::{Dial, Tcp};
use super::guard::AddressGuard;
use super::proxy::{Proxy, Stream};
use super::resolve::{Resolve, Resolver, permitted};
use super::send_error::{Failure, Phase, SendError};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const TLS_LIMIT: Duration = Duration::from_secs(5);
/// Probes on idle connections, so that one that was dropped on the way is not kept until somebody needs it.
const TCP_KEEPALIVE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector<Resolver>,
    tls: TlsConnector,
    guard: Arc<AddressGuard>,
    proxy: Option<Proxy>,
    /// In place of the system.
    dial: Option<Arc<dyn Dial>>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, SendError>> + Send>>;

impl Connector {
    pub(super) fn new(
        guard: AddressGuard,
        tls: rustls::ClientConfig,
        proxy: Option<Proxy>,
        dial: Option<Arc<dyn Dial>>,
        names: Arc<dyn Resolve>,
    ) -> Self {
        let guard = Arc::new(guard);
        // With a proxy its name is the only one that is resolved here, and the operator has chosen it.
        let resolved = match proxy {
            Some(_) => Arc::new(AddressGuard { allow_private: true, allow: Vec::new() }),
            None => guard.clone(),
        };
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(names, resolved));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        // Shared out among the addresses of a name, so that a dead first one leaves time for the second.
        tcp.set_connect_timeout(Some(CONNECT_LIMIT));
        Self { tcp, tls: TlsConnector::from(Arc::new(tls)), guard, proxy, dial }
    }

    async fn connect(mut self, uri: Uri) -> Result<Stream, SendError> {
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host).to_owned();
        if host.parse::<IpAddr>().is_ok_and(|address| !self.guard.allows(address)) {
            return Err(Failure::RefusedAddress.into());
        }
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let connected = match self.proxy.clone() {
            Some(proxy) if secure => timeout(CONNECT_LIMIT, self.tunnel(&proxy, uri)).await,
            Some(proxy) => timeout(CONNECT_LIMIT, self.tcp(proxy.uri().clone())).await,
            None => timeout(CONNECT_LIMIT, self.tcp(uri)).await,
        };
        let tcp = connected.map_err(|_| SendError::from(Failure::TimedOut(Phase::Connect)))??;
        if !secure {
            return Ok(Stream::new(MaybeHttpsStream::Http(tcp), self.proxy.is_some()));
        }
        let name = ServerName::try_from(host).map_err(|error| SendError::new(Failure::Tls, error))?;
        match timeout(TLS_LIMIT, self.tls.connect(name, TokioIo::new(tcp))).await {
            Err(_) => Err(Failure::TimedOut(Phase::Tls).into()),
            // rustls calls what it refuses invalid; everything else is a connection that broke before there was one.
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(SendError::new(Failure::Tls, error)),
            Ok(Err(error)) => Err(SendError::new(Failure::Connect, error)),
            Ok(Ok(stream)) => Ok(Stream::new(MaybeHttpsStream::Https(TokioIo::new(stream)), false)),
        }
    }

    async fn tcp(&mut self, uri: Uri) -> Result<TokioIo<Tcp>, SendError> {
        if let Some(dial) = &self.dial {
            return dialled(&**dial, &self.guard, &uri).await;
        }
        let tcp = self.tcp.call(uri).await.map_err(|error| SendError::while_connecting(error.into()))?;
        Ok(TokioIo::new(Tcp::System(tcp.into_inner())))
    }

    /// A way through the proxy to the host of `uri`.
    async fn tunnel(&mut self, proxy: &Proxy, uri: Uri) -> Result<TokioIo<Tcp>, SendError> {
        // Connected here, so that a proxy that is not there is told from one that refuses.
        let mut tcp = Some(self.tcp(proxy.uri().clone()).await?);
        let connected = tower::service_fn(move |_: Uri| {
            std::future::ready(tcp.take().ok_or_else(|| io::Error::other("a tunnel takes one connection")))
        });
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connected);
        if let Some(value) = proxy.authorization() {
            tunnel = tunnel.with_auth(value.clone());
        }
        tunnel.call(uri).await.map_err(|refused| SendError::new(Failure::Proxy, refused))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = SendError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// One address after the other, as the system does it.
async fn dialled(dial: &dyn Dial, guard: &AddressGuard, uri: &Uri) -> Result<TokioIo<Tcp>, SendError> {
    let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    let found = dial.resolve(uri.host().unwrap_or_default(), port);
    let found = found.map_err(|error| SendError::new(Failure::Dns, error))?;
    let mut failed = SendError::from(Failure::Dns);
    for address in permitted(found, guard)? {
        match dial.connect(address).await {
            Ok(wire) => return Ok(TokioIo::new(Tcp::Other(wire))),
            Err(error) => failed = SendError::while_connecting(error.into()),
        }
    }
    Err(failed)
}
