//! A vendor on a raw socket that does what a test tells it: answer, break off, stall, lie about lengths, send garbage.
//! Everything that arrives is kept byte for byte.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::client::unchunked;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub head: String,
    /// Without the framing of chunks.
    pub body: Vec<u8>,
}

impl Recorded {
    pub fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).into_iter().next()
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

/// A connection whose request's head has been read.
pub struct Exchange {
    pub stream: TcpStream,
    pub head: String,
    /// What of the body came along with the head, as it was framed.
    pub body: Vec<u8>,
}

impl Exchange {
    /// Reads the body to its end and writes the request down.
    pub async fn finish_reading(&mut self) -> Recorded {
        let request = Recorded { head: self.head.clone(), body: Vec::new() };
        let length = request.header("content-length").and_then(|length| length.parse::<usize>().ok());
        let chunked = request.header("transfer-encoding").is_some();
        loop {
            let (body, complete) = match length {
                Some(length) => (self.body.clone(), self.body.len() >= length),
                None if chunked => unchunked(&self.body),
                None => (Vec::new(), true),
            };
            let mut part = vec![0; 64 * 1024];
            if complete {
                return Recorded { body, ..request };
            }
            match self.stream.read(&mut part).await {
                Ok(read @ 1..) => self.body.extend_from_slice(&part[..read]),
                _ => return Recorded { body, ..request },
            }
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The proxy may have given up, which is its right.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Cuts the connection with a reset instead of an end.
    pub fn reset(self) {
        #[allow(deprecated, reason = "the lint is about blocking drops of unsent data, and no data is left")]
        let _ = self.stream.set_linger(Some(std::time::Duration::ZERO));
    }
}

type Script = Arc<dyn Fn(Exchange) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub struct FakeVendor {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
    script: Arc<Mutex<Script>>,
    arrived: watch::Receiver<usize>,
}

impl FakeVendor {
    /// Answers everything with an empty object until told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (tell, arrived) = watch::channel(0);
        let empty: Script = Arc::new(|_| Box::pin(async {}));
        let script = Arc::new(Mutex::new(empty));
        let current = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let current = current.clone();
                let tell = tell.clone();
                tokio::spawn(async move {
                    if let Some(exchange) = read_head(stream).await {
                        let script = current.lock().clone();
                        tell.send_modify(|count| *count += 1);
                        script(exchange).await;
                    }
                });
            }
        });
        let vendor = Self { address, requests, script, arrived };
        vendor.answers(json_answer(200, "{}"));
        vendor
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every further connection is dealt with by `script`; what it reads itself is not recorded.
    pub fn does<F>(&self, script: impl Fn(Exchange) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        *self.script.lock() = Arc::new(move |exchange| Box::pin(script(exchange)));
    }

    /// Every further request is read, recorded and answered with these bytes, after which the connection ends.
    pub fn answers(&self, bytes: impl Into<Vec<u8>>) {
        let bytes: Arc<[u8]> = bytes.into().into();
        self.answers_with(move |_| bytes.to_vec());
    }

    /// The same, with bytes made from the request.
    pub fn answers_with(&self, make: impl Fn(&Recorded) -> Vec<u8> + Send + Sync + 'static) {
        let requests = self.requests.clone();
        let make = Arc::new(make);
        self.does(move |mut exchange| {
            let (requests, make) = (requests.clone(), make.clone());
            async move {
                let request = exchange.finish_reading().await;
                let bytes = make(&request);
                requests.lock().push(request);
                exchange.write(&bytes).await;
                let _ = exchange.stream.shutdown().await;
            }
        });
    }

    /// Heads that have arrived.
    pub fn count(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Resolves once so many requests have arrived.
    pub async fn wait_for(&self, count: usize) {
        let mut arrived = self.arrived.clone();
        arrived.wait_for(|arrived| *arrived >= count).await.expect("the vendor is there");
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().clone()
    }

    pub fn last(&self) -> Recorded {
        self.requests().pop().expect("a request has reached the vendor")
    }
}

async fn read_head(mut stream: TcpStream) -> Option<Exchange> {
    let mut bytes = Vec::new();
    let mut part = vec![0; 16 * 1024];
    loop {
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&part[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            return Some(Exchange { stream, head, body });
        }
    }
}

/// A whole answer of JSON.
pub fn json_answer(status: u16, body: impl AsRef<[u8]>) -> Vec<u8> {
    plain_answer(status, "Content-Type: application/json\r\n", body)
}

/// A whole answer with these header lines.
pub fn plain_answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 {status} Whatever\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Resources of that provider's account: custom objects, as its own schemas name them.
pub const CUSTOM_OBJECTS: &str = r#"select: false
fields: { id: { read: id }, name: title, custom_fields: { in: $ } }
types:
  fetch: { request: GET /schemas, records: schemas }
  name: name
  label: label
  keep: { path: url }
operations:
  list: { request: "GET /things/{path}", records: items }
  get: { request: "GET /things/{path}/{id}" }
  create: { request: "POST /things/{path}", id: id }
"#;

/// The files of a small provider whose contacts are `{"id", "name", "mail"}`. `contacts` is laid over the lines of its
/// fields and operations: a test replaces what it is about.
pub fn provider(name: &str, contacts: Option<&str>) -> Vec<(String, String)> {
    let provider = r#"title: Fake
params: { version: v1 }
base_url: https://api.fake.test/base
hosts: { api: ["https://api.fake.test"] }
auth:
  oauth2: { send: { Authorization: '"Bearer " & access_token' } }
  token: { send: { X-Fake-Key: '"Key " & token' } }
  basic: { send: { Authorization: '"Basic " & $base64encode(username & ":" & password)' } }
  headers: {}
passthrough:
  deny: [/oauth/]
"#;
    let plain = r#"id: { pattern: '[A-Za-z0-9]+' }
limit: { default: 10, max: 100 }
fields:
  id: { read: id }
  last_name: name
  emails:
    places:
      - { type: work, primary: true, email: mail }
  custom_fields: { in: extra }
operations:
  list:
    request: GET /contacts
    query: { limit: limit, after: cursor }
    records: items
    next: next
  get:
    request: GET /contacts/{id}
  create:
    request: POST /contacts
    id: id
  update:
    request: PATCH /contacts/{id}
  delete:
    request: DELETE /contacts/{id}
"#;
    vec![
        (format!("{name}/provider.yaml"), provider.to_owned()),
        (format!("{name}/contacts.yaml"), contacts.unwrap_or(plain).to_owned()),
    ]
}
