//! The one HTTP client. It sends a request as it is, follows no redirect, and tells failures apart by whether the other
//! side may have seen anything. When to send again is not decided here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};

use super::Config;
use super::body::Body;
use super::connector::Connector;
use super::dial::Dial;
use super::guard::AddressGuard;
use super::proxy::{Proxy, RetiresAt};
use super::resolve::{Resolve, System};
use super::send_error::{Failure, Phase, SendError};

/// How long the head of an answer may take where nobody says otherwise.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
const POOL_IDLE: Duration = Duration::from_secs(60);
const POOL_IDLE_PER_HOST: usize = 32;
/// An HTTP/2 connection is shared by many requests: one that has silently gone has to be noticed soon.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_LIMIT: Duration = Duration::from_secs(10);
const MAX_HEADERS: usize = 128;
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// Cheap to clone: all clones share one pool of connections.
#[derive(Clone)]
pub struct Client {
    pool: legacy::Client<Connector, Body>,
    /// What a proxy wants to see on each plain request; tunnels say it once.
    proxy_authorization: Option<HeaderValue>,
}

/// Why there is no client with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    CaFile(PathBuf, #[source] io::Error),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl Client {
    pub fn new(config: &Config) -> Result<Self, ClientError> {
        Self::dialling(config, None)
    }

    /// The same with connections that `dial` opens, if there is one.
    pub fn dialling(config: &Config, dial: Option<Arc<dyn Dial>>) -> Result<Self, ClientError> {
        Self::resolving(config, dial, Arc::new(System))
    }

    /// The same with names whose addresses somebody else knows than the system.
    pub(super) fn resolving(
        config: &Config,
        dial: Option<Arc<dyn Dial>>,
        names: Arc<dyn Resolve>,
    ) -> Result<Self, ClientError> {
        let tls = tls(config.ca_file.as_deref())?;
        let connector = Connector::new(AddressGuard::new(config), tls, config.proxy.clone(), dial, names);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            // Without a timer hyper-util keeps idle connections for ever.
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
            // Only what is handed back unread, from a connection of the pool that turned out dead, is sent once more.
            .retry_canceled_requests(true)
            .timer(TokioTimer::new())
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(MAX_HEAD_BYTES)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_LIMIT);
        let proxy_authorization = config.proxy.as_ref().and_then(Proxy::authorization).cloned();
        Ok(Self { pool: builder.build(connector), proxy_authorization })
    }

    /// Sends `request` and waits half a minute for the head of the answer; see [`Client::send_by`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, SendError> {
        self.send_by(request, Instant::now() + HEAD_LIMIT).await
    }

    /// Sends `request` and waits for the head of the answer until `head_by`. The body is read by whoever wants it, and
    /// with whatever patience.
    pub async fn send_by(&self, mut request: Request<Body>, head_by: Instant) -> Result<Response<Incoming>, SendError> {
        if let Some(value) = &self.proxy_authorization
            && request.uri().scheme() == Some(&Scheme::HTTP)
        {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, value.clone());
        }
        // Filled in at the moment the request is given to a connection: before that no byte of it can have left.
        let connection = capture_connection(&mut request);
        match timeout_at(head_by, self.pool.request(request)).await {
            Ok(Ok(response)) => {
                let retires = response.extensions().get::<RetiresAt>();
                if retires.is_some_and(|RetiresAt(at)| *at <= Instant::now())
                    && let Some(connected) = connection.connection_metadata().as_ref()
                {
                    // The answer is read to its end; then the connection is closed.
                    connected.poison();
                }
                Ok(response)
            }
            Ok(Err(error)) => Err(SendError::while_sending(error)),
            Err(_) => {
                let started = connection.connection_metadata().is_some();
                Err(Failure::TimedOut(if started { Phase::Head } else { Phase::Connect }).into())
            }
        }
    }
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let broken = |cause: String| ClientError::CaFile(path.to_owned(), io::Error::other(cause));
        let text = std::fs::read(path).map_err(|error| ClientError::CaFile(path.to_owned(), error))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| broken(error.to_string()))?;
            roots.add(certificate).map_err(|error| broken(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(broken("the file holds no certificate".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
