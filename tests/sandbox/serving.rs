//! Sandboxes on a socket, below their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use throughline::sandbox::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{querying, searching};

#[tokio::test]
async fn each_sandbox_has_its_own_path() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let sandboxes =
        BTreeMap::from([("one".to_owned(), Arc::new(searching())), ("two".to_owned(), Arc::new(querying()))]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, sandboxes, async {
        let _ = stopped.await;
    }));
    for (path, status) in [
        ("/one/crm/objects/2026-03/contacts?limit=1", "200"),
        ("/two/services/data/v64.0/limits", "200"),
        ("/two", "404"),
        ("/three/x", "404"),
        ("/", "404"),
    ] {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        if path.starts_with("/one/") {
            assert!(answer.contains("http://a.test/"), "links lead back here: {answer}");
        }
    }
    let _ = stop.send(());
    assert!(server.await.is_ok_and(|outcome| outcome.is_ok()));
}
