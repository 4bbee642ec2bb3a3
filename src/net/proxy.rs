//! The proxy through which everything goes out, if there is one: `http://user:password@host:port`. HTTPS goes through
//! tunnels (CONNECT, RFC 9110 §9.3.6), plain HTTP in absolute form (RFC 9112 §3.2.2). Without it nothing goes out: there is no
//! way round a proxy that does not answer.
//!
//! It is the proxy that resolves names, and so the proxy's rules that say which addresses they may lead to; addresses that
//! are written in a URL are still held against ours.

use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::dial::Tcp;
use crate::limit::jitter;

/// Where the proxy is and who we are to it. The password is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxy {
    uri: Uri,
    authorization: Option<HeaderValue>,
}

/// The text is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it has to be http://host:port or http://user:password@host:port, with special characters percent-encoded")]
pub struct InvalidProxy;

impl Proxy {
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The value of `Proxy-Authorization` (RFC 7617), marked as sensitive.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let uri = text.trim_end_matches('/').parse::<Uri>().map_err(|_| InvalidProxy)?;
        let bare = uri.path_and_query().is_none_or(|path| path == "/");
        let authority = uri.authority().filter(|_| bare && uri.scheme_str() == Some("http")).ok_or(InvalidProxy)?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let authorization = user.map(basic).transpose()?;
        let uri = Uri::builder().scheme("http").authority(place).path_and_query("/").build();
        let uri = uri.map_err(|_| InvalidProxy)?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(InvalidProxy);
        }
        Ok(Self { uri, authorization })
    }
}

fn basic(user: &str) -> Result<HeaderValue, InvalidProxy> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let (Ok(name), Ok(password)) = (decoded(name), decoded(password)) else { return Err(InvalidProxy) };
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
        .map_err(|_| InvalidProxy)?;
    value.set_sensitive(true);
    Ok(value)
}

impl TryFrom<String> for Proxy {
    type Error = InvalidProxy;

    fn try_from(text: String) -> Result<Self, InvalidProxy> {
        text.parse()
    }
}

impl From<Proxy> for String {
    fn from(proxy: Proxy) -> Self {
        let place = proxy.uri.authority().map_or("", |authority| authority.as_str());
        let user = if proxy.authorization.is_some() { "(secret)@" } else { "" };
        format!("http://{user}{place}")
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from(self.clone()))
    }
}

/// A host may move to other addresses, which only new connections see: one that is older than this is not used again. With
/// the minute that one idles at most, no request goes out on a connection that is older than five minutes.
const USED_FOR: Duration = Duration::from_secs(240);

/// A connection that knows its age, and whether a proxy reads the requests on it: those are written in absolute form.
pub(super) struct Stream {
    io: MaybeHttpsStream<TokioIo<Tcp>>,
    read_by_proxy: bool,
    retires: RetiresAt,
}

/// When a connection gets its last request. It comes along with every answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetiresAt(pub(super) Instant);

impl Stream {
    /// A connection that has just been opened.
    pub(super) fn new(io: MaybeHttpsStream<TokioIo<Tcp>>, read_by_proxy: bool) -> Self {
        // Those that were opened together are not opened anew together.
        let age = USED_FOR.mul_f64(1.0 - jitter() / 4.0);
        Self { io, read_by_proxy, retires: RetiresAt(Instant::now() + age) }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.read_by_proxy).extra(self.retires)
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_and_its_password_never_shown() {
        let proxy: Proxy = "http://me:p%40ss%3Aword@proxy.test:3128/".parse().expect("a good one");
        assert_eq!(proxy.uri().to_string(), "http://proxy.test:3128/");
        let expected = format!("Basic {}", STANDARD.encode("me:p@ss:word"));
        assert_eq!(proxy.authorization().and_then(|value| value.to_str().ok()), Some(expected.as_str()));
        assert!(proxy.authorization().is_some_and(HeaderValue::is_sensitive));
        for shown in [format!("{proxy:?}"), String::from(proxy)] {
            assert_eq!(shown, "http://(secret)@proxy.test:3128");
        }
        let plain: Proxy = "http://[::1]:8080".parse().expect("a good one");
        assert!(plain.authorization().is_none());
        assert_eq!(String::from(plain), "http://[::1]:8080");
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_repeating_it() {
        for text in [
            "",
            "proxy.test:3128",
            "https://u:s3cret@proxy.test:3128",
            "socks5://u:s3cret@proxy.test:1",
            "http://proxy.test/path",
            "http://proxy.test?x=1",
            "http://u:%ff@proxy.test",
            "http://u:p@",
        ] {
            let error = text.parse::<Proxy>().expect_err(text).to_string();
            assert!(!error.contains("s3cret") && error.contains("http://host:port"), "{error}");
        }
    }
}
