//! Hosts that move, names that are looked up slowly or in vain, and addresses that nobody answers at.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Request;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, advance, timeout};

use super::resolve::Resolve;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A network in memory in which one name leads to one address at a time. Every host says which one it is, and never
/// closes a connection.
#[derive(Default)]
struct Moving {
    at: Mutex<Vec<SocketAddr>>,
    dialled: Mutex<Vec<SocketAddr>>,
}

impl Dial for Moving {
    fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.at.lock().clone())
    }

    fn connect(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Wire>>> {
        self.dialled.lock().push(to);
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(host(theirs, to));
        Box::pin(std::future::ready(Ok(Box::new(ours) as Box<dyn Wire>)))
    }
}

async fn host(mut line: DuplexStream, itself: SocketAddr) {
    let mut part = [0; 4096];
    // Each request comes in one piece, for it has no body.
    while let Ok(1..) = line.read(&mut part).await {
        let name = itself.to_string();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
        if line.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn open() -> Config {
    Config { dangerous_allow_private_addresses: true, ..Config::default() }
}

fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).expect("a request")
}

async fn answer(client: &Client, url: &str) -> String {
    let body = client.send(get(url)).await.expect("an answer").into_body();
    String::from_utf8_lossy(&body.collect().await.expect("whole").to_bytes()).into_owned()
}

/// S-31.
#[tokio::test(start_paused = true)]
async fn a_host_that_moves_is_followed_within_five_minutes() {
    let (old, new) = (SocketAddr::from(([10, 0, 0, 1], 80)), SocketAddr::from(([10, 0, 0, 2], 80)));
    let network = Arc::new(Moving::default());
    *network.at.lock() = vec![old];
    let client = Client::dialling(&open(), Some(network.clone())).expect("a client");
    let began = Instant::now();
    assert_eq!(answer(&client, "http://moves.test/").await, old.to_string());
    *network.at.lock() = vec![new];
    let mut left_at = None;
    // Never idle for as long as the pool keeps a connection.
    while began.elapsed() < Duration::from_secs(600) {
        advance(Duration::from_secs(20)).await;
        let from = answer(&client, "http://moves.test/").await;
        match left_at {
            None if from == new.to_string() => left_at = Some(began.elapsed()),
            None => assert_eq!(from, old.to_string()),
            Some(_) => assert_eq!(from, new.to_string(), "nobody goes back"),
        }
    }
    let left_at = left_at.expect("it was left");
    assert!(Duration::from_secs(120) < left_at && left_at <= Duration::from_secs(300), "after {left_at:?}");
    let dialled = network.dialled.lock().len();
    assert!((3..=5).contains(&dialled), "{dialled} connections in ten minutes: they are used for some minutes each");
}

/// What is asked for names: by what their first label says.
struct Names(Arc<Mutex<Vec<String>>>);

impl Resolve for Names {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.0.lock().push(name.clone());
        Box::pin(async move {
            let local = |last: u8| SocketAddr::from(([127, 0, 0, last], 0));
            match name.split('.').next().unwrap_or_default() {
                "slow" => {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    Ok(vec![local(1)])
                }
                "never" => std::future::pending().await,
                "failing" => Err(io::Error::other("SERVFAIL")),
                "empty" => Ok(Vec::new()),
                "hundred" => Ok((1..=100).map(local).collect()),
                "half" => Ok(vec![local(1), local(2)]),
                _ => Ok(vec![local(2)]),
            }
        })
    }
}

fn client() -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    (Client::resolving(&open(), None, Arc::new(Names(asked.clone()))).expect("a client"), asked)
}

async fn failure(client: &Client, url: &str) -> Failure {
    client.send(get(url)).await.expect_err("no answer").failure()
}

#[tokio::test(start_paused = true)]
async fn names_that_are_not_told_in_time_cost_five_seconds() {
    let (client, asked) = client();
    for name in ["slow", "never"] {
        let began = Instant::now();
        let crowd = (0..100).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { failure(&client, &format!("http://{name}.test:1/")).await })
        });
        for one in crowd.collect::<Vec<_>>() {
            assert_eq!(one.await.expect("no panic"), Failure::TimedOut(Phase::Connect), "{name}");
        }
        assert_eq!(began.elapsed(), SECOND * 5, "{name}");
    }
    assert_eq!(asked.lock().len(), 2, "each name was looked up once");
}

#[tokio::test(start_paused = true)]
async fn names_without_addresses_are_told_at_once() {
    let (client, _) = client();
    let began = Instant::now();
    for name in ["failing", "empty"] {
        assert_eq!(failure(&client, &format!("http://{name}.test:1/")).await, Failure::Dns, "{name}");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// 127.0.0.2 and a port at which it answers; on 127.0.0.1 somebody listens there who takes no connection.
async fn dead_and_alive() -> (u16, TcpListener, Vec<TcpStream>) {
    let alive = TcpListener::bind("127.0.0.2:0").await.expect("a free port");
    let port = alive.local_addr().expect("an address").port();
    let dead = TcpSocket::new_v4().expect("a socket");
    dead.bind(SocketAddr::from(([127, 0, 0, 1], port))).expect("the same port");
    let dead = dead.listen(1).expect("it listens");
    let mut queued = Vec::new();
    // Until its queue is full: then not even a handshake is answered.
    while let Ok(Ok(stream)) = timeout(SECOND / 5, TcpStream::connect(("127.0.0.1", port))).await {
        queued.push(stream);
    }
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = alive.accept().await {
            let mut part = [0; 4096];
            let _ = stream.read(&mut part).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nalive").await;
        }
    });
    (port, dead, queued)
}

#[tokio::test]
async fn a_dead_address_leaves_time_for_the_next_and_harms_no_other_host() {
    let (port, _dead, _queued) = dead_and_alive().await;
    let (client, _) = client();
    let half = async {
        let began = Instant::now();
        let said = answer(&client, &format!("http://half.test:{port}/")).await;
        (said, began.elapsed())
    };
    let other = async {
        let began = Instant::now();
        let said = answer(&client, &format!("http://other.test:{port}/")).await;
        (said, began.elapsed())
    };
    let ((said, took), (others, others_took)) = tokio::join!(half, other);
    assert_eq!((said.as_str(), others.as_str()), ("alive", "alive"));
    assert!(SECOND < took && took < SECOND * 5, "the second address was tried after {took:?}");
    assert!(others_took < SECOND, "{others_took:?}");
    // A hundred addresses are no reason to give each a twentieth of a second.
    let began = Instant::now();
    assert_eq!(answer(&client, &format!("http://hundred.test:{port}/")).await, "alive");
    assert!(began.elapsed() > SECOND && began.elapsed() < SECOND * 5);
}
