//! How often a warm request goes to the heap: counts that do not depend on the machine or on what else it does.
//!
//! Server, vendor and caller run on the one thread of a current-thread runtime, where every allocation is counted. The
//! vendor and the caller allocate nothing: they write bytes that were made before and read into buffers that are large
//! enough. So what is counted is the proxy with hyper and tokio on both of its sides.
//!
//! A count above its bound: something on the path of every request (or record) goes to the heap that did not before.
//! `cargo test --test allocations -- --nocapture` prints the counts; look at the last changes of `src/upstream`,
//! `src/unified`, `src/mapping`, `src/net` and `src/api`, and raise a bound only with the reason for the cost in the commit.
//! A count far below its bound: lower the bound, so that the gain is kept.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use allocation_counter::measure;
use serde_json::{Value, json};
use support::{Answer, FakeVendor, Server, start_alone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Bounds are the counts of the day plus about 5 %, which is what a new release of a library may cost.
const GET: u64 = 1_490;
const LIST_OF_100: u64 = 30_150;
const EACH_RECORD: u64 = 287;
const PASSTHROUGH: u64 = 203;

/// Each request is made so often, and its least count taken: what happens by the clock on the same thread only adds.
const TIMES: usize = 10;

#[test]
fn a_warm_request_allocates_no_more_than_it_did() {
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1, "allocations are counted");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut scene = runtime.block_on(Scene::start());
    let get = scene.count(&runtime, "/v1/crm/contacts/501");
    let ten = scene.count(&runtime, "/v1/crm/contacts?limit=10");
    let hundred = scene.count(&runtime, "/v1/crm/contacts?limit=100");
    let passthrough = scene.count(&runtime, "/v1/passthrough/crm/objects/2026-03/contacts/501");
    let record = hundred.saturating_sub(ten) / 90;
    println!("get {get}, list of 100 {hundred}, each record of it {record}, passthrough {passthrough}");
    for (what, count, bound) in [
        ("a get", get, GET),
        ("a list of 100", hundred, LIST_OF_100),
        ("a record of a list", record, EACH_RECORD),
        ("a passthrough get", passthrough, PASSTHROUGH),
    ] {
        assert!(count > 0, "{what}: nothing was counted");
        assert!(count <= bound, "{what}: {count} allocations, bound {bound}; the head of this file says what to do");
    }
}

struct Scene {
    server: Server,
    _vendor: FakeVendor,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Scene {
    async fn start() -> Self {
        let vendor = FakeVendor::start().await;
        let answers = Arc::new(Answers::new());
        vendor.does(move |mut exchange| {
            let answers = answers.clone();
            async move {
                let mut buffer = vec![0; 16 * 1024];
                let length = exchange.head.len();
                buffer[..length].copy_from_slice(exchange.head.as_bytes());
                let mut filled = length;
                // Requests have no bodies here, and the proxy writes a head in one piece.
                while filled > 0 {
                    if exchange.stream.write_all(answers.to(&buffer[..filled])).await.is_err() {
                        return;
                    }
                    filled = exchange.stream.read(&mut buffer).await.unwrap_or(0);
                }
            }
        });
        let server = start_alone(mapping_of("hubspot"), &[("hubspot", &vendor)]).await;
        let stream = TcpStream::connect(server.api).await.expect("the server listens");
        Self { server, _vendor: vendor, stream, buffer: vec![0; 512 * 1024] }
    }

    /// Allocations of one such request, when everything that it needs is there.
    fn count(&mut self, runtime: &Runtime, path: &str) -> u64 {
        let (key, connection) = (&self.server.key, self.server.connection("hubspot"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nThroughline-Connection: {connection}\r\n\r\n"
        );
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        let length = runtime.block_on(ask(stream, request.as_bytes(), buffer));
        check(path, &buffer[..length]);
        let counts = (0..TIMES).map(|_| {
            measure(|| {
                runtime.block_on(ask(stream, request.as_bytes(), buffer));
            })
        });
        counts.map(|info| info.count_total).min().unwrap_or_default()
    }
}

/// What is counted is the right answer.
fn check(path: &str, bytes: &[u8]) {
    let head = head_of(bytes).expect("a head");
    let text = std::str::from_utf8(&bytes[..head]).expect("text");
    let answer = Answer { body: bytes[head..].to_vec(), ..Answer::of_head(text) };
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    if path.starts_with("/v1/passthrough") {
        assert_eq!(answer.body, read("benches/contact.json"));
        return;
    }
    let body = answer.json();
    let Some((_, limit)) = path.split_once("limit=") else { return pinned("benches/unified.json", &body) };
    let records = body["data"].as_array().expect("a list");
    assert_eq!((records.len().to_string().as_str(), body["next_cursor"].is_string()), (limit, true));
    if limit == "100" {
        pinned("benches/unified-contacts.json", &body["data"]);
    }
}

/// `benches/load.sh` expects the same answers. UPDATE_GOLDEN=1 writes them down as they are now.
fn pinned(path: &str, found: &Value) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = match found.as_array() {
            Some(records) => {
                // A line each, so that a change shows which.
                let lines: Vec<String> = records.iter().map(Value::to_string).collect();
                format!("[\n{}\n]\n", lines.join(",\n"))
            }
            None => format!("{found:#}\n"),
        };
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), text).expect("written");
    }
    let expected: Value = serde_json::from_slice(&read(path)).expect("JSON");
    assert!(expected == *found, "{path} is another answer; UPDATE_GOLDEN=1 writes this one: {found:#}");
}

/// Sends a request and reads its answer into the buffer, without an allocation. The length of the answer.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> usize {
    stream.write_all(request).await.expect("sent");
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.expect("an answer");
        assert!(read > 0, "the connection ended within an answer");
        filled += read;
        let Some(head) = head_of(&buffer[..filled]) else { continue };
        let length = content_length(&buffer[..head]).expect("an answer that says how long it is");
        if filled == head + length {
            return filled;
        }
    }
}

/// The length of a head with the empty line at its end.
fn head_of(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4)
}

fn content_length(head: &[u8]) -> Option<usize> {
    let name = b"content-length: ";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))?;
    std::str::from_utf8(&line[name.len()..]).ok()?.trim().parse().ok()
}

/// The vendor's answers, as they go over the wire.
struct Answers {
    one: Vec<u8>,
    ten: Vec<u8>,
    hundred: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let mut list: Value = serde_json::from_slice(&read("benches/contacts.json")).expect("JSON");
        let hundred = whole(list.to_string().as_bytes());
        list["results"].as_array_mut().expect("records").truncate(10);
        list["paging"]["next"] = json!({"after": "511", "link": "https://api.vendor.test/contacts?after=511"});
        Self { one: whole(&read("benches/contact.json")), ten: whole(list.to_string().as_bytes()), hundred }
    }

    fn to(&self, request: &[u8]) -> &[u8] {
        let asks_for = |text: &[u8]| request.windows(text.len()).any(|part| part == text);
        match () {
            () if asks_for(b"limit=100") => &self.hundred,
            () if asks_for(b"limit=10") => &self.ten,
            () => &self.one,
        }
    }
}

fn whole(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn read(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The shipped files of one provider, without its examples.
fn mapping_of(provider: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings").join(provider);
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let files = entries.filter(|path| path.extension().is_some_and(|kind| kind == "yaml"));
    files
        .map(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            (format!("{provider}/{name}"), fs::read_to_string(&path).expect("text"))
        })
        .collect()
}
