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
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::dial::{Dial, Tcp};
use super::guard::AddressGuard;
use super::proxy::{Proxy, Stream};
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
    proxy: Option<Proxy>,
    /// In place of the system.
    dial: Option<Arc<dyn Dial>>,
}

/// The system's resolver without the addresses that may not be reached.
#[derive(Clone)]
struct GuardedResolver {
    resolver: GaiResolver,
    guard: Arc<AddressGuard>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, SendError>> + Send>>;

impl Connector {
    pub(super) fn new(
        guard: AddressGuard,
        tls: rustls::ClientConfig,
        proxy: Option<Proxy>,
        dial: Option<Arc<dyn Dial>>,
    ) -> Self {
        let guard = Arc::new(guard);
        // With a proxy its name is the only one that is resolved here, and the operator has chosen it.
        let resolved = match proxy {
            Some(_) => Arc::new(AddressGuard { allow_private: true, allow: Vec::new() }),
            None => guard.clone(),
        };
        let resolver = GuardedResolver { resolver: GaiResolver::new(), guard: resolved };
        let mut tcp = HttpConnector::new_with_resolver(resolver);
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
            let io = MaybeHttpsStream::Http(tcp);
            return Ok(if self.proxy.is_some() { Stream::read_by_proxy(io) } else { Stream::straight(io) });
        }
        let name = ServerName::try_from(host).map_err(|error| SendError::new(Failure::Tls, error))?;
        match timeout(TLS_LIMIT, self.tls.connect(name, TokioIo::new(tcp))).await {
            Err(_) => Err(Failure::TimedOut(Phase::Tls).into()),
            // rustls calls what it refuses invalid; everything else is a connection that broke before there was one.
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(SendError::new(Failure::Tls, error)),
            Ok(Err(error)) => Err(SendError::new(Failure::Connect, error)),
            Ok(Ok(stream)) => Ok(Stream::straight(MaybeHttpsStream::Https(TokioIo::new(stream)))),
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
            Ok(permitted(found.collect(), &guard)?.into_iter())
        })
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

/// The addresses of a name that may be reached. A name with public and inner ones leads to the public ones only.
fn permitted(found: Vec<SocketAddr>, guard: &AddressGuard) -> Result<Vec<SocketAddr>, Failure> {
    let any = !found.is_empty();
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| guard.allows(address.ip())).collect();
    match (any, allowed.is_empty()) {
        (true, true) => Err(Failure::RefusedAddress),
        (false, _) => Err(Failure::Dns),
        (true, false) => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    #[test]
    fn of_a_names_addresses_only_the_public_ones_are_reached() {
        let guard = AddressGuard::default();
        let mixed = ["10.0.0.1:443", "8.8.8.8:443", "[::1]:443", "[2606:4700::1111]:443", "[::ffff:127.0.0.1]:443"];
        assert_eq!(permitted(addresses(&mixed), &guard), Ok(addresses(&["8.8.8.8:443", "[2606:4700::1111]:443"])));
        let inner = ["169.254.169.254:80", "[fd00:ec2::254]:80", "[64:ff9b::a00:1]:80"];
        assert_eq!(permitted(addresses(&inner), &guard), Err(Failure::RefusedAddress));
        assert_eq!(permitted(Vec::new(), &guard), Err(Failure::Dns));
    }
}
