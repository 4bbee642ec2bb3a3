//! Sends requests for `benches/load.sh`: what wrk cannot do.
//!
//!     load_client rate ADDRESS REQUEST RATE SECONDS     so many requests a second, whatever the answers take
//!     load_client each ADDRESS REQUEST THREADS WORDS    one request for each line of WORDS, in place of `{}`
//!
//! REQUEST is a file with a whole request as it goes over the wire. `rate` prints latencies as JSON, in microseconds;
//! `each` prints the `id` of each answer that has one. Anything but a 2xx ends the program with 1.
//!
//! `rate` does not leave out what it waits for: each request has a time at which it is to be sent, and its latency counts
//! from then, also where the request before it was answered too late to send it in time.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Connections that take turns. One has sixteen milliseconds for its answer at 1,000 requests a second.
const CONNECTIONS: usize = 16;

type Fault = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["rate", address, request, rate, seconds] => self::rate(address, request, rate, seconds),
        ["each", address, request, threads, words] => each(address, request, threads, words),
        // All benches are started by `cargo bench`, and this one measures nothing by itself.
        _ => return ExitCode::SUCCESS,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn rate(address: &str, request: &str, rate: &str, seconds: &str) -> Result<(), Fault> {
    let request = std::fs::read(request)?;
    let rate: f64 = rate.parse()?;
    let requests = (rate * seconds.parse::<f64>()?) as usize;
    let mut connections = (0..CONNECTIONS).map(|_| Connection::to(address)).collect::<Result<Vec<_>, _>>()?;
    // The first request on a connection is not measured.
    for connection in &mut connections {
        connection.exchange(&request)?;
    }
    let began = Instant::now() + Duration::from_millis(50);
    let parts = thread::scope(|scope| {
        let running: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(first, connection)| {
                let request = &request;
                scope.spawn(move || {
                    let turns = (first..requests).step_by(CONNECTIONS);
                    let times = turns.map(|turn| began + Duration::from_secs_f64(turn as f64 / rate));
                    in_time(connection, request, times)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a thread")).collect::<Result<Vec<_>, _>>()
    })?;
    let (latencies, overheads): (Vec<_>, Vec<_>) = parts.into_iter().flatten().unzip();
    let told: Vec<f64> = overheads.into_iter().flatten().collect();
    println!("{}", json!({"requests": latencies.len(), "latency": spread(latencies), "overhead": spread(told)}));
    Ok(())
}

/// One request at each of these times: its latency, and what the answer calls our overhead. µs.
fn in_time(
    mut connection: Connection,
    request: &[u8],
    times: impl Iterator<Item = Instant>,
) -> Result<Vec<(f64, Option<f64>)>, Fault> {
    let mut found = Vec::new();
    for time in times {
        #[expect(
            clippy::disallowed_methods,
            reason = "this thread has no runtime, whose timers tell milliseconds only"
        )]
        thread::sleep(time.saturating_duration_since(Instant::now()));
        let answer = connection.exchange(request)?;
        found.push((time.elapsed().as_secs_f64() * 1e6, answer.overhead()));
    }
    Ok(found)
}

/// Median and tails. Null without figures.
fn spread(mut figures: Vec<f64>) -> Value {
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| figures.get(((figures.len() as f64 * share) as usize).min(figures.len().saturating_sub(1)));
    match at(0.5) {
        Some(_) => json!({"p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": figures.last()}),
        None => Value::Null,
    }
}

fn each(address: &str, request: &str, threads: &str, words: &str) -> Result<(), Fault> {
    let request = std::fs::read_to_string(request)?;
    let text = std::fs::read_to_string(words)?;
    let words: Vec<&str> = text.lines().collect();
    let next = AtomicUsize::new(0);
    let ids = thread::scope(|scope| {
        let threads = threads.parse::<usize>()?;
        let work = || -> Result<BTreeMap<usize, String>, Fault> {
            let mut connection = Connection::to(address)?;
            let mut ids = BTreeMap::new();
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let Some(word) = words.get(turn) else { return Ok(ids) };
                let answer = connection.exchange(request.replace("{}", word).as_bytes())?;
                ids.extend(answer.id().map(|id| (turn, id)));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let parts = running.into_iter().map(|thread| thread.join().expect("a thread"));
        parts.collect::<Result<Vec<_>, Fault>>()
    })?;
    let ids: BTreeMap<usize, String> = ids.into_iter().flatten().collect();
    ids.values().for_each(|id| println!("{id}"));
    Ok(())
}

/// One kept-open connection with one request at a time.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

struct Answer<'b> {
    head: &'b str,
    body: &'b [u8],
}

impl Connection {
    fn to(address: &str) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024] })
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Fault> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        let (head, end) = loop {
            if filled == self.buffer.len() {
                self.buffer.resize(2 * filled, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err("the server ended the connection".into());
            }
            filled += read;
            let Some(head) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let length = content_length(std::str::from_utf8(&self.buffer[..head])?)?;
            if filled == head + 4 + length {
                break (head, filled);
            }
        };
        let answer = Answer { head: std::str::from_utf8(&self.buffer[..head])?, body: &self.buffer[head + 4..end] };
        if answer.head.as_bytes().get(9) == Some(&b'2') {
            return Ok(answer);
        }
        Err(format!("{}\n{}", answer.head, String::from_utf8_lossy(answer.body)).into())
    }
}

impl Answer<'_> {
    /// What `Server-Timing` says is ours. µs.
    fn overhead(&self) -> Option<f64> {
        let (_, rest) = self.head.split_once("overhead;dur=")?;
        let number = rest.split(|letter: char| letter != '.' && !letter.is_ascii_digit()).next()?;
        Some(number.parse::<f64>().ok()? * 1000.0)
    }

    fn id(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(self.body).ok()?;
        body.get("id")?.as_str().map(str::to_owned)
    }
}

/// Neither nginx nor the proxy sends the answers of these requests in chunks.
fn content_length(head: &str) -> Result<usize, Fault> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let length = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value.trim());
    match length.last() {
        Some(length) => Ok(length.parse()?),
        None => Err(format!("an answer that does not say how long it is: {head}").into()),
    }
}
