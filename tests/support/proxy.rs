//! A forward proxy: tunnels for CONNECT, and requests in absolute form. It leads every name to the places it was told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

pub struct ForwardProxy {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    places: Arc<Mutex<HashMap<String, SocketAddr>>>,
    refusal: Arc<Mutex<Option<&'static str>>>,
}

impl ForwardProxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Self {
            address: listener.local_addr().expect("an address"),
            heads: Arc::default(),
            places: Arc::default(),
            refusal: Arc::default(),
        };
        let (heads, places, refusal) = (proxy.heads.clone(), proxy.places.clone(), proxy.refusal.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, heads.clone(), places.clone(), refusal.clone()));
            }
        });
        proxy
    }

    /// One that is not there.
    pub fn gone() -> Self {
        Self { address: super::free_port(), heads: Arc::default(), places: Arc::default(), refusal: Arc::default() }
    }

    /// `host:port` is this address from now on; other names are taken as addresses.
    pub fn leads(&self, host: &str, to: SocketAddr) {
        self.places.lock().insert(host.to_owned(), to);
    }

    /// Everything is answered with this status line.
    pub fn refuses(&self, status: Option<&'static str>) {
        *self.refusal.lock() = status;
    }

    /// The heads of what came, in their order.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

async fn forward(
    mut stream: TcpStream,
    heads: Arc<Mutex<Vec<String>>>,
    places: Arc<Mutex<HashMap<String, SocketAddr>>>,
    refusal: Arc<Mutex<Option<&'static str>>>,
) {
    let mut bytes = Vec::new();
    let mut part = vec![0; 16 * 1024];
    let end = loop {
        let Ok(count @ 1..) = stream.read(&mut part).await else { return };
        bytes.extend_from_slice(&part[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    heads.lock().push(head.clone());
    let refused = *refusal.lock();
    if let Some(status) = refused {
        let _ = stream
            .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        return;
    }
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let connect = head.starts_with("CONNECT ");
    let authority = target.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let place = places.lock().get(&authority).copied().or_else(|| authority.parse().ok());
    let Some(place) = place else { return };
    let Ok(mut vendor) = TcpStream::connect(place).await else { return };
    if connect {
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    } else {
        // As proxies do: the path alone, and nothing that was meant for the proxy.
        let path = target.trim_start_matches("http://").trim_start_matches(&authority).to_owned();
        let lines: Vec<String> = head
            .split("\r\n")
            .filter(|line| !line.to_ascii_lowercase().starts_with("proxy-"))
            .map(|line| line.replace(&target, &path))
            .collect();
        let _ = vendor.write_all(lines.join("\r\n").as_bytes()).await;
        let _ = vendor.write_all(&bytes[end..]).await;
    }
    let _ = copy_bidirectional(&mut stream, &mut vendor).await;
}
