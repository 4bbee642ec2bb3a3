//! A small HTTP/1.1 client on a raw socket: one connection a request, every byte as the test wrote it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No scenario takes as long; one that does has found a hanging server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends requests to one server with the same headers each time.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    headers: Vec<(String, String)>,
}

/// One request, written down before it is sent.
pub struct Request<'c> {
    client: &'c Client,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Lower-case names, in the order in which they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body ended where its framing says. False for an answer that broke off.
    pub complete: bool,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new() }
    }

    /// The same client with another value for a header; an empty value takes the header out.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            headers.push((name.to_owned(), value.to_owned()));
        }
        Self { address: self.address, headers }
    }

    pub fn key(&self, key: &str) -> Self {
        self.with("Authorization", &format!("Bearer {key}"))
    }

    pub fn connection(&self, id: &str) -> Self {
        self.with("Throughline-Connection", id)
    }

    pub fn request(&self, method: &str, target: &str) -> Request<'_> {
        Request {
            client: self,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: self.headers.clone(),
            body: None,
            chunked: false,
        }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.request("GET", target).send().await
    }

    pub async fn post(&self, target: &str, body: Value) -> Answer {
        self.request("POST", target).json(&body).send().await
    }

    pub async fn patch(&self, target: &str, body: Value) -> Answer {
        self.request("PATCH", target).json(&body).send().await
    }

    pub async fn delete(&self, target: &str) -> Answer {
        self.request("DELETE", target).send().await
    }

    /// Sends bytes and reads one answer.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("the server listens");
        // The server may answer and close before all is written; its answer is what counts.
        let _ = stream.write_all(bytes).await;
        Answer::read(&mut stream, bytes.starts_with(b"HEAD ")).await
    }
}

impl Request<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        if !kind.is_empty() {
            self.headers.push(("Content-Type".to_owned(), kind.to_owned()));
        }
        self.body = Some(body.into());
        self
    }

    /// Sends the body in chunks, without announcing its length.
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.client.address);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = head.into_bytes();
        match &self.body {
            None => bytes.extend_from_slice(b"Connection: close\r\n\r\n"),
            Some(body) if self.chunked => {
                bytes.extend_from_slice(b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
                for part in body.chunks(64 * 1024) {
                    bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                    bytes.extend_from_slice(part);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            Some(body) => {
                bytes.extend_from_slice(
                    format!("Connection: close\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
                );
                bytes.extend_from_slice(body);
            }
        }
        bytes
    }

    pub async fn send(self) -> Answer {
        self.client.raw(&self.bytes()).await
    }
}

impl Answer {
    /// The headers but for those that tell of the moment: times, and what is left of a key's limit.
    pub fn lasting_headers(&self) -> Vec<(String, String)> {
        let lasts = |name: &str| !["date", "server-timing", "ratelimit"].contains(&name);
        self.headers.iter().filter(|(name, _)| lasts(name)).cloned().collect()
    }

    /// Reads one answer to its end.
    pub async fn read(stream: &mut TcpStream, head_only: bool) -> Self {
        let read = tokio::time::timeout(PATIENCE, Self::read_all(stream, head_only)).await;
        read.expect("the server answers in time")
    }

    async fn read_all(stream: &mut TcpStream, head_only: bool) -> Self {
        let mut bytes = Vec::new();
        let mut part = vec![0; 64 * 1024];
        let (mut answer, mut rest) = loop {
            let count = stream.read(&mut part).await.unwrap_or(0);
            assert!(count > 0, "the connection closed without an answer: {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&part[..count]);
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                break (Self::of_head(&head), bytes.split_off(end + 4));
            }
        };
        if head_only || matches!(answer.status, 204 | 304) {
            answer.complete = true;
            return answer;
        }
        loop {
            if answer.take(&rest) {
                return answer;
            }
            match stream.read(&mut part).await {
                Ok(0) => {
                    answer.complete = answer.is_until_close();
                    return answer;
                }
                Ok(count) => rest.extend_from_slice(&part[..count]),
                Err(_) => return answer,
            }
        }
    }

    pub fn of_head(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Self {
            status: status.expect("a status line"),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect(),
            body: Vec::new(),
            complete: false,
        }
    }

    fn is_until_close(&self) -> bool {
        self.header("content-length").is_none() && self.header("transfer-encoding").is_none()
    }

    /// Takes the body out of what has come; true once it is whole.
    fn take(&mut self, bytes: &[u8]) -> bool {
        if let Some(length) = self.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
            self.body = bytes[..length.min(bytes.len())].to_vec();
            self.complete = bytes.len() >= length;
            return self.complete;
        }
        if self.header("transfer-encoding").is_some() {
            let (body, complete) = unchunked(bytes);
            self.body = body;
            self.complete = complete;
            return complete;
        }
        self.body = bytes.to_vec();
        false
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}: {}", self.status, self.text()))
    }

    /// The answer is a whole problem document of this status and code, and its parts agree with each other.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("/docs/problems/{code}"), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        assert!(problem["title"].is_string() && problem["retryable"].is_boolean(), "{problem}");
        let id = problem["request_id"].as_str().expect("a request id");
        assert_eq!(Some(id), self.header("x-request-id"), "the two request ids agree");
        assert!(self.header("server-timing").is_some(), "every answer tells its timings");
        problem
    }
}

/// The content of a chunked body as far as it has come, and whether its end has come.
pub fn unchunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return (body, false) };
        let size = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let Ok(size) = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16) else {
            return (body, false);
        };
        let from = end + 2;
        if size == 0 {
            return (body, bytes[from..].windows(2).any(|two| two == b"\r\n"));
        }
        if bytes.len() < from + size + 2 {
            body.extend_from_slice(&bytes[from..bytes.len().min(from + size)]);
            return (body, false);
        }
        body.extend_from_slice(&bytes[from..from + size]);
        bytes = &bytes[from + size + 2..];
    }
}

/// A text as a query value.
pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
