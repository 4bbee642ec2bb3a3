//! The edge: strangers, slow ones, too many of them. Raw sockets against the real server.

#[path = "../support/mod.rs"]
mod support;

mod capacity;
mod framing;
mod http2;
mod limits;
mod proxies;
mod slow;
mod stopping;
mod tls;

use std::time::Duration;

use support::{FakeVendor, Server, provider, start_configured};
use throughline::config::Config;
use throughline::store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No scenario takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// For scenarios that need the machine to themselves.
static HEAVY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A server with one vendor, configured as the test needs it.
async fn scene(configure: impl FnOnce(&mut Config)) -> (Server, FakeVendor) {
    let vendor = FakeVendor::start().await;
    let store = Store::memory().expect("a store");
    let server = start_configured(provider("fake", None), &[("fake", &vendor)], store, configure).await;
    (server, vendor)
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.api).await.expect("the server listens")
}

/// The lines that a request of the one connection has besides its own.
fn credentials(server: &Server) -> String {
    format!("Authorization: Bearer {}\r\nThroughline-Connection: {}\r\n", server.key, server.connection("fake"))
}

/// Sends bytes and reads until the server closes.
async fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server).await;
    // The server may close before all is written.
    let _ = stream.write_all(bytes).await;
    read_to_end(&mut stream).await
}

/// All that comes until the connection ends, in whatever way it does.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 * 1024];
    let reading = async {
        while let Ok(read @ 1..) = stream.read(&mut part).await {
            bytes.extend_from_slice(&part[..read]);
        }
    };
    timeout(PATIENCE, reading).await.expect("the server closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the admin listener counts under this name and reason.
async fn shed(server: &Server, reason: &str) -> u64 {
    let metrics = support::Client::new(server.admin).get("/metrics").await.text();
    let line = format!("throughline_shed_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|metric| metric.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

async fn alive(server: &Server) {
    let answer = server.client().get("/v1/providers").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
