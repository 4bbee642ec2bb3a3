//! TLS for callers, with certificates that are made here.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::{Server, scratch};
use super::{PATIENCE, connect, http2::request, scene};

fn make_certificate(folder: &Path) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=throughline test", "-addext", "subjectAltName=DNS:crm.test"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    command.arg("-keyout").arg(folder.join("key.pem")).arg("-out").arg(folder.join("cert.pem"));
    let made = command.stderr(Stdio::null()).status().expect("openssl is there");
    assert!(made.success());
}

/// Who trusts the certificate that lies in the folder now.
async fn tls(server: &Server, folder: &Path, protocols: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("cert.pem")).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("crm.test").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, connect(server).await).await
}

#[tokio::test]
async fn both_protocols_are_agreed_upon_and_a_new_certificate_is_taken_over() {
    let folder = scratch("tls");
    make_certificate(&folder);
    let (server, _vendor) = scene(|config| {
        config.tls.cert_file = Some(folder.join("cert.pem"));
        config.tls.key_file = Some(folder.join("key.pem"));
    })
    .await;
    let stream = tls(&server, &folder, &[b"h2", b"http/1.1"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let answer = sender.send_request(request(&server, "/v1/passthrough/a")).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("whole").to_bytes(), "{}");

    for protocols in [&[&b"http/1.1"[..]][..], &[]] {
        let stream = tls(&server, &folder, protocols).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), protocols.first().copied());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        let plain = http::Request::get("/openapi.json").header("host", "crm.test").body(Empty::<Bytes>::new());
        let answer = sender.send_request(plain.expect("a request")).await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }

    // Plain HTTP gets no answer in plain HTTP.
    let plain = super::exchange(&server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!plain.contains("HTTP/1.1"), "{plain}");

    let old = std::fs::read(folder.join("cert.pem")).expect("a file");
    make_certificate(&folder);
    assert!(tls(&server, &folder, &[]).await.is_err(), "the old one is in use");
    let settings = throughline::net::listen::TlsConfig {
        cert_file: Some(folder.join("cert.pem")),
        key_file: Some(folder.join("key.pem")),
    };
    let other = throughline::net::listen::Tls::open(&settings).expect("a good pair").expect("files");
    assert!(!other.reload().expect("nothing has changed"));
    std::fs::write(folder.join("cert.pem"), &old).expect("written");
    assert!(other.reload().is_err(), "a certificate of another key");
    std::fs::write(folder.join("cert.pem"), "nonsense").expect("written");
    assert!(other.reload().is_err());
    make_certificate(&folder);
    assert!(other.reload().expect("a good pair again"));
    // The server looks by itself.
    let until = tokio::time::Instant::now() + PATIENCE;
    while tls(&server, &folder, &[]).await.is_err() {
        assert!(tokio::time::Instant::now() < until, "the new one was not taken over");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let folder = scratch("tls-slow");
    make_certificate(&folder);
    let (server, _vendor) = scene(|config| {
        config.tls.cert_file = Some(folder.join("cert.pem"));
        config.tls.key_file = Some(folder.join("key.pem"));
    })
    .await;
    let mut silent = connect(&server).await;
    let mut bytes = [0; 1];
    let end = timeout(PATIENCE, silent.read(&mut bytes)).await.expect("it is closed");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}
