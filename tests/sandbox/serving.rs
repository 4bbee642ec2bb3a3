//! A sandbox on a socket.

use std::sync::Arc;

use throughline::sandbox::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::searching;

#[tokio::test]
async fn links_lead_back_to_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, Arc::new(searching()), async {
        let _ = stopped.await;
    }));

    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = "GET /crm/objects/2026-03/contacts?limit=1 HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("http://a.test/"), "{answer}");
    let _ = stop.send(());
    assert!(server.await.is_ok_and(|outcome| outcome.is_ok()));
}
