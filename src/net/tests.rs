//! The client over TLS and HTTP/2, against a server whose authority is trusted through `ca_file` only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/testdata").join(name)
}

fn client(ca_file: Option<PathBuf>) -> Result<Client, ClientError> {
    Client::new(&Config { dangerous_allow_private_addresses: true, ca_file, ..Config::default() })
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(testdata("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(testdata("server-key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// What the server does with a stream: answers it, or ends it with this reason.
async fn serve(refusal: Option<Reason>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Ok(stream) = acceptor().accept(tcp).await {
                tokio::spawn(converse(stream, refusal));
            }
        }
    });
    port
}

async fn converse(stream: TlsStream<TcpStream>, refusal: Option<Reason>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((_, mut answer))) = connection.accept().await {
        match refusal {
            Some(reason) => answer.send_reset(reason),
            None => {
                if let Ok(mut body) = answer.send_response(Response::new(()), false) {
                    let _ = body.send_data(Bytes::from_static(b"ok"), true);
                }
            }
        }
    }
}

fn post(host: &str, port: u16) -> Request<Body> {
    Request::post(format!("https://{host}:{port}/")).body(Body::full("{}")).expect("a request")
}

async fn failure(client: Client, request: Request<Body>) -> Failure {
    client.send(request).await.expect_err("no answer").failure()
}

#[tokio::test]
async fn an_own_authority_is_trusted_and_http2_agreed_on() {
    let port = serve(None).await;
    let client = client(Some(testdata("ca.pem"))).expect("a client");
    for _ in 0..2 {
        let response = client.send(post("localhost", port)).await.expect("an answer");
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "ok");
    }
}

#[tokio::test]
async fn unknown_authorities_and_other_names_are_refused() {
    let port = serve(None).await;
    assert_eq!(failure(client(None).expect("a client"), post("localhost", port)).await, Failure::Tls);
    let trusting = client(Some(testdata("ca.pem"))).expect("a client");
    assert_eq!(failure(trusting, post("127.0.0.1", port)).await, Failure::Tls);
}

#[tokio::test]
async fn a_refused_stream_was_not_sent_and_a_cancelled_one_may_have_been() {
    let client = client(Some(testdata("ca.pem"))).expect("a client");
    let port = serve(Some(Reason::REFUSED_STREAM)).await;
    assert_eq!(failure(client.clone(), post("localhost", port)).await, Failure::NotSent);
    let port = serve(Some(Reason::CANCEL)).await;
    assert_eq!(failure(client, post("localhost", port)).await, Failure::Broken);
}

#[test]
fn a_broken_authority_file_is_named() {
    for name in ["server-key.pem", "missing.pem"] {
        let error = client(Some(testdata(name))).err().expect("no client").to_string();
        assert!(error.contains(name), "{error}");
    }
}
