//! A vendor as a script for each connection: plain, over TLS with any certificate, or HTTP/2 frame by frame. It counts what
//! arrives and what it has executed, which is what the scenarios are about.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::support::Recorded;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What a vendor has seen.
#[derive(Debug)]
pub struct Seen {
    /// Connections that were opened.
    pub connections: AtomicUsize,
    /// Requests whose head has arrived.
    requests: watch::Sender<usize>,
    /// Writes that it acted upon.
    executed: AtomicUsize,
}

pub struct Vendor {
    pub address: SocketAddr,
    secure: bool,
    /// So many further handshakes are cut off.
    cut: Arc<AtomicUsize>,
    pub seen: Arc<Seen>,
}

/// One connection.
pub struct Line {
    stream: Box<dyn Stream>,
    pub seen: Arc<Seen>,
    read: Vec<u8>,
}

pub type Http2 = h2::server::Connection<Box<dyn Stream>, Bytes>;

impl Vendor {
    /// The script gets each connection with its number, from 1.
    pub async fn start<F>(script: impl Fn(usize, Line) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen(None, script).await
    }

    /// The same over TLS. A connection whose handshake fails never gets to the script.
    pub async fn secure<F>(certificate: &str, script: impl Fn(usize, Line) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen(Some(acceptor(certificate, b"http/1.1")), script).await
    }

    /// The same in HTTP/2.
    pub async fn http2<F>(script: impl Fn(usize, Http2, Arc<Seen>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let script = Arc::new(script);
        Self::listen(Some(acceptor("good", b"h2")), move |number, line| {
            let script = script.clone();
            async move {
                let Ok(connection) = h2::server::handshake(line.stream).await else { return };
                script(number, connection, line.seen).await;
            }
        })
        .await
    }

    async fn listen<F>(tls: Option<TlsAcceptor>, script: impl Fn(usize, Line) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (connections, executed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let seen = Arc::new(Seen { connections, requests: watch::Sender::new(0), executed });
        let cut = Arc::new(AtomicUsize::new(0));
        let vendor = Self { address, secure: tls.is_some(), cut: cut.clone(), seen: seen.clone() };
        let script = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let number = seen.connections.fetch_add(1, Ordering::SeqCst) + 1;
                if tls.is_some() && cut.load(Ordering::SeqCst) > 0 {
                    cut.fetch_sub(1, Ordering::SeqCst);
                    continue;
                }
                let (script, seen, tls) = (script.clone(), seen.clone(), tls.clone());
                tokio::spawn(async move {
                    let stream: Box<dyn Stream> = match tls {
                        None => Box::new(tcp),
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    script(number, Line { stream, seen, read: Vec::new() }).await;
                });
            }
        });
        vendor
    }

    /// `localhost` is what certificates are for.
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// The next handshake is cut off.
    pub fn cut_next(&self) {
        self.cut.fetch_add(1, Ordering::SeqCst);
    }

    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

impl Seen {
    pub fn requests(&self) -> usize {
        *self.requests.borrow()
    }

    pub fn executed(&self) -> usize {
        self.executed.load(Ordering::SeqCst)
    }

    /// A request has arrived.
    pub fn arrive(&self) {
        self.requests.send_modify(|count| *count += 1);
    }

    /// The vendor has done what the request wants.
    pub fn execute(&self) {
        self.executed.fetch_add(1, Ordering::SeqCst);
    }

    pub async fn wait_for(&self, requests: usize) {
        let mut arrived = self.requests.subscribe();
        arrived.wait_for(|count| *count >= requests).await.expect("the vendor is there");
    }
}

impl Line {
    /// The next request, whole; none once the proxy has closed.
    pub async fn request(&mut self) -> Option<Recorded> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        self.read.drain(..end + 4);
        self.seen.arrive();
        let request = Recorded { head, body: Vec::new() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.read.len() < length {
            self.more().await?;
        }
        Some(Recorded { body: self.read.drain(..length).collect(), ..request })
    }

    async fn more(&mut self) -> Option<()> {
        let mut part = vec![0; 16 * 1024];
        let count = self.stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        self.read.extend_from_slice(&part[..count]);
        Some(())
    }

    /// Writes as it is. The proxy may have given up, which is its right.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// A whole answer, after which the connection stays open.
    pub async fn answer(&mut self, status: u16, headers: &str, body: &str) {
        let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n{headers}{length}\r\n");
        self.say(head + body).await;
    }

    /// Keeps the connection and says nothing any more.
    pub async fn silence(self) {
        std::future::pending::<()>().await;
    }
}

pub fn certificates(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/certificates").join(format!("{name}.pem"))
}

fn acceptor(certificate: &str, protocol: &[u8]) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(certificates(certificate)).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(certificates("key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A listener that takes no connection any further than TCP.
pub async fn mute() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A port that nobody listens on.
pub async fn closed_port() -> u16 {
    let (listener, address) = mute().await;
    drop(listener);
    address.port()
}

/// Waits for a connection and keeps it.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.expect("a connection").0
}
