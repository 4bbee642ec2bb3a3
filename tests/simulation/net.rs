//! The network of the simulation, where the server expects the system's.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use throughline::net::listen::Listen;
use throughline::net::{Dial, Wire};
use turmoil::net::{TcpListener, TcpStream};

pub struct Dialler;

impl Dial for Dialler {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::new(turmoil::lookup(host), port)])
    }

    fn connect(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Wire>>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(to).await?) as Box<dyn Wire>) })
    }
}

pub struct Listener(TcpListener);

impl Listener {
    pub async fn bind(port: u16) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(("0.0.0.0", port)).await?))
    }
}

impl Listen for Listener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

/// Since the simulation began; what happens between two steps of it happens at its beginning.
pub fn elapsed() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// The wall clock of everybody, the store included.
pub fn wall() -> Timestamp {
    const BEGIN: i64 = 1_900_000_000;
    let at = Timestamp::from_second(BEGIN).expect("in range") + elapsed();
    Timestamp::from_microsecond(at.as_microsecond()).expect("in range")
}
