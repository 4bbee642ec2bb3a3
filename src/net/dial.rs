//! How TCP connections are opened: by the system, or by whatever stands in for it where a whole network is played.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Stands in for the system. The address filter and the time limits stay the connector's.
pub trait Dial: Send + Sync + 'static {
    /// The addresses of a name, or of an address that is written as text.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    fn connect(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Wire>>>;
}

/// Bytes in order, both ways.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// An open connection. The system's costs a comparison more than a bare one.
pub(super) enum Tcp {
    System(TcpStream),
    Other(Box<dyn Wire>),
}

impl Tcp {
    fn wire(self: Pin<&mut Self>) -> Pin<&mut dyn Wire> {
        match self.get_mut() {
            Self::System(stream) => Pin::new(stream),
            Self::Other(wire) => Pin::new(wire),
        }
    }
}

impl Connection for Tcp {
    fn connected(&self) -> Connected {
        match self {
            Self::System(stream) => stream.connected(),
            Self::Other(_) => Connected::new(),
        }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.wire().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wire().poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::System(stream) => stream.is_write_vectored(),
            Self::Other(wire) => wire.is_write_vectored(),
        }
    }
}
